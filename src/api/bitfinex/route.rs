//! From a path and a query to what is asked.

use percent_encoding::percent_decode_str;

use crate::{
    exchange::{
        NativeQuery,
        bitfinex::{
            PROFILE,
            native::{self, BadNative, Page, Section},
        },
    },
    market::{Precision, Timeframe, UnixMs},
    telemetry::{DataKind, Endpoint},
};

/// Rows of trades where a request names no limit
/// (docs.bitfinex.com/reference/rest-public-trades, 2025-11).
const TRADES: u32 = 125;
/// The same of candles (docs.bitfinex.com/reference/rest-public-candles, 2025-11).
const CANDLES: u32 = 100;

/// A request that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Its name in metrics.
    pub(super) endpoint: Endpoint,
    /// What it wants to know.
    pub(super) question: Question,
}

/// What a request wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Whether the exchange is in operation.
    Platform,
    /// Documents by their keys.
    Conf(Vec<String>),
    /// Every ticker.
    AllTickers,
    /// Tickers of these, among which may be names of nothing.
    Tickers(Vec<String>),
    /// The state of these perpetuals, among which may be names of nothing.
    Derivatives(Vec<String>),
    /// Something of one market, which may not exist.
    Market {
        /// The exchange's id.
        id: String,
        /// What of it.
        view: View,
    },
    /// Something of a name that no market can have, of which the exchange says that there is none.
    Nothing,
    /// What has no unified form.
    Native(NativeQuery, DataKind),
}

/// What of a market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Its ticker.
    Ticker,
    /// Its book, so many levels a side.
    Book(Precision, u32),
    /// Its trades.
    Trades(Span),
    /// Its candles.
    Candles(Timeframe, Span),
    /// Its newest candle.
    LastCandle(Timeframe),
    /// What has no unified form.
    Native(NativeQuery, DataKind),
}

/// Which rows of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// At most this many.
    pub(super) limit: u32,
    /// Nothing earlier, inclusive.
    pub(super) start: Option<UnixMs>,
    /// Nothing later, inclusive.
    pub(super) end: Option<UnixMs>,
    /// The first rows in the order of time, instead of the last ones backwards.
    pub(super) oldest_first: bool,
}

impl Span {
    /// Zeros mean the same as nothing (recorded 2025-08).
    fn new(page: Page, default_limit: u32) -> Self {
        let Page { limit, start, end, sort } = page;
        let at = |ms: Option<i64>| ms.filter(|ms| *ms != 0).map(UnixMs::from_millis);
        Self {
            limit: limit.filter(|limit| *limit != 0).unwrap_or(default_limit),
            start: at(start),
            end: at(end),
            oldest_first: sort == Some(1),
        }
    }

    /// From where on the first rows are meant; `None` if the last ones are.
    pub(super) fn since(&self) -> Option<UnixMs> {
        self.oldest_first.then(|| self.start.unwrap_or(UnixMs::from_millis(0)))
    }
}

/// A request that is not passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotAsked {
    /// The exchange has no such public path, or it is not known here.
    NoRoute,
    /// The exchange would refuse it.
    Bad(BadNative),
}

impl From<BadNative> for NotAsked {
    fn from(bad: BadNative) -> Self {
        Self::Bad(bad)
    }
}

