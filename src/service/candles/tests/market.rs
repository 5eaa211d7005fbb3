//! An exchange of one market.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::FutureExt as _;

use super::*;
use crate::{
    exchange::{
        CandleHistory, CandlePages, EmptyBuckets, Exchange, Fetch, MarketList, NativeQuery,
        TickerList, UpstreamError,
    },
    market::{
        Book, BookQuery, Bound, CandleQuery, Kind, Number, Symbol, Ticker, Trade, TradeQuery,
    },
};

/// Something is traded at the tenth second of every minute but each fifth, and at the fortieth.
pub(super) struct Market {
    clock: Clock,
    profile: &'static Profile,
    /// Minutes in which nothing was traded at all.
    rests: Mutex<RangeInclusive<i64>>,
    asked: Mutex<Vec<String>>,
    pub(super) delay: AtomicU64,
    pub(super) fails: AtomicBool,
    pub(super) is_silent: AtomicBool,
    /// Closes that were corrected, by minute.
    corrected: Mutex<BTreeMap<i64, String>>,
}

fn number(text: impl ToString) -> Number {
    text.to_string().parse().unwrap()
}

/// The final candle of a minute, `None` where nothing was traded.
pub(super) fn row(minute: i64) -> Option<Candle> {
    row_at(minute, 59_999)
}

/// The same so many milliseconds after the minute began.
fn row_at(number_of: i64, age: i64) -> Option<Candle> {
    if number_of.rem_euclid(5) == 3 || age < 10_000 {
        return None;
    }
    let open = 30_000 + number_of;
    let (close, volume) =
        if age < 40_000 { (open, "0.1") } else { (open + 7, "0.30000000000000004") };
    Some(Candle {
        open_time: minute(number_of),
        open: number(open),
        high: number(close),
        low: number(open),
        close: number(close),
        volume: number(volume),
    })
}

