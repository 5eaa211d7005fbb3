//! REST: path and query to a body, or what is wrong with them
//! (binance/binance-spot-api-docs, rest-api.md, 2026-07).

use std::fmt::Write as _;

use crate::{
    market::UnixMs,
    sim::{Family, engine::MarketEngine, query::Query},
};

use super::{
    info, kline,
    ladder::print,
    listing::{Listed, Listing},
    query::{Params, Wrong},
    tape::{Aggregate, Trade, View, hour_of},
};

/// What is asked for, by the path behind `/api/v3/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Ping,
    Time,
    Info,
    Day,
    Best,
    Price,
    Depth,
    Klines,
    Trades,
    Aggregates,
}

impl Endpoint {
    /// By decoded path.
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path.strip_prefix("/api/v3/")? {
            "ping" => Self::Ping,
            "time" => Self::Time,
            "exchangeInfo" => Self::Info,
            "ticker/24hr" => Self::Day,
            "ticker/bookTicker" => Self::Best,
            "ticker/price" => Self::Price,
            "depth" => Self::Depth,
            "klines" => Self::Klines,
            "trades" => Self::Trades,
            "aggTrades" => Self::Aggregates,
            _ => return None,
        })
    }

    pub(super) const fn family(self) -> Family {
        match self {
            Self::Ping | Self::Time => Family::Platform,
            Self::Info => Family::Conf,
            Self::Day | Self::Best | Self::Price => Family::Tickers,
            Self::Depth => Family::Book,
            Self::Klines => Family::Candles,
            Self::Trades | Self::Aggregates => Family::Trades,
        }
    }

    /// What a request weighs.
    pub(super) fn weight(self, query: &Query) -> u32 {
        let one = query.text("symbol").is_some();
        let several = || {
            let symbols = query.text("symbols")?;
            Some(serde_json::from_str::<Vec<&str>>(symbols).map_or(1, |symbols| symbols.len()))
        };
        match self {
            Self::Ping | Self::Time => 1,
            Self::Info => 20,
            Self::Day if one => 2,
            Self::Day => match several() {
                Some(..=20) => 2,
                Some(..=100) => 40,
                _ => 80,
            },
            Self::Best | Self::Price => {
                if one {
                    2
                } else {
                    4
                }
            }
            Self::Depth => match query.text("limit").and_then(|limit| limit.parse().ok()) {
                None | Some(..=100_u64) => 5,
                Some(..=500) => 25,
                Some(..=1_000) => 50,
                Some(_) => 250,
            },
            Self::Klines => 2,
            Self::Trades => 25,
            Self::Aggregates => 4,
        }
    }
}

/// The market and what is listed of it, at one time.
#[derive(Clone, Copy)]
pub(super) struct Shop<'a> {
    pub(super) engine: &'a MarketEngine,
    pub(super) listing: &'a Listing,
    pub(super) now: UnixMs,
}

impl<'a> Shop<'a> {
    /// The body of an answer.
    pub(super) fn answer(&self, endpoint: Endpoint, query: &Query) -> Result<String, Wrong> {
        let params = |known| Params::read(query, known);
        match endpoint {
            Endpoint::Ping => params(&[]).map(|_| "{}".to_owned()),
            Endpoint::Time => {
                params(&[]).map(|_| format!("{{\"serverTime\":{}}}", self.now.millis()))
            }
            Endpoint::Info => info::body(self.listing, params(info::KNOWN)?, self.now),
            Endpoint::Day => {
                let params = params(&["symbol", "symbols", "type"])?;
                let full = params.word("type", &["FULL", "MINI"])? == "FULL";
                self.rows(params, |view, out| view.print_ticker(full, out))
            }
            Endpoint::Best => self.rows(params(&["symbol", "symbols"])?, View::print_best),
            Endpoint::Price => self.rows(params(&["symbol", "symbols"])?, View::print_price),
            Endpoint::Depth => self.depth(params(&["symbol", "limit"])?),
            Endpoint::Klines => self.klines(params(&[
                "symbol",
                "interval",
                "startTime",
                "endTime",
                "timeZone",
                "limit",
            ])?),
            Endpoint::Trades => self.trades(params(&["symbol", "limit"])?),
            Endpoint::Aggregates => {
                self.aggregates(params(&["symbol", "fromId", "startTime", "endTime", "limit"])?)
            }
        }
    }

