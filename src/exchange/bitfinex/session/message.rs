//! `{"event": …}`, the messages about the conversation itself.

use serde::Deserialize;

use super::subscription::Subscription;

/// One message without the parameters of a subscription that it may repeat.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) event: Option<String>,
    pub(super) version: Option<i64>,
    pub(super) platform: Option<Platform>,
    pub(super) code: Option<i64>,
    pub(super) msg: Option<String>,
    pub(super) status: Option<String>,
    pub(super) flags: Option<u64>,
    #[serde(rename = "chanId")]
    pub(super) channel_id: Option<u64>,
    #[serde(rename = "subId")]
    pub(super) sub_id: Option<SubId>,
    #[serde(skip)]
    pub(super) subscription: Subscription,
}

#[derive(Debug, Deserialize)]
pub(super) struct Platform {
    pub(super) status: Option<i64>,
}

/// The exchange repeats what it was sent, in the same type or as a text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum SubId {
    Number(u64),
    Text(String),
}

impl Message {
    pub(super) fn parse(text: &str) -> serde_json::Result<Self> {
        let message: Self = serde_json::from_str(text)?;
        Ok(Self { subscription: serde_json::from_str(text)?, ..message })
    }

    pub(super) fn sub_id(&self) -> Option<u64> {
        match self.sub_id.as_ref()? {
            SubId::Number(number) => Some(*number),
            SubId::Text(text) => text.parse().ok(),
        }
    }

    /// The exchange's words, as far as a person would read them.
    pub(super) fn words(&self) -> String {
        let text = self.msg.as_deref().unwrap_or("error");
        text.chars().filter(|c| !c.is_control()).take(200).collect()
    }
}
