//! What clients are told about their own requests.

use serde::Serialize;

use super::{
    following::Joined,
    message::{ModeBody, Subject},
    request::Name,
};
use crate::api::{Problem, problem::millis_rounded_up, reader::json};

/// The first message of every stream.
#[derive(Serialize)]
struct Welcome<'a> {
    r#type: &'static str,
    version: &'static str,
    heartbeat_ms: u64,
    topics: &'a [TopicBody],
}

/// Where a stream that was cut goes on.
#[derive(Serialize)]
struct Resume<'a> {
    r#type: &'static str,
    after: &'a str,
    topics: &'a [ResumeBody<'a>],
}

#[derive(Serialize)]
struct ResumeBody<'a> {
    symbol: &'a str,
    channel: &'a str,
    resume: &'static str,
}

#[derive(Serialize)]
struct Ack<'a> {
    r#type: &'static str,
    op: &'static str,
    request: Option<&'a Name>,
    topics: &'a [TopicBody],
}

#[derive(Serialize)]
struct Pong<'a> {
    r#type: &'static str,
    request: Option<&'a Name>,
}

#[derive(Serialize)]
struct Error<'a> {
    r#type: &'static str,
    request: Option<&'a Name>,
    #[serde(flatten)]
    problem: ProblemBody,
}

/// How the wish to follow one topic, or not to, was met.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum TopicBody {
    /// It is followed.
    Joined {
        symbol: String,
        channel: String,
        ok: bool,
        #[serde(flatten)]
        mode: ModeBody,
        #[serde(skip_serializing_if = "Option::is_none")]
        resume: Option<&'static str>,
    },
    /// It is followed no longer.
    Left { symbol: String, channel: String, ok: bool },
    /// It cannot be.
    Failed { symbol: String, channel: String, ok: bool, problem: ProblemBody },
}

/// A problem in short.
#[derive(Serialize)]
pub(super) struct ProblemBody {
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl ProblemBody {
    pub(super) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), suggestions: None, retry_after_ms: None }
    }
}

impl From<Problem> for ProblemBody {
    fn from(problem: Problem) -> Self {
        Self {
            suggestions: problem.suggestions,
            retry_after_ms: problem.retry_after.map(millis_rounded_up),
            ..Self::new(problem.code.as_str(), problem.detail)
        }
    }
}

impl TopicBody {
    pub(super) fn joined(subject: &Subject, joined: &Joined) -> Self {
        Self::Joined {
            symbol: subject.market.symbol.to_string(),
            channel: subject.channel.to_string(),
            ok: true,
            mode: joined.mode,
            resume: joined.resume,
        }
    }

    pub(super) fn left(subject: &Subject) -> Self {
        let (symbol, channel) = (subject.market.symbol.to_string(), subject.channel.to_string());
        Self::Left { symbol, channel, ok: true }
    }

    /// `symbol` and `channel` as the client wrote them.
    pub(super) fn failed(symbol: &str, channel: &str, problem: ProblemBody) -> Self {
        let (symbol, channel) = (cut(symbol), cut(channel));
        Self::Failed { symbol, channel, ok: false, problem }
    }
}

/// As much of a client's text as is repeated to him.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

pub(super) fn welcome(heartbeat: std::time::Duration, topics: &[TopicBody]) -> Vec<u8> {
    let heartbeat_ms = u64::try_from(heartbeat.as_millis()).unwrap_or(u64::MAX);
    let version = env!("CARGO_PKG_VERSION");
    json(&Welcome { r#type: "welcome", version, heartbeat_ms, topics })
}

/// Where each of `topics` goes on; those that were not asked to are left out.
pub(super) fn resume(after: &str, topics: &[TopicBody]) -> Vec<u8> {
    let resumed = topics.iter().filter_map(|topic| match topic {
        TopicBody::Joined { symbol, channel, resume: Some(resume), .. } => {
            Some(ResumeBody { symbol, channel, resume })
        }
        _ => None,
    });
    json(&Resume { r#type: "resume", after: &cut(after), topics: &resumed.collect::<Vec<_>>() })
}

pub(super) fn ack(op: &'static str, request: Option<&Name>, topics: &[TopicBody]) -> Vec<u8> {
    json(&Ack { r#type: "ack", op, request, topics })
}

pub(super) fn pong(request: Option<&Name>) -> Vec<u8> {
    json(&Pong { r#type: "pong", request })
}

pub(super) fn error(request: Option<&Name>, problem: ProblemBody) -> Vec<u8> {
    json(&Error { r#type: "error", request, problem })
}
