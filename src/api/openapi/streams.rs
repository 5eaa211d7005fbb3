//! The description of the streams: AsyncAPI 3.0.

use serde_json::Value;

use super::object;

/// What the messages have in common with the answers of endpoints.
const SHARED: [&str; 6] = ["Ticker", "Trade", "OrderBook", "Candles", "CandleList", "Candle"];

/// The document; `openapi` is that of the endpoints, which has the schemas of market data.
pub(in crate::api) fn document(openapi: &Value) -> Value {
    let mut document: Value =
        serde_json::from_str(include_str!("asyncapi.json")).expect("a checked-in document is JSON");
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    let schemas = object(&mut document["components"]["schemas"]);
    for name in SHARED {
        schemas.insert(name.to_owned(), openapi["components"]["schemas"][name].clone());
    }
    document
}
