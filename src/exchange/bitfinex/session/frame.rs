//! `[CHANNEL, CONTENT, …]`, the messages that bring data.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// One message of a channel.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) channel: u64,
    pub(super) content: Content<'a>,
    /// The integer after the content: the message's number, where messages are numbered.
    pub(super) number: Option<u64>,
}

/// What a message brings (docs.bitfinex.com/docs/ws-general and ws-public, 2025-11).
#[derive(Debug)]
pub(super) enum Content<'a> {
    /// `"hb"`.
    Heartbeat,
    /// `"cs", SUM`.
    Checksum(i64),
    /// `"te", ROW`, of funding `"fte", ROW`.
    Executed(&'a RawValue),
    /// `"tu", ROW`, of funding `"ftu", ROW`.
    Confirmed(&'a RawValue),
    /// A row, or rows.
    Rows(&'a RawValue),
    /// Another word, which means nothing to this session.
    Word,
}

impl<'a> Frame<'a> {
    pub(super) fn parse(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Frame<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FrameVisitor)
    }
}

struct FrameVisitor;

impl<'de> Visitor<'de> for FrameVisitor {
    type Value = Frame<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a channel's message")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Frame<'de>, A::Error> {
        fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
            seq.next_element()?.ok_or_else(|| de::Error::custom("a message cut short"))
        }
        let channel = next(&mut seq)?;
        let second: &RawValue = next(&mut seq)?;
        let content = match second.get() {
            r#""hb""# => Content::Heartbeat,
            r#""cs""# => Content::Checksum(next(&mut seq)?),
            r#""te""# | r#""fte""# => Content::Executed(next(&mut seq)?),
            r#""tu""# | r#""ftu""# => Content::Confirmed(next(&mut seq)?),
            word if word.starts_with('"') => Content::Word,
            _ => Content::Rows(second),
        };
        let mut following: Option<&RawValue> = seq.next_element()?;
        if matches!(content, Content::Word) {
            // How long such a message is nobody knows; its number comes last.
            while let Some(further) = seq.next_element()? {
                following = Some(further);
            }
        } else if following.is_some() {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
        }
        let number = following.and_then(|raw| raw.get().parse().ok());
        Ok(Frame { channel, content, number })
    }
}
