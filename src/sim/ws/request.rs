//! What clients say.

use serde_json::{Map, Value, json};

/// A client's event.
pub(super) enum Request {
    Ping { cid: Option<Value> },
    Conf { flags: u64 },
    Subscribe(Fields),
    Unsubscribe(Fields),
    Unknown { event: String },
}

/// The fields of a request as they were sent, `event` left out.
pub(super) struct Fields(pub(super) Map<String, Value>);

impl Request {
    /// `None` for what the exchange does not answer: text that is no JSON object.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else { return None };
        let event = match fields.remove("event") {
            Some(Value::String(event)) => event,
            Some(other) => other.to_string(),
            None => "undefined".to_owned(),
        };
        Some(match event.as_str() {
            "ping" => Self::Ping { cid: fields.remove("cid") },
            "conf" => {
                Self::Conf { flags: fields.get("flags").and_then(Value::as_u64).unwrap_or(0) }
            }
            "subscribe" => Self::Subscribe(Fields(fields)),
            "unsubscribe" => Self::Unsubscribe(Fields(fields)),
            _ => Self::Unknown { event },
        })
    }
}

impl Fields {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A whole number or its text: clients send both for `len` and `chanId`.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        match self.0.get(name)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The error that names what is wrong and repeats the request.
    pub(super) fn refusal(&self, code: u32, message: &str) -> String {
        let mut error = error(code, message);
        error.extend(self.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        Value::Object(error).to_string()
    }
}

/// The error without a request to repeat.
pub(super) fn error(code: u32, message: &str) -> Map<String, Value> {
    let fields = [("event", json!("error")), ("msg", json!(message)), ("code", json!(code))];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
