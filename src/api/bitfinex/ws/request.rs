//! What clients say, and what is wrong with it.

use serde_json::{Map, Value, json};

use crate::exchange::bitfinex::Subscription;

/// Numbers of errors (docs.bitfinex.com/docs/abbreviations-glossary, 2025-11; that a wrong
/// parameter and an unknown channel are 10300 was seen in 2026-09).
pub(super) mod code {
    pub(in super::super) const UNKNOWN_EVENT: i64 = 10_000;
    pub(in super::super) const CONF_FAILED: i64 = 10_050;
    pub(in super::super) const AUTH_FAILED: i64 = 10_100;
    pub(in super::super) const SUBSCRIPTION_FAILED: i64 = 10_300;
    pub(in super::super) const DUPLICATE: i64 = 10_301;
    pub(in super::super) const LIMIT: i64 = 10_305;
    pub(in super::super) const UNSUBSCRIPTION_FAILED: i64 = 10_400;
    pub(in super::super) const NOT_READY: i64 = 11_000;
}

/// An event from a client.
#[derive(Debug)]
pub(super) enum Request {
    /// Whether anybody is there.
    Ping {
        /// Comes back in the answer.
        cid: Option<Value>,
    },
    /// How it wants its messages; `None`: in no way that can be read.
    Conf(Option<u64>, Fields),
    /// To follow a channel.
    Subscribe(Box<Wish>),
    /// To follow one no longer.
    Unsubscribe(Fields),
    /// To be let in, which only the exchange can do.
    Auth,
    /// Something that does not exist.
    Unknown(String),
}

/// A channel that is asked for.
#[derive(Debug)]
pub(super) struct Wish {
    /// Which one.
    pub(super) subscription: Subscription,
    /// The request's fields.
    pub(super) fields: Fields,
}

/// The fields of a request as they were sent, `event` left out. Answers repeat them.
#[derive(Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Request {
    /// `None` for what the exchange does not answer: a text that is no JSON object (seen 2026-09).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else { return None };
        let event = match fields.shift_remove("event") {
            Some(Value::String(event)) => event,
            Some(other) => other.to_string(),
            None => "undefined".to_owned(),
        };
        Some(match event.as_str() {
            "ping" => Self::Ping { cid: fields.shift_remove("cid") },
            "conf" => Self::Conf(fields.get("flags").and_then(Value::as_u64), Fields(fields)),
            "subscribe" => {
                let subscription = serde_json::from_str(text).unwrap_or_default();
                Self::Subscribe(Box::new(Wish { subscription, fields: Fields(fields) }))
            }
            "unsubscribe" => Self::Unsubscribe(Fields(fields)),
            "auth" => Self::Auth,
            _ => Self::Unknown(event.chars().take(40).collect()),
        })
    }
}

impl Fields {
    /// A field as it was sent.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A channel's number; clients send it as a text, too.
    pub(super) fn channel(&self) -> Option<u64> {
        match self.0.get("chanId")? {
            Value::String(text) => text.parse().ok(),
            number => number.as_u64(),
        }
    }

    /// The error that says what is wrong and repeats the request.
    pub(super) fn error(&self, code: i64, message: &str) -> String {
        self.with_channel(None, code, message)
    }

    /// The same about a channel that there is already.
    pub(super) fn duplicate(&self, channel: u64) -> String {
        self.with_channel(Some(channel), code::DUPLICATE, "subscribe: dup")
    }

    fn with_channel(&self, channel: Option<u64>, code: i64, message: &str) -> String {
        let mut error = self.0.clone();
        for own in ["msg", "code"] {
            error.shift_remove(own);
        }
        let mut said = Map::new();
        said.insert("event".to_owned(), json!("error"));
        said.insert("msg".to_owned(), json!(message));
        said.insert("code".to_owned(), json!(code));
        if let Some(channel) = channel {
            error.shift_remove("chanId");
            said.insert("chanId".to_owned(), json!(channel));
        }
        said.append(&mut error);
        Value::Object(said).to_string()
    }
}
