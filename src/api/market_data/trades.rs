//! `/trades/{symbol}`.

use std::sync::Arc;

use axum::{extract::State, http::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{
        answer::{Format, Text},
        frames::{self, Frame, Origin},
        params::{EXCHANGE, EXPLAIN, Kind, Limit, Param, Params},
        payload::Payload,
        problem::Problem,
        reader::{Asked, Reader, SymbolPath, json},
    },
    market::{Number, Raw, Symbol, Trade, UnixMs},
    service::TradeView,
    telemetry::Endpoint,
};

/// ccxt's unified trade.
#[derive(Serialize, ToSchema)]
#[schema(as = Trade)]
pub(crate) struct TradeBody<'a> {
    #[schema(example = "1834212345")]
    id: String,
    #[schema(value_type = i64, example = 1_763_821_800_000_i64)]
    timestamp: UnixMs,
    #[schema(example = "2025-11-22T14:30:00.000Z")]
    datetime: String,
    #[schema(value_type = String, example = "BTC/USD")]
    symbol: &'a Symbol,
    /// The taker's side: `buy` or `sell`.
    #[schema(example = "buy")]
    side: &'a str,
    #[schema(value_type = f64)]
    price: &'a Number,
    #[schema(value_type = f64)]
    amount: &'a Number,
    #[schema(value_type = Option<f64>)]
    cost: Option<Number>,
    /// The exchange's own row: a list or an object, as the exchange has it.
    #[schema(value_type = serde_json::Value)]
    info: &'a Raw,
}

impl<'a> TradeBody<'a> {
    pub(crate) fn new(symbol: &'a Symbol, trade: &'a Trade) -> Self {
        Self {
            id: trade.id.to_string(),
            timestamp: trade.at,
            datetime: trade.at.iso(),
            symbol,
            side: trade.side.as_str(),
            price: &trade.price,
            amount: &trade.amount,
            cost: trade.cost(),
            info: &trade.raw,
        }
    }
}

const LIMIT: Limit = Limit { default: 50, max: 1000 };
const SINCE: Param = Param::new(
    "since",
    "Trades from here on, the first `limit` of them; without it, the newest ones. Where an exchange \
     tells only those (`trade_history` of `/exchanges`), a time before them is a 501.",
    Kind::Time,
);

const FORMAT: Param = Param::new(
    "format",
    "`csv` gives a table with a line of headings, `arrow` (an IPC stream) and `parquet` a data \
     frame: `timestamp` in UTC is its index in pandas, and numbers are the nearest doubles. The \
     columns are `timestamp`, `id`, `side`, `price`, `amount`, `cost`.",
    Kind::Choice(&["objects", "csv", "arrow", "parquet"]),
);

/// The query parameters of trades.
pub(crate) const PARAMS: [Param; 5] =
    [LIMIT.param("At most this many trades."), SINCE, FORMAT, EXCHANGE, EXPLAIN];

/// What is asked for, and the table that it is to be.
pub(crate) fn view(params: &Params) -> Result<(TradeView, Option<Frame>), Problem> {
    const FRAMES: [(&str, Option<Frame>); 4] = [
        ("objects", None),
        ("csv", Some(Frame::Csv)),
        ("arrow", Some(Frame::Arrow)),
        ("parquet", Some(Frame::Parquet)),
    ];
    let frame = params.choice("format", &FRAMES)?;
    let limit = params.limit(LIMIT)?;
    Ok((TradeView { limit, since: params.time("since")?, until: None }, frame))
}

/// Public trades of one market, oldest first.
#[utoipa::path(
    get,
    path = "/api/market-data/trades/{symbol}",
    operation_id = "trades",
    tag = "Market data",
    responses((
        status = 200,
        description = "The trades, in the form that `format` asks for",
        content((Vec<TradeBody> = "application/json"), (String = "text/csv"))
    ))
)]
pub(crate) async fn trades(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    let params = asked.params(&PARAMS)?;
    let desk = reader.desk(&params)?;
    let (view, frame) = view(&params)?;
    let market = desk.markets.resolve(&symbol, asked.ask).await?;
    let trades = desk.trades.get(&market, view, asked.ask).await?;
    let parts = ([trades.got().stamp().clone()].into_iter().collect(), trades.got().outcome);
    let encode = || match frame {
        None => {
            let body = |trade| TradeBody::new(&market.symbol, trade);
            let bodies: Vec<TradeBody<'_>> = trades.rows().iter().map(body).collect();
            Text::Fixed(json(&bodies).into())
        }
        Some(frame) => {
            let (symbol, exchange) = (&market.symbol, desk.shelf.name());
            let origin = Origin { symbol, exchange, timeframe: None };
            frames::trades(frame, origin, trades.rows())
        }
    };
    let format = frame.map_or(Format::Json, Frame::format);
    Ok(asked.reply(&reader, Endpoint::Trades, parts, format, encode))
}
