//! What WebSocket clients say.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::reply::ProblemBody;

/// Characters of a request's name.
const LONGEST_NAME: usize = 64;

/// A client's name of a request, given back with the answer.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Name {
    Number(i64),
    Text(String),
}

/// Which topics: each of the symbols with each of the channels.
#[derive(Debug, PartialEq)]
pub(super) struct Selection {
    pub(super) symbols: Vec<String>,
    pub(super) channels: Vec<String>,
    pub(super) exchange: Option<String>,
}

/// A message.
#[derive(Debug, PartialEq)]
pub(super) enum Request {
    Subscribe { selection: Selection, after: Option<String> },
    Unsubscribe { selection: Selection },
    Ping,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Written {
    Subscribe {
        symbols: Vec<String>,
        channels: Vec<String>,
        exchange: Option<String>,
        after: Option<String>,
    },
    Unsubscribe {
        symbols: Vec<String>,
        channels: Vec<String>,
        exchange: Option<String>,
    },
    Ping {},
}

/// Reads a message, in which at most `most` topics may be selected; gives the request's name too,
/// where it can be read.
pub(super) fn read(text: &str, most: usize) -> (Option<Name>, Result<Request, ProblemBody>) {
    let mut fields: Map<String, Value> = match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return (None, Err(invalid("a message is a JSON object with an \"op\""))),
        Err(error) => return (None, Err(ProblemBody::new("not_json", error.to_string()))),
    };
    let name = fields.remove("request").filter(|name| !name.is_null());
    let name = match name.map(Name::deserialize) {
        Some(Ok(name)) if name.is_short() => Some(name),
        None => None,
        Some(_) => {
            let detail = format!("request: an integer or a text of {LONGEST_NAME} characters");
            return (None, Err(invalid(detail)));
        }
    };
    (name, understand(fields.into(), most))
}

fn invalid(detail: impl Into<String>) -> ProblemBody {
    ProblemBody::new("invalid_message", detail)
}

impl Name {
    fn is_short(&self) -> bool {
        match self {
            Self::Number(_) => true,
            Self::Text(text) => text.chars().count() <= LONGEST_NAME,
        }
    }
}

fn understand(fields: Value, most: usize) -> Result<Request, ProblemBody> {
    let select = |symbols: Vec<String>, channels: Vec<String>, exchange| match symbols
        .len()
        .saturating_mul(channels.len())
    {
        0 => Err(invalid("symbols and channels: at least one of each")),
        topics if topics > most => Err(super::following::too_many(most).into()),
        _ => Ok(Selection { symbols, channels, exchange }),
    };
    match Written::deserialize(fields).map_err(|error| invalid(error.to_string()))? {
        Written::Subscribe { symbols, channels, exchange, after } => {
            Ok(Request::Subscribe { selection: select(symbols, channels, exchange)?, after })
        }
        Written::Unsubscribe { symbols, channels, exchange } => {
            Ok(Request::Unsubscribe { selection: select(symbols, channels, exchange)? })
        }
        Written::Ping {} => Ok(Request::Ping),
    }
}
