//! Explanations, and forecasts of what is described elsewhere.

use serde_json::{Map, Value, json};

use super::{
    parameters::{self, Headers},
    params, problems, references,
};
use crate::api::{
    Reader,
    params::{EXPLAIN, Kind, Param},
};

/// True for operations that can be explained.
pub(super) fn is_told(params: &[Param]) -> bool {
    params.iter().any(|param| param.name == EXPLAIN.name)
}

/// Adds to a 200 that an explanation may be beside its keys, or in a header.
pub(super) fn beside(response: &mut Value) {
    let name = "X-Tidegate-Explain";
    response["headers"][name] = references("headers", &[name])[name].take();
    let schema = &mut response["content"]["application/json"]["schema"];
    // Rows have no keys for it to be beside.
    if schema["type"] == "array" {
        return;
    }
    let explained = json!({
        "type": "object",
        "properties": { "explain": { "$ref": "#/components/schemas/Explanation" } }
    });
    *schema = json!({ "allOf": [schema.take(), explained] });
}

/// Adds a forecast for every operation that reads what may be held.
pub(super) fn forecasts(paths: &mut Map<String, Value>, reader: &Reader) {
    let forecasts: Vec<_> = paths
        .iter()
        .filter_map(|(path, item)| {
            let rest = path.strip_prefix("/api/market-data/")?;
            let id = item["get"]["operationId"].as_str()?;
            let params = params(id);
            let reads = params.iter().any(|param| matches!(param.kind, Kind::Exchange));
            (reads && is_told(params)).then(|| {
                (format!("/api/explain/{rest}"), json!({ "get": forecast(id, rest, reader) }))
            })
        })
        .collect();
    paths.extend(forecasts);
}

fn forecast(id: &str, rest: &str, reader: &Reader) -> Value {
    let params = params(id);
    let may_be_unsupported = matches!(id, "orderbook" | "trades")
        || params.iter().any(|param| matches!(param.kind, Kind::Timeframe));
    let mut responses = json!({
        "200": {
            "description": "What would happen",
            "headers": references("headers", &["Cache-Control", "X-Request-Id"]),
            "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/Forecast" },
                "examples": { "held": {
                    "value": serde_json::from_str::<Value>(include_str!("examples/forecast.json"))
                        .expect("a recorded answer")
                } }
            } }
        }
    });
    let statuses = [403, 404, 414, 422, 500, 501, 503, 504];
    for status in statuses.into_iter().filter(|status| *status != 501 || may_be_unsupported) {
        responses[status.to_string()] = problems::reference(status);
    }
    json!({
        "tags": ["Market data"],
        "summary": format!("What `/api/market-data/{rest}` would do now."),
        "description": "Nothing is asked of the exchange, started or counted to tell that. It \
            takes the same parameters, and heeds what `Cache-Control` demands.",
        "operationId": format!("explain_{id}"),
        "parameters": parameters::of(rest, params, Headers::Forecast, reader),
        "responses": responses
    })
}
