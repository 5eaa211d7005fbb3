//! An exchange of a few words.

use std::sync::Mutex;

use compact_str::format_compact;
use futures_util::FutureExt as _;
use tokio::time::sleep;

use super::*;
use crate::{
    exchange::{Exchange, Fetch, MarketList, TickerList, UpstreamError},
    market::{
        Book, BookQuery, Bound, Candle, CandleQuery, Kind, Level, Number, Raw, Side, Symbol,
        Ticker, Trade, TradeQuery,
    },
};

/// It has the same prices for each of its markets, and notes what it is asked.
pub(crate) struct Venue {
    pub(crate) profile: &'static Profile,
    pairs: &'static [(&'static str, &'static str)],
    pub(crate) state: Mutex<State>,
    asked: Mutex<Vec<String>>,
}

pub(crate) struct State {
    pub(crate) bid: &'static str,
    pub(crate) ask: &'static str,
    pub(crate) delay: Duration,
    /// Why there is no ticker.
    pub(crate) ticker: Option<UpstreamError>,
    /// Why there is no book.
    pub(crate) book: Option<UpstreamError>,
    /// A market that it lists no more, since its list was read.
    pub(crate) gone: Option<&'static str>,
}

/// What is said of a market that is not listed.
const REFUSED: UpstreamError = UpstreamError::Rejected { code: 0, message: String::new() };

pub(crate) fn number(text: &str) -> Number {
    text.parse().unwrap()
}

fn raw() -> Raw {
    Raw::copy_of(serde_json::from_str("[]").unwrap())
}

impl Venue {
    pub(crate) fn new(
        profile: &'static Profile,
        pairs: &'static [(&'static str, &'static str)],
        (bid, ask): (&'static str, &'static str),
    ) -> Self {
        let state = State { bid, ask, delay: ms(100), ticker: None, book: None, gone: None };
        Self { profile, pairs, state: Mutex::new(state), asked: Mutex::default() }
    }

    /// From now on it is otherwise.
    pub(crate) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// What it was asked since the last call, the market list left out.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn after<T: Send + 'static>(
        &self,
        what: String,
        fails: fn(&State) -> Option<UpstreamError>,
        answer: T,
    ) -> Fetch<'_, T> {
        self.asked.lock().unwrap().push(what);
        let delay = self.state.lock().unwrap().delay;
        async move {
            sleep(delay).await;
            match fails(&self.state.lock().unwrap()) {
                Some(error) => Err(error),
                None => Ok(answer),
            }
        }
        .boxed()
    }

    fn is_gone(&self, id: &str) -> bool {
        self.state.lock().unwrap().gone == Some(id)
    }

    fn one(&self, last: &str) -> Ticker {
        let state = self.state.lock().unwrap();
        let (bid, ask) = (Some(number(state.bid)), Some(number(state.ask)));
        Ticker { bid, ask, last: Some(number(last)), ..Ticker::bare(raw()) }
    }

    /// One a second; the newest has the time at which every test begins.
    fn trade(seconds: i64) -> Trade {
        Trade {
            id: seconds,
            at: UnixMs::from_millis(START + seconds * 1_000),
            side: Side::Buy,
            price: number("100"),
            amount: number("1"),
            raw: raw(),
        }
    }
}

impl Exchange for Venue {
    fn profile(&self) -> &Profile {
        self.profile
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        let listing = |(base, quote): &(&str, &str)| Listing {
            symbol: Symbol::spot(base, quote),
            id: format_compact!("{base}-{quote}"),
            listed_as: None,
            base: (*base).into(),
            quote: (*quote).into(),
            settle: None,
            kind: Kind::Spot,
            margin: None,
            amount: Bound::default(),
            amount_decimals: None,
            price_significant_digits: None,
            amount_step: None,
            price_step: None,
            aliases: Vec::new(),
        };
        let listings = self.pairs.iter().map(listing).collect();
        async { Ok(MarketList { listings, documents: Vec::new() }) }.boxed()
    }

    fn ticker<'a>(&'a self, market: &'a Listing) -> Fetch<'a, Ticker> {
        let fails = match self.is_gone(&market.id) {
            true => |_: &State| Some(REFUSED),
            false => |it: &State| it.ticker.clone(),
        };
        self.after(format!("ticker {}", market.id), fails, self.one("100"))
    }

    fn tickers<'a>(&'a self, markets: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        let all = self.pairs.iter().map(|(base, quote)| format!("{base}-{quote}"));
        let ids: Vec<String> = match markets {
            Some(markets) => markets.iter().map(|market| market.id.to_string()).collect(),
            None => all.collect(),
        };
        let what = format!("tickers {}", markets.map_or(0, <[_]>::len));
        let fails = match markets.is_some() && ids.iter().any(|id| self.is_gone(id)) {
            true => |_: &State| Some(REFUSED),
            false => |it: &State| it.ticker.clone(),
        };
        let listed = ids.into_iter().filter(|id| !self.is_gone(id));
        let rows = listed.map(|id| (id, self.one("101"))).collect();
        let list = TickerList { rows, body: bytes::Bytes::new() };
        self.after(what, fails, list)
    }

    fn book<'a>(&'a self, query: &'a BookQuery) -> Fetch<'a, Book> {
        let level = |price: &str| Level { price: number(price), amount: number("2"), raw: raw() };
        let state = self.state.lock().unwrap();
        let (bids, asks) = (vec![level(state.bid)], vec![level(state.ask)]);
        drop(state);
        let book = Book { bids, asks, ..Book::default() };
        let what = format!("book {} {}", query.market.id, query.depth);
        self.after(what, |it| it.book.clone(), book)
    }

    /// Three, of which the second is empty.
    fn candles<'a>(&'a self, query: &'a CandleQuery) -> Fetch<'a, Vec<Candle>> {
        let width = query.timeframe.fixed().unwrap();
        let newest = query.timeframe.start_of(UnixMs::from_millis(START));
        let row = |(back, (price, volume)): (u32, (&str, &str))| {
            let [open, high, low, close] = std::array::from_fn(|_| number(price));
            let open_time = newest - width * back;
            Candle { open_time, open, high, low, close, volume: number(volume) }
        };
        let rows = [(2, ("100", "1.5")), (1, ("100", "0.00")), (0, ("101", "0.1"))];
        self.after(format!("candles {}", query.limit), |_| None, rows.map(row).to_vec())
    }

    /// As many as were asked for, at most one a second of the last hour.
    fn trades<'a>(&'a self, query: &'a TradeQuery) -> Fetch<'a, Vec<Trade>> {
        let of = |at: UnixMs| (at.millis() - START).div_euclid(1_000);
        let limit = i64::from(query.limit);
        let (since, until) = (query.since.map(of), query.until.map(of));
        let last = until.unwrap_or(0).min(0);
        let first = since.unwrap_or(last - limit + 1).max(-3_600);
        let rows = (first..=last).take(query.limit as usize).map(Self::trade).collect();
        self.after(format!("trades {limit} {since:?} {until:?}"), |_| None, rows)
    }
}