/// A request's parameters, decoded. The last of a name counts.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.text(name).into_iter().flat_map(|text| text.split(','))
    }

    /// An empty value means the same as none.
    fn page(&self) -> Result<Page, BadNative> {
        let given = self.0.iter().filter(|(_, value)| !value.is_empty());
        Page::from_query(given.map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

/// The metrics' name of a path, whether it leads somewhere or not.
pub(super) fn endpoint(path: &str) -> Endpoint {
    match path.strip_prefix("/v2/").unwrap_or_default().split('/').next().unwrap_or_default() {
        "platform" | "status" => Endpoint::V2Status,
        "conf" => Endpoint::V2Conf,
        "ticker" => Endpoint::V2Ticker,
        "tickers" => Endpoint::V2Tickers,
        "trades" => Endpoint::V2Trades,
        "book" => Endpoint::V2Book,
        "candles" => Endpoint::V2Candles,
        "stats1" => Endpoint::V2Stats,
        _ => Endpoint::Unknown,
    }
}

impl Route {
    /// Reads a path and a query as they were sent: colons and commas plain or encoded, parameters
    /// in any order, unknown ones ignored, as the exchange does.
    pub(super) fn parse(path: &str, query: Option<&str>) -> Result<Self, NotAsked> {
        let below = path.strip_prefix("/v2/").ok_or(NotAsked::NoRoute)?;
        let parts: Result<Vec<_>, _> = below
            .trim_end_matches('/')
            .split('/')
            .map(|part| percent_decode_str(part).decode_utf8())
            .collect();
        let parts = parts.map_err(|_| NotAsked::NoRoute)?;
        let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        let question = question(&parts, &Query::parse(query))?;
        Ok(Self { endpoint: endpoint(path), question })
    }
}

fn question(parts: &[&str], query: &Query) -> Result<Question, NotAsked> {
    let owned = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect();
    Ok(match *parts {
        ["platform", "status"] => Question::Platform,
        ["conf", keys] => {
            native::conf(keys.split(','))?;
            Question::Conf(owned(&mut keys.split(',')))
        }
        ["ticker", symbol] => {
            of_symbol(symbol, native::ticker(symbol)?, DataKind::Ticker, View::Ticker)
        }
        ["tickers"] if query.text("symbols") == Some("ALL") => Question::AllTickers,
        ["tickers"] => {
            let symbols: Vec<String> = owned(&mut query.list("symbols"));
            if symbols.is_empty() {
                native::tickers([])?;
            }
            Question::Tickers(symbols)
        }
        ["tickers", "hist"] => {
            let native = native::tickers_history(query.list("symbols"), query.page()?)?;
            Question::Native(native, DataKind::Status)
        }
        ["trades", symbol, "hist"] => {
            let page = query.page()?;
            let native = native::trades(symbol, page)?;
            let view = View::Trades(Span::new(page, TRADES));
            of_symbol(symbol, native, DataKind::Trades, view)
        }
        ["book", symbol, precision] => {
            let len = query.text("len");
            let native = native::book(symbol, precision, len)?;
            let levels = len.and_then(|len| len.parse().ok()).unwrap_or(25);
            let view = match precision.parse() {
                Ok(precision) => View::Book(precision, levels),
                Err(_) => View::Native(native.clone(), DataKind::Orderbook),
            };
            of_symbol(symbol, native, DataKind::Orderbook, view)
        }
        ["candles", key, "hist"] => {
            let page = query.page()?;
            let native = native::candles(key, Section::Hist, page);
            candles(key, native, |width| View::Candles(width, Span::new(page, CANDLES)))?
        }
        ["candles", key, "last"] => {
            let native = native::candles(key, Section::Last, Page::default());
            candles(key, native, View::LastCandle)?
        }
        ["stats1", key, "hist"] => {
            Question::Native(native::stats(key, Section::Hist, query.page()?)?, DataKind::Status)
        }
        ["stats1", key, "last"] => {
            let native = native::stats(key, Section::Last, Page::default())?;
            Question::Native(native, DataKind::Status)
        }
        ["status", "deriv"] if query.text("keys") == Some("ALL") => {
            Question::Native(native::deriv_status(["ALL"])?, DataKind::Status)
        }
        ["status", "deriv"] => Question::Derivatives(owned(&mut query.list("keys"))),
        ["status", "deriv", key, "hist"] => match native::deriv_history(key, query.page()?) {
            Err(bad) if bad.is_of("key") => Question::Nothing,
            native => {
                let view = View::Native(native?, DataKind::Status);
                Question::Market { id: key.to_owned(), view }
            }
        },
        _ => return Err(NotAsked::NoRoute),
    })
}

/// Only pairs have a unified form; funding currencies do not.
fn of_symbol(symbol: &str, native: NativeQuery, kind: DataKind, view: View) -> Question {
    if symbol.starts_with('t') {
        Question::Market { id: symbol.to_owned(), view }
    } else {
        Question::Native(native, kind)
    }
}

/// `native` comes of the same key: `trade:{width}:{symbol}`.
fn candles(
    key: &str,
    native: Result<NativeQuery, BadNative>,
    view: impl FnOnce(Timeframe) -> View,
) -> Result<Question, BadNative> {
    let native = match native {
        Err(bad) if bad.is_of("symbol") => return Ok(Question::Nothing),
        native => native?,
    };
    let mut parts = key.splitn(3, ':').skip(1);
    let (width, symbol) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let known = width.parse().ok().filter(|width| PROFILE.timeframes.contains(width));
    let view = match known {
        Some(width) => view(width),
        None => View::Native(native.clone(), DataKind::Ohlcv),
    };
    Ok(of_symbol(symbol, native, DataKind::Ohlcv, view))
}

#[cfg(test)]
mod tests;
