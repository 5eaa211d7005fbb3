//! What a channel sends: a snapshot, then updates.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    market::UnixMs,
    sim::{
        engine::{Instrument, MarketEngine, SimTicker, SimTrade, Window},
        json::Json,
        key::CandleKey,
        rest::{self, array, rows},
    },
};

use super::{
    book::BookFeed,
    faults::{Occasion, WsFault, WsScript},
    tape::Tape,
    topic::Topic,
};

/// One array frame without its channel: `tag` as in `[1,"te",payload]`.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) tag: Option<&'static str>,
    pub(super) payload: String,
    /// The payload is a row, or rows, of an update.
    pub(super) is_row: bool,
}

impl Update {
    pub(super) const fn row(payload: String) -> Self {
        Self { tag: None, payload, is_row: true }
    }
}

/// What the connection's flags and the script ask of updates.
pub(super) struct Wishes<'a> {
    pub(super) checksums: bool,
    pub(super) bulk: bool,
    pub(super) script: &'a Mutex<WsScript>,
    pub(super) occasion: Occasion<'a>,
}

impl Wishes<'_> {
    fn strikes(&self, fault: &WsFault) -> bool {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.strike(self.occasion, |other| (fault == other).then_some(())).is_some()
    }
}

/// The sender behind a channel.
pub(super) enum Feed {
    Ticker { every_ms: i64, slot: i64, last: String },
    Trades(TradeFeed),
    Book(BookFeed),
    Candles { tape: Tape, series: CandleKey, rows: usize },
    Status { slot: i64 },
}

/// The exchange writes the status of a derivative this often.
const STATUS_MS: i64 = 3_000;
/// Trades in a snapshot (docs.bitfinex.com/reference/ws-public-trades, 2025-11).
const SNAPSHOT_TRADES: usize = 30;

/// What a feed looks at.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) engine: &'a MarketEngine,
    pub(super) instrument: &'a Instrument,
    pub(super) now: UnixMs,
}

impl Feed {
    pub(super) fn new(topic: &Topic, ticker_every: Duration, candle_rows: usize) -> Self {
        // The snapshot sets it right.
        let tape = || Tape::after(UnixMs::from_millis(0));
        match topic {
            Topic::Ticker { .. } => {
                let every_ms = i64::try_from(ticker_every.as_millis()).unwrap_or(i64::MAX).max(1);
                Self::Ticker { every_ms, slot: 0, last: String::new() }
            }
            Topic::Trades { .. } => Self::Trades(TradeFeed::new(tape())),
            Topic::Book { precision, frequency, len, .. } => {
                Self::Book(BookFeed::new(precision, frequency, *len))
            }
            Topic::Candles { series, .. } => {
                Self::Candles { tape: tape(), series: series.clone(), rows: candle_rows }
            }
            Topic::Status { .. } => Self::Status { slot: 0 },
        }
    }

    /// The first payload.
    pub(super) fn snapshot(&mut self, view: View<'_>) -> String {
        let View { engine, instrument, now } = view;
        match self {
            Self::Ticker { every_ms, slot, last } => {
                *slot = now.millis().div_euclid(*every_ms);
                *last = ticker(view);
                last.clone()
            }
            Self::Trades(feed) => {
                *feed = TradeFeed::new(Tape::after(now));
                let trades = engine.trades(instrument, Window::newest(SNAPSHOT_TRADES), now);
                array(|json| trades.iter().for_each(|one| rows::trade(json, instrument, one)))
            }
            Self::Book(book) => book.snapshot(engine, instrument, now),
            Self::Candles { tape, series, rows } => {
                *tape = Tape::after(now);
                let bars = series.candles(engine, Window::newest(*rows), now);
                array(|json| bars.iter().for_each(|bar| rows::candle(json, bar)))
            }
            Self::Status { slot } => {
                *slot = now.millis().div_euclid(STATUS_MS);
                rest::derivative(engine, instrument, now)
            }
        }
    }