    pub(super) fn view(&self, listed: &'a Listed) -> View<'a> {
        View::new(self.engine, listed, self.now)
    }

    fn one(&self, params: Params<'_>) -> Result<View<'a>, Wrong> {
        let symbol = params.symbol()?.ok_or_else(|| Wrong::missing("symbol"))?;
        self.listing.find(symbol).map(|listed| self.view(listed)).ok_or_else(Wrong::symbol)
    }

    /// A row for `symbol`, an array of rows for `symbols`, of all rows without either.
    fn rows(
        &self,
        params: Params<'_>,
        print: impl Fn(&View<'a>, &mut String),
    ) -> Result<String, Wrong> {
        let mut out = String::new();
        let (one, some) = (params.symbol()?, params.symbols()?);
        let listed: Vec<&Listed> = match (one, some) {
            (Some(_), Some(_)) => return Err(Wrong::either("symbol", "symbols")),
            (Some(_), None) => {
                print(&self.one(params)?, &mut out);
                return Ok(out);
            }
            (None, Some(symbols)) => {
                let find = |symbol: &String| self.listing.find(symbol).ok_or_else(Wrong::symbol);
                symbols.iter().map(find).collect::<Result<_, _>>()?
            }
            (None, None) => self.listing.all().iter().collect(),
        };
        array(&mut out, listed, |listed, out| print(&self.view(listed), out));
        Ok(out)
    }

    fn depth(&self, params: Params<'_>) -> Result<String, Wrong> {
        let limit = params.limit(100, 5_000)?;
        let view = self.one(params)?;
        Ok(depth(&view, limit))
    }

    fn klines(&self, params: Params<'_>) -> Result<String, Wrong> {
        let view = self.one(params)?;
        let name = params.text("interval").ok_or_else(|| Wrong::missing("interval"))?;
        let interval = kline::Interval::parse(name).ok_or_else(Wrong::interval)?;
        let range = kline::Range {
            start: params.int("startTime")?,
            end: params.int("endTime")?,
            limit: params.limit(500, 1_000)?,
        };
        let mut out = String::new();
        array(&mut out, view.klines(interval, range), |kline, out| {
            let kline::Kline { close_time, bar } = kline;
            let _infallible = write!(
                out,
                "[{},\"{:.8}\",\"{:.8}\",\"{:.8}\",\"{:.8}\",\"{:.8}\",{close_time},\"{:.8}\",{},\
                 \"{:.8}\",\"{:.8}\",\"0\"]",
                bar.start,
                bar.open,
                bar.high,
                bar.low,
                bar.close,
                bar.volume,
                bar.turnover,
                bar.trades,
                bar.bought,
                bar.bought_turnover
            );
        });
        Ok(out)
    }

    fn trades(&self, params: Params<'_>) -> Result<String, Wrong> {
        let limit = params.limit(500, 1_000)?;
        let trades = self.one(params)?.newest(limit, i64::MAX, View::hour);
        let mut out = String::new();
        array(&mut out, trades, |trade, out| {
            let Trade { id, ms, price, amount, buyer_is_maker } = trade;
            let _infallible = write!(
                out,
                "{{\"id\":{id},\"price\":\"{price:.8}\",\"qty\":\"{amount:.8}\",\
                 \"quoteQty\":\"{:.8}\",\"time\":{ms},\"isBuyerMaker\":{buyer_is_maker},\
                 \"isBestMatch\":true}}",
                price * amount
            );
        });
        Ok(out)
    }

    fn aggregates(&self, params: Params<'_>) -> Result<String, Wrong> {
        let limit = params.limit(500, 1_000)?;
        let from_id = params.int("fromId")?;
        let (start, end) = (params.int("startTime")?, params.int("endTime")?);
        let view = self.one(params)?;
        let until = end.unwrap_or(i64::MAX);
        let found = match (from_id, start) {
            (Some(_), _) if start.is_some() || end.is_some() => {
                return Err(Wrong::either("fromId", "startTime"));
            }
            (Some(id), _) => {
                view.oldest(limit, hour_of(id), i64::MAX, View::aggregates, |one| one.id >= id)
            }
            (None, Some(start)) => {
                let wanted = |one: &Aggregate| (start..=until).contains(&one.trade.ms);
                view.oldest(limit, start, until, View::aggregates, wanted)
            }
            (None, None) => view.newest(limit, until, |view, ms| {
                let mut rows = view.aggregates(ms);
                rows.retain(|one| one.trade.ms <= until);
                rows
            }),
        };
        let mut out = String::new();
        array(&mut out, found, |one, out| {
            out.push('{');
            print_aggregate(&one, out);
            out.push('}');
        });
        Ok(out)
    }
}

/// The fields of an aggregate trade, as streams have them too.
pub(super) fn print_aggregate(one: &Aggregate, out: &mut String) {
    let Aggregate { id, first, last, trade } = one;
    let _infallible = write!(
        out,
        "\"a\":{id},\"p\":\"{:.8}\",\"q\":\"{:.8}\",\"f\":{first},\"l\":{last},\"T\":{},\"m\":{},\
         \"M\":true",
        trade.price, trade.amount, trade.ms, trade.buyer_is_maker
    );
}

/// The whole top of a book, as a stream has it too.
pub(super) fn depth(view: &View<'_>, limit: usize) -> String {
    let mut out = format!("{{\"lastUpdateId\":{},\"bids\":", view.update_id());
    let depth = view.quoted.depth(limit);
    print(&depth.bids, &mut out);
    out.push_str(",\"asks\":");
    print(&depth.asks, &mut out);
    out.push('}');
    out
}

/// Prints an array.
pub(super) fn array<T>(
    out: &mut String,
    rows: impl IntoIterator<Item = T>,
    print: impl Fn(T, &mut String),
) {
    out.push('[');
    for (place, row) in rows.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        print(row, out);
    }
    out.push(']');
}
