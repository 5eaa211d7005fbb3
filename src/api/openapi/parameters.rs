//! Parameters of requests.

use serde_json::{Value, json};

use crate::{
    api::{
        Reader,
        params::{Kind, Limit, Param},
    },
    market::Timeframe,
};

/// The first and last Unix millisecond that is understood.
const TIMES: [i64; 2] = [-377_705_023_201_000, 253_402_207_200_000];

/// Parameters that several operations have.
pub(super) fn shared() -> Value {
    json!({
        "Symbol": {
            "name": "symbol",
            "in": "path",
            "required": true,
            "description":
                "A market in any of its spellings. A slash may be sent as it is or as `%2F`.",
            "schema": { "type": "string", "minLength": 1 },
            "example": "BTC/USD"
        },
        "Exchange": {
            "name": "exchange",
            "in": "path",
            "required": true,
            "description": "Which exchange.",
            "schema": { "type": "string", "minLength": 1 },
            "example": "bitfinex"
        },
        "Cache-Control": {
            "name": "Cache-Control",
            "in": "header",
            "description": "What is demanded of the answer's age (RFC 9111, section 5.2.1): \
                `max-age`, `min-fresh`, `max-stale`, `no-cache`, `only-if-cached`.",
            "schema": { "type": "string" },
            "example": "max-age=5"
        },
        "X-Tidegate-Explain": {
            "name": "X-Tidegate-Explain",
            "in": "header",
            "description": "With `1`, the answer's header of the same name tells why and how it \
                was come by.",
            "schema": { "type": "string" },
            "example": "1"
        },
        "If-None-Match": {
            "name": "If-None-Match",
            "in": "header",
            "description": "The `ETag` of an answer that is held; 304 if it is still the answer.",
            "schema": { "type": "string" },
            "example": "\"38e8d6a3b497ac0e\""
        },
        "Last-Event-ID": {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The `id` of the last event that was received: each topic goes on \
                after it where that is still known, else a `resume` event says why it cannot, and \
                a snapshot follows. Browsers send it when they connect anew.",
            "schema": { "type": "string" },
            "example": "0badcafe-1834"
        },
        "Priority": {
            "name": "Priority",
            "in": "header",
            "description": "With `u=7`, the urgency of background work (RFC 9218, section 4.1), \
                a request that needs the exchange waits behind all others.",
            "schema": { "type": "string" },
            "example": "u=7"
        },
        "X-Request-Id": {
            "name": "X-Request-Id",
            "in": "header",
            "description": "Echoed in the answer and written to the log. One is made where none \
                is given or where it is longer than 128 bytes.",
            "schema": { "type": "string" },
            "example": "order-bot-7f3a"
        }
    })
}

/// Which headers an operation reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Headers {
    /// The request's name only.
    Name,
    /// Where a stream goes on.
    Stream,
    /// That it is to be explained.
    Uncached,
    /// What is demanded of an answer's age.
    Forecast,
    /// All that there is to say about an answer that may be held.
    Cached,
}

impl Headers {
    pub(super) fn of(operation: &str, is_cached: bool) -> Self {
        match operation {
            _ if is_cached => Self::Cached,
            "stream" => Self::Stream,
            "exchanges" => Self::Uncached,
            _ => Self::Name,
        }
    }

    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Name => &["X-Request-Id"],
            Self::Stream => &["Last-Event-ID", "X-Request-Id"],
            Self::Uncached => &["X-Request-Id", "X-Tidegate-Explain"],
            Self::Forecast => &["Cache-Control", "Priority", "X-Request-Id"],
            Self::Cached => &[
                "Cache-Control",
                "If-None-Match",
                "Priority",
                "X-Request-Id",
                "X-Tidegate-Explain",
            ],
        }
    }
}

/// The parameters of one operation.
pub(super) fn of(path: &str, params: &[Param], headers: Headers, reader: &Reader) -> Value {
    let mut names = Vec::new();
    if path.contains("{symbol}") {
        names.push("Symbol");
    }
    if path.contains("{exchange}") {
        names.push("Exchange");
    }
    let references = |names: &[&str]| -> Vec<Value> {
        names
            .iter()
            .map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }))
            .collect()
    };
    let mut all = references(&names);
    all.extend(params.iter().map(|param| query(param, reader)));
    all.extend(references(headers.names()));
    all.into()
}

