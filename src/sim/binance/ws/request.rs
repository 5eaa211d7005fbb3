//! What clients say, and what is wrong with it
//! (binance-spot-api-docs, web-socket-streams.md, 2026-07).

use serde_json::{Value, json};

/// A client's request.
pub(super) struct Request {
    pub(super) id: Value,
    pub(super) method: Method,
}

pub(super) enum Method {
    Subscribe(Vec<String>),
    Unsubscribe(Vec<String>),
    List,
    /// Whether frames are wrapped with their stream's name.
    SetCombined(bool),
    GetCombined,
}

impl Request {
    /// # Errors
    /// The answer that tells what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| {
            json!({"code": 3, "msg": format!("Invalid JSON: {error}")}).to_string()
        })?;
        let id = value.get("id").cloned().unwrap_or(Value::Null);
        let fits = match &id {
            Value::Null => true,
            Value::Number(number) => number.is_i64(),
            Value::String(text) => text.len() <= 36,
            _ => false,
        };
        if !fits {
            let why = "request ID must be an integer, a string of 36 characters at most, or null";
            return Err(invalid(why, &Value::Null));
        }
        let Some(method) = value.get("method").and_then(Value::as_str) else {
            return Err(invalid("missing field `method`", &id));
        };
        let params = value.get("params");
        let names = || {
            let all = params.and_then(Value::as_array)?;
            all.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        let named = |make: fn(Vec<String>) -> Method| {
            names().map(make).ok_or_else(|| invalid("params must be an array of strings", &id))
        };
        let is_combined = || params.and_then(|params| params.get(0)) == Some(&json!("combined"));
        let method = match method {
            "SUBSCRIBE" => named(Method::Subscribe)?,
            "UNSUBSCRIBE" => named(Method::Unsubscribe)?,
            "LIST_SUBSCRIPTIONS" => Method::List,
            "GET_PROPERTY" if is_combined() => Method::GetCombined,
            "SET_PROPERTY" if is_combined() => {
                let value = params.and_then(|params| params.get(1)).and_then(Value::as_bool);
                let wrong = || json!({"code": 1, "msg": "Invalid value type: expected Boolean"});
                Method::SetCombined(value.ok_or_else(|| wrong().to_string())?)
            }
            "GET_PROPERTY" | "SET_PROPERTY" => {
                return Err(json!({"code": 0, "msg": "Unknown property", "id": id}).to_string());
            }
            other => {
                let why = format!(
                    "unknown variant {other}, expected one of SUBSCRIBE, UNSUBSCRIBE, \
                     LIST_SUBSCRIPTIONS, SET_PROPERTY, GET_PROPERTY"
                );
                return Err(invalid(&why, &id));
            }
        };
        Ok(Self { id, method })
    }
}

/// The error of a request that makes no sense.
pub(super) fn invalid(why: &str, id: &Value) -> String {
    json!({"code": 2, "msg": format!("Invalid request: {why}"), "id": id}).to_string()
}