    /// What is to be told since the last call.
    pub(super) fn updates(&mut self, view: View<'_>, wishes: &Wishes<'_>) -> Vec<Update> {
        let View { engine, instrument, now } = view;
        match self {
            Self::Ticker { every_ms, slot, last } => {
                let due = now.millis().div_euclid(*every_ms);
                if due == *slot {
                    return Vec::new();
                }
                *slot = due;
                let payload = ticker(view);
                if payload == *last {
                    return Vec::new();
                }
                last.clone_from(&payload);
                vec![Update::row(payload)]
            }
            Self::Trades(feed) => feed.updates(view, wishes),
            Self::Book(book) => {
                let mut updates = Vec::new();
                if book.is_due(now) {
                    let corrupt = !book.corrupt
                        && !instrument.is_funding()
                        && wishes.strikes(&WsFault::CorruptLevel);
                    updates = book.changes(engine, instrument, now, wishes.bulk, corrupt);
                }
                if wishes.checksums {
                    let mut due = book.checksum(instrument, now);
                    if let Some(update) = &mut due
                        && wishes.strikes(&WsFault::WrongChecksum)
                    {
                        update.payload = "1".to_owned();
                    }
                    updates.extend(due);
                }
                updates
            }
            Self::Candles { tape, series, .. } => {
                let trades = tape.take(engine, instrument, now);
                let counts = |trade: &&SimTrade| match &series.periods {
                    Some(periods) => periods.contains(&trade.period),
                    None => true,
                };
                let open = |trade: &SimTrade| series.width.start_of(UnixMs::from_millis(trade.ms));
                let mut buckets: Vec<UnixMs> = trades.iter().filter(counts).map(open).collect();
                buckets.dedup();
                let row = |open: UnixMs| {
                    let (start, end) = (open.millis(), open.millis());
                    let window = Window { start, end, limit: 1, ascending: true };
                    let bars = series.candles(engine, window, now);
                    let print = |bar| array(|json| rows::candle_fields(json, bar));
                    bars.first().map(|bar| Update::row(print(bar)))
                };
                buckets.into_iter().filter_map(row).collect()
            }
            Self::Status { slot } => {
                let due = now.millis().div_euclid(STATUS_MS);
                if due == *slot {
                    return Vec::new();
                }
                *slot = due;
                vec![Update::row(rest::derivative(engine, instrument, now))]
            }
        }
    }

    /// Forgets what happened up to `now` without having been told. A book is caught up with by its
    /// next update, and so are figures that are only looked at.
    pub(super) fn skip(&mut self, now: UnixMs) {
        match self {
            Self::Trades(feed) => *feed = TradeFeed::new(Tape::after(now)),
            Self::Candles { tape, .. } => *tape = Tape::after(now),
            Self::Ticker { .. } | Self::Book(_) | Self::Status { .. } => {}
        }
    }
}

/// The row of REST, but the time of the first trade is `null` on this channel (seen in 2026).
fn ticker(View { engine, instrument, now }: View<'_>) -> String {
    let ticker = SimTicker { first_trade: None, ..engine.ticker(instrument, now) };
    array(|json| rows::ticker(json, instrument, &ticker))
}

/// Tells each trade twice: at once, and up to 60 ms later.
pub(super) struct TradeFeed {
    tape: Tape,
    confirmations: VecDeque<(i64, SimTrade)>,
    /// A trade whose confirmation waits for that of the next one.
    held: Option<SimTrade>,
}

const LATEST_CONFIRMATION_MS: i64 = 60;

impl TradeFeed {
    const fn new(tape: Tape) -> Self {
        Self { tape, confirmations: VecDeque::new(), held: None }
    }

    fn updates(&mut self, view: View<'_>, wishes: &Wishes<'_>) -> Vec<Update> {
        let View { engine, instrument, now } = view;
        let tags = if instrument.is_funding() { ["fte", "ftu"] } else { ["te", "tu"] };
        let tell = |tag, trade: &SimTrade| {
            let mut json = Json::new();
            rows::trade(&mut json, instrument, trade);
            Update { tag: Some(tag), payload: json.finish(), is_row: true }
        };
        let mut updates = Vec::new();
        let confirm = |waiting: &mut VecDeque<(i64, SimTrade)>, until: i64, out: &mut Vec<_>| {
            while waiting.front().is_some_and(|(due, _)| *due < until) {
                out.extend(waiting.pop_front().map(|(_, trade)| tell(tags[1], &trade)));
            }
        };
        for trade in self.tape.take(engine, instrument, now) {
            confirm(&mut self.confirmations, trade.ms, &mut updates);
            updates.push(tell(tags[0], &trade));
            // Some number that looks like chance; confirmations keep the order of the trades.
            let lag = (trade.id ^ (trade.id >> 12)).rem_euclid(LATEST_CONFIRMATION_MS + 1);
            let before = self.confirmations.back().map_or(0, |(due, _)| *due);
            let due = before.max(trade.ms + lag);
            match self.held.take() {
                None if wishes.strikes(&WsFault::ReorderTu) => self.held = Some(trade),
                held => {
                    self.confirmations.push_back((due, trade));
                    self.confirmations.extend(held.map(|held| (due, held)));
                }
            }
        }
        confirm(&mut self.confirmations, now.millis() + 1, &mut updates);
        updates
    }
}