fn query(param: &Param, reader: &Reader) -> Value {
    let mut value = json!({
        "name": param.name,
        "in": "query",
        "description": param.about,
        "required": matches!(param.kind, Kind::Symbols { required: true }),
        "schema": schema(param, reader),
        "example": example(param, reader)
    });
    if matches!(param.kind, Kind::Flag) {
        value["allowEmptyValue"] = true.into();
    }
    value
}

fn schema(param: &Param, reader: &Reader) -> Value {
    match param.kind {
        Kind::Count(Limit { default, max }) => {
            json!({ "type": "integer", "minimum": 1, "maximum": max, "default": default })
        }
        Kind::Time => {
            let [minimum, maximum] = TIMES;
            json!({
                "anyOf": [
                    { "type": "integer", "minimum": minimum, "maximum": maximum },
                    { "type": "string", "format": "date-time" },
                    { "type": "string", "format": "date" }
                ]
            })
        }
        Kind::Timeframe => {
            let names = Timeframe::ALL.map(Timeframe::as_str);
            json!({ "type": "string", "enum": names, "default": Timeframe::M5.as_str() })
        }
        Kind::Choice(choices) => {
            json!({ "type": "string", "enum": choices, "default": choices[0] })
        }
        Kind::Flag => json!({ "type": "boolean", "default": false }),
        Kind::Wait => {
            let most = reader.config.now().server.request_deadline.as_millis();
            let most = u64::try_from(most).unwrap_or(u64::MAX);
            json!({ "type": "integer", "minimum": 1, "maximum": most })
        }
        Kind::Symbols { .. } => {
            let further = reader.config.now().server.limits.max_symbols - 1;
            // What `str::trim_ascii` takes for space is no name.
            let name = r"[^,]*[^,\t\n\f\r ][^,]*";
            json!({ "type": "string", "pattern": format!("^{name}(,{name}){{0,{further}}}$") })
        }
        Kind::Channels => {
            let widths = Timeframe::ALL.map(Timeframe::as_str).join("|");
            let name = format!("(ticker|trades|orderbook|ohlcv:({widths}))");
            json!({
                "type": "string", "pattern": format!("^{name}(,{name})*$"), "default": "ticker"
            })
        }
        Kind::Token => json!({ "type": "string" }),
        Kind::Exchanges => {
            let names: Vec<_> = reader.desks.all().iter().map(|desk| desk.shelf.name()).collect();
            let name = format!("({})", names.join("|"));
            let further = names.len().saturating_sub(1);
            json!({ "type": "string", "pattern": format!("^{name}(,{name}){{0,{further}}}$") })
        }
        Kind::Exchange => {
            let names: Vec<_> = reader.desks.all().iter().map(|desk| desk.shelf.name()).collect();
            json!({ "type": "string", "enum": names, "default": reader.config.now().exchanges.default })
        }
    }
}

fn example(param: &Param, reader: &Reader) -> Value {
    match (param.kind, param.name) {
        (Kind::Count(_), _) => 3.into(),
        (Kind::Time, "until") => "2026-11-02T00:00:00Z".into(),
        (Kind::Time, _) => "2026-11-01T00:00:00Z".into(),
        (Kind::Timeframe, _) => Timeframe::H1.as_str().into(),
        (Kind::Choice(choices), _) => choices[0].into(),
        (Kind::Flag, _) => true.into(),
        (Kind::Wait, _) => 3000.into(),
        (Kind::Symbols { .. }, _) => "BTC/USD,ETH/USD".into(),
        (Kind::Channels, _) => "ticker,ohlcv:1h".into(),
        (Kind::Token, _) => "0badcafe-1834".into(),
        (Kind::Exchange | Kind::Exchanges, _) => {
            reader.config.now().exchanges.default.as_str().into()
        }
    }
}
