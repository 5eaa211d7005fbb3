//! The description of this interface: OpenAPI 3.1.
//!
//! Paths and answers come from the annotations of the handlers and the types they encode,
//! parameters from the declarations they are read by, errors from the problems themselves. What
//! all operations share is added here.

mod answers;
mod explain;
mod parameters;
mod problems;
mod schemas;
mod security;
pub(super) mod streams;

use parameters::Headers;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::{
    Reader,
    explain::{ExplanationBody, ForecastBody},
    market_data::{
        compare, context, exchanges, markets, ohlcv, orderbook, ticker, trades, validate,
    },
    ops::{admin, health, history, pages, status},
    params::{Kind, Param},
    problem::Document,
    stream::{sse, ws},
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Tidegate", description = include_str!("about.md")),
    servers((url = "/", description = "This gateway")),
    tags(
        (name = "Market data", description = "The same for every exchange."),
        (name = "Streams", description = "Market data as it comes."),
        (name = "Operations", description = "For those who run it."),
        (
            name = "Administration",
            description = "What operators do; with a key that has the right `admin`, even where \
                           no key is needed for anything else."
        ),
    ),
    paths(
        ohlcv::ohlcv,
        ticker::ticker,
        ticker::tickers,
        orderbook::orderbook,
        trades::trades,
        context::context,
        context::contexts,
        validate::validate_market,
        markets::markets,
        exchanges::exchanges,
        compare::compare,
        sse::stream,
        ws::ws,
        health::livez,
        health::readyz,
        health::healthz,
        status::metrics,
        status::status,
        history::history,
        admin::drain,
        admin::clear,
        admin::cordon,
        admin::uncordon,
        admin::log,
        pages::openapi,
    ),
    components(schemas(Document, ExplanationBody, ForecastBody))
)]
struct Annotations;

/// The query parameters of an operation.
fn params(operation: &str) -> &'static [Param] {
    match operation {
        "ohlcv" => &ohlcv::PARAMS,
        "ticker" => &ticker::PARAMS,
        "tickers" => &ticker::MANY_PARAMS,
        "orderbook" => &orderbook::PARAMS,
        "trades" => &trades::PARAMS,
        "market_context" => &context::PARAMS,
        "market_contexts" => &context::MANY_PARAMS,
        "validate_market" => &validate::PARAMS,
        "markets" => &markets::PARAMS,
        "exchanges" => &exchanges::PARAMS,
        "compare" => &compare::PARAMS,
        "stream" => &sse::PARAMS,
        "ws" => &ws::PARAMS,
        "livez" | "readyz" | "healthz" => &health::PARAMS,
        _ => &[],
    }
}

/// The document for a gateway with these exchanges and settings.
pub(super) fn document(reader: &Reader) -> Value {
    let mut document =
        serde_json::to_value(Annotations::openapi()).expect("names and texts serialise");
    for (path, item) in object(&mut document["paths"]) {
        for (method, operation) in object(item) {
            complete((method, path), operation, reader);
        }
    }
    explain::forecasts(object(&mut document["paths"]), reader);
    let components = object(&mut document["components"]);
    components.insert("parameters".to_owned(), parameters::shared());
    components.insert("headers".to_owned(), answers::headers());
    components.insert("responses".to_owned(), problems::responses());
    components.insert("securitySchemes".to_owned(), security::schemes());
    schemas::complete(object(&mut components["schemas"]));
    document
}

/// Adds to an annotated operation what follows from its place and its parameters.
fn complete((method, path): (&str, &str), operation: &mut Value, reader: &Reader) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let params = params(&id);
    let asks_exchange =
        params.iter().any(|param| matches!(param.kind, Kind::Exchange | Kind::Exchanges));
    let is_cached = asks_exchange && id != "stream";
    operation["parameters"] = parameters::of(path, params, Headers::of(&id, is_cached), reader);
    operation["security"] = security::of(path);
    let responses = object(&mut operation["responses"]);
    match id.as_str() {
        "ws" => responses["101"]["headers"] = references("headers", &["X-Request-Id"]),
        "drain" => answers::complete(&id, &mut responses["202"], is_cached),
        _ => answers::complete(&id, &mut responses["200"], is_cached),
    }
    for status in security::statuses(path) {
        responses.insert(status.to_string(), problems::reference(*status));
        if *status == 429 {
            let success = if id == "ws" { "101" } else { "200" };
            answers::tell_quota(&mut responses[success]);
        }
    }
    if explain::is_told(params) {
        explain::beside(&mut responses["200"]);
    }
    if is_cached {
        responses.insert("304".to_owned(), answers::not_modified(&id));
    }
    let is_admin = method != "get";
    let is_timeframe = |param: &Param| matches!(param.kind, Kind::Timeframe | Kind::Channels);
    let has_timeframe = params.iter().any(is_timeframe);
    for (status, applies) in [
        (401, is_admin),
        (403, is_admin),
        (404, asks_exchange || matches!(id.as_str(), "clear" | "cordon" | "uncordon")),
        (414, true),
        (422, !matches!(id.as_str(), "metrics" | "openapi")),
        (426, id == "ws"),
        (500, true),
        (501, has_timeframe || matches!(id.as_str(), "orderbook" | "trades")),
        (502, asks_exchange),
        (503, true),
        (504, asks_exchange),
    ] {
        if applies {
            responses.insert(status.to_string(), problems::reference(status));
        }
    }
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().expect("an object in every OpenAPI document")
}

/// An object of references to components by their names.
fn references(kind: &str, names: &[&str]) -> Value {
    let reference = |name: &&str| {
        let to = format!("#/components/{kind}/{name}");
        ((*name).to_owned(), json!({ "$ref": to }))
    };
    names.iter().map(reference).collect::<Map<_, _>>().into()
}