impl Market {
    pub(super) fn new(clock: Clock, profile: &'static Profile) -> Self {
        Self {
            clock,
            profile,
            rests: Mutex::new(RangeInclusive::new(1, 0)),
            asked: Mutex::default(),
            delay: AtomicU64::new(100),
            fails: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
            corrected: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> UnixMs {
        self.clock.now()
    }

    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// The exchange tells the close of a minute otherwise from now on.
    pub(super) fn correct(&self, minute: i64, close: &str) {
        self.corrected.lock().unwrap().insert(minute, close.to_owned());
    }

    /// Nothing is traded in these minutes.
    pub(super) fn rests(&self, minutes: RangeInclusive<i64>) {
        *self.rests.lock().unwrap() = minutes;
    }

    /// A flat candle for each minute without one.
    fn filled(&self, rows: Vec<Candle>, minutes: RangeInclusive<i64>) -> Vec<Candle> {
        let mut rows = rows.into_iter().peekable();
        let mut close = number("29999");
        let fill = |number_of: i64| {
            let open_time = minute(number_of);
            if let Some(row) = rows.next_if(|row| row.open_time == open_time) {
                close = row.close.clone();
                return row;
            }
            let [open, high, low, close] = std::array::from_fn(|_| close.clone());
            Candle { open_time, open, high, low, close, volume: number("0.0") }
        };
        minutes.map(fill).collect()
    }

    /// The candles of minutes as they stand now.
    pub(super) fn rows(&self, minutes: RangeInclusive<i64>) -> Vec<Candle> {
        let now = self.now().millis();
        let corrected = self.corrected.lock().unwrap();
        let rests = self.rests.lock().unwrap().clone();
        let row = |number_of: i64| {
            if rests.contains(&number_of) {
                return None;
            }
            let mut row = row_at(number_of, now - minute(number_of).millis())?;
            if let Some(close) = corrected.get(&number_of) {
                row.close = number(close);
                row.high = number(99_999);
            }
            Some(row)
        };
        if self.is_silent.load(Ordering::SeqCst) {
            return Vec::new();
        }
        minutes.filter_map(row).collect()
    }

    fn answer(&self, query: &CandleQuery) -> Vec<Candle> {
        let limit = query.limit as usize;
        let width = i64::try_from(query.timeframe.fixed().unwrap().as_millis()).unwrap() / MINUTE;
        let now = (self.now().millis() - START).div_euclid(MINUTE);
        let of = |at: UnixMs| (at.millis() - START).div_euclid(MINUTE);
        let last = query.until.map_or(now, |until| of(until) + width - 1).min(now);
        if self.profile.candle_pages == CandlePages::Buckets {
            let span = i64::from(query.limit) * width;
            let first = query.since.map_or(last - span + 1, of);
            return self.rows(first.max(FIRST)..=last.min(first + span - 1));
        }
        if let CandleHistory::Newest(count) = self.profile.candle_history {
            assert_eq!((width, self.profile.empty_buckets), (1, EmptyBuckets::Filled));
            let begin = (now - i64::from(count) + 1).max(query.since.map_or(i64::MIN, of));
            let rows = self.filled(self.rows(begin..=last), begin..=last);
            let skipped = if query.since.is_some() { 0 } else { rows.len().saturating_sub(limit) };
            return rows.into_iter().skip(skipped).take(limit).collect();
        }
        // More than half of all minutes have a candle.
        let depth = 2 * width * i64::from(query.limit) + 2 * width;
        let first = query.since.map_or(last - depth, of).max(FIRST);
        let rows = self.rows(first..=last);
        let rows = if width == 1 { rows } else { widened(&rows, query.timeframe) };
        let skipped = if query.since.is_some() { 0 } else { rows.len().saturating_sub(limit) };
        rows.into_iter().skip(skipped).take(limit).collect()
    }
}

/// The first minute of the market.
pub(super) const FIRST: i64 = -40_000;

/// The exchange's own wider candles.
fn widened(rows: &[Candle], timeframe: Timeframe) -> Vec<Candle> {
    let bucket = |row: &Candle| timeframe.start_of(row.open_time);
    let parts = rows.chunk_by(|a, b| bucket(a) == bucket(b));
    let whole = |parts: &[Candle]| {
        let price = |of: fn(&Candle) -> &Number| parts.iter().map(move |row| of(row).f64());
        let volume: f64 = parts.iter().map(|row| row.volume.f64()).sum();
        Candle {
            open_time: bucket(&parts[0]),
            open: parts[0].open.clone(),
            high: number(price(|row| &row.high).fold(f64::MIN, f64::max)),
            low: number(price(|row| &row.low).fold(f64::MAX, f64::min)),
            close: parts[parts.len() - 1].close.clone(),
            volume: number(volume),
        }
    };
    parts.map(whole).collect()
}

fn nothing<T: Send + 'static>() -> Fetch<'static, T> {
    async { Err(UpstreamError::Unavailable { status: 500 }) }.boxed()
}

impl Exchange for Market {
    fn profile(&self) -> &Profile {
        self.profile
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        let listing = Listing {
            symbol: Symbol::spot("BTC", "USD"),
            id: "tBTCUSD".into(),
            base: "BTC".into(),
            quote: "USD".into(),
            settle: None,
            kind: Kind::Spot,
            margin: None,
            amount: Bound::default(),
            amount_decimals: Some(8),
            price_significant_digits: None,
            listed_as: None,
            amount_step: None,
            price_step: None,
            aliases: Vec::new(),
        };
        async { Ok(MarketList { listings: vec![listing], documents: Vec::new() }) }.boxed()
    }

    fn candles<'a>(&'a self, query: &'a CandleQuery) -> Fetch<'a, Vec<Candle>> {
        let of = |at: UnixMs| (at.millis() - START).div_euclid(MINUTE);
        let (limit, since, until) = (query.limit, query.since.map(of), query.until.map(of));
        let asked = format!("{} {limit} {since:?} {until:?}", query.timeframe);
        self.asked.lock().unwrap().push(asked);
        let half = ms(self.delay.load(Ordering::SeqCst) / 2);
        async move {
            sleep(half).await;
            let rows = self.answer(query);
            sleep(half).await;
            if self.fails.load(Ordering::SeqCst) {
                return Err(UpstreamError::Unavailable { status: 500 });
            }
            Ok(rows)
        }
        .boxed()
    }

    fn ticker<'a>(&'a self, _: &'a Listing) -> Fetch<'a, Ticker> {
        nothing()
    }

    fn tickers<'a>(&'a self, _: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        nothing()
    }

    fn book<'a>(&'a self, _: &'a BookQuery) -> Fetch<'a, Book> {
        nothing()
    }

    fn trades<'a>(&'a self, _: &'a TradeQuery) -> Fetch<'a, Vec<Trade>> {
        nothing()
    }

    fn documents<'a>(&'a self, _: &'a [String]) -> Fetch<'a, Vec<Bytes>> {
        nothing()
    }

    fn native<'a>(&'a self, _: &'a NativeQuery) -> Fetch<'a, Bytes> {
        nothing()
    }
}
