//! What a channel says: a snapshot, then updates. Numbers have all their decimals, which checksums
//! are made of.

use crate::{
    market::UnixMs,
    sim::{
        engine::{Bar, Window},
        listing::{AMOUNT_PLACES, Deal, Depth, Level, Quoted},
        ws::Tape,
    },
};

use super::{
    names::{Pair, Pairs},
    rest::{INTERVALS, filled, vwap},
};

/// What is subscribed to. Equal topics are duplicates on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Ticker { on_trades: bool },
    Trade,
    Book { depth: usize },
    Ohlc { interval: i64 },
    Instrument,
}

/// Depths on offer (docs.kraken.com, WebSocket v2 book, 2026-09).
const DEPTHS: [i64; 5] = [10, 25, 100, 500, 1_000];
const MINUTE_MS: i64 = 60_000;
const SNAPSHOT_TRADES: usize = 50;
/// Levels a side that a checksum covers (docs.kraken.com, book checksum, 2026-09).
const CHECKED: usize = 10;

impl Topic {
    /// What is wrong with it is said in the exchange's words.
    pub(super) fn parse(
        channel: &str,
        number: impl Fn(&str) -> Option<i64>,
        trigger: Option<&str>,
    ) -> Result<Self, &'static str> {
        Ok(match channel {
            "ticker" => Self::Ticker { on_trades: trigger != Some("bbo") },
            "trade" => Self::Trade,
            "book" => match number("depth").unwrap_or(10) {
                depth if DEPTHS.contains(&depth) => Self::Book { depth: depth as usize },
                _ => return Err("Subscription depth not supported"),
            },
            "ohlc" => match number("interval").unwrap_or(1) {
                interval if INTERVALS.contains(&interval) => Self::Ohlc { interval },
                _ => return Err("Subscription ohlc interval not supported"),
            },
            "instrument" => Self::Instrument,
            _ => return Err("Unsupported channel"),
        })
    }

    pub(super) const fn channel(self) -> &'static str {
        match self {
            Self::Ticker { .. } => "ticker",
            Self::Trade => "trade",
            Self::Book { .. } => "book",
            Self::Ohlc { .. } => "ohlc",
            Self::Instrument => "instrument",
        }
    }

    /// The name that rules of faults have for it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Trade => "trades",
            Self::Ohlc { .. } => "candles",
            Self::Instrument => "status",
            other => other.channel(),
        }
    }

    /// What an acknowledgement repeats, the symbol left out.
    pub(super) fn echo(self) -> String {
        let channel = self.channel();
        match self {
            Self::Ticker { on_trades: true } => {
                format!(r#""channel":"{channel}","event_trigger":"trades""#)
            }
            Self::Ticker { on_trades: false } => {
                format!(r#""channel":"{channel}","event_trigger":"bbo""#)
            }
            Self::Book { depth } => format!(r#""channel":"{channel}","depth":{depth}"#),
            Self::Ohlc { interval } => format!(r#""channel":"{channel}","interval":{interval}"#),
            Self::Trade | Self::Instrument => format!(r#""channel":"{channel}""#),
        }
    }
}

/// The sender behind a channel.
pub(super) struct Feed {
    topic: Topic,
    tape: Tape,
    /// The book as it was told, before corruption, and the second of it.
    book: Depth,
    second: i64,
    best: Option<[Level; 2]>,
}

/// Wishes of the script for a book's update.
#[derive(Clone, Copy, Default)]
pub(super) struct Spoilt {
    pub(super) level: bool,
    pub(super) checksum: bool,
}

impl Feed {
    pub(super) fn new(topic: Topic, now: UnixMs) -> Self {
        let (tape, book) = (Tape::after(now), Depth::default());
        Self { topic, tape, book, second: i64::MIN, best: None }
    }

    /// The data of the first message.
    pub(super) fn snapshot(&mut self, pair: &Pair, quoted: Quoted<'_>, rows: i64) -> Vec<String> {
        let now = quoted.now;
        self.tape = Tape::after(now);
        match self.topic {
            Topic::Ticker { .. } => {
                self.best = best(&quoted.depth(1));
                vec![ticker(pair, quoted)]
            }
            Topic::Trade => {
                let deals = quoted.trades(Window::newest(SNAPSHOT_TRADES));
                deals.iter().rev().map(|deal| trade(pair, deal)).collect()
            }
            Topic::Book { depth } => {
                self.second = now.millis().div_euclid(1_000);
                self.book = quoted.depth(depth);
                vec![book(pair, &self.book.bids, &self.book.asks, checksum(&self.book), now)]
            }
            Topic::Ohlc { interval } => {
                let bars = filled(quoted, interval * MINUTE_MS, rows);
                bars.iter().map(|bar| candle(pair, quoted, bar, interval)).collect()
            }
            Topic::Instrument => Vec::new(),
        }
    }

    /// True if a book has to be looked at again: it stands still within each second.
    pub(super) const fn is_book_due(&self, now: UnixMs) -> bool {
        matches!(self.topic, Topic::Book { .. }) && now.millis().div_euclid(1_000) != self.second
    }

    /// The data of each message that is due.
    pub(super) fn updates(
        &mut self,
        pair: &Pair,
        quoted: Quoted<'_>,
        spoilt: Spoilt,
    ) -> Vec<Vec<String>> {
        let Quoted { engine, now, .. } = quoted;
        match self.topic {
            Topic::Book { depth } if self.is_book_due(now) => {
                self.second = now.millis().div_euclid(1_000);
                let truth = quoted.depth(depth);
                let after = if spoilt.level { truth.corrupt() } else { truth.clone() };
                let [bids, asks] = after.changes_from(&self.book);
                self.book = after;
                if bids.is_empty() && asks.is_empty() {
                    return Vec::new();
                }
                let sum = checksum(&truth) ^ u32::from(spoilt.checksum);
                vec![vec![book(pair, &bids, &asks, sum, now)]]
            }
            Topic::Book { .. } | Topic::Instrument => Vec::new(),
            Topic::Ticker { on_trades: false } => {
                let is = best(&quoted.depth(1));
                if is == self.best {
                    return Vec::new();
                }
                self.best = is;
                vec![vec![ticker(pair, quoted)]]
            }
            Topic::Ticker { .. } => {
                let traded = !self.tape.take(engine, quoted.instrument(), now).is_empty();
                if traded { vec![vec![ticker(pair, quoted)]] } else { Vec::new() }
            }
            Topic::Trade => {
                let trades = self.tape.take(engine, quoted.instrument(), now);
                let told: Vec<String> =
                    trades.iter().map(|one| trade(pair, &quoted.deal(one))).collect();
                if told.is_empty() { Vec::new() } else { vec![told] }
            }
            Topic::Ohlc { interval } => {
                let width = interval * MINUTE_MS;
                let trades = self.tape.take(engine, quoted.instrument(), now);
                let mut opens: Vec<i64> =
                    trades.iter().map(|one| one.ms - one.ms.rem_euclid(width)).collect();
                opens.dedup();
                let bars = opens.into_iter().flat_map(|open| quoted.bars(width, open, open));
                bars.map(|bar| vec![candle(pair, quoted, &bar, interval)]).collect()
            }
        }
    }

    /// Forgets what happened up to `now` without having been told; a book is caught up with.
    pub(super) fn skip(&mut self, now: UnixMs) {
        self.tape = Tape::after(now);
    }
}

fn best(depth: &Depth) -> Option<[Level; 2]> {
    Some([*depth.bids.first()?, *depth.asks.first()?])
}

/// RFC 3339 with microseconds.
pub(super) fn instant(ms: i64) -> String {
    let text = UnixMs::from_millis(ms).iso();
    format!("{}000Z", text.trim_end_matches('Z'))
}

fn ticker(pair: &Pair, quoted: Quoted<'_>) -> String {
    let (day, depth) = (quoted.day(), quoted.depth(1));
    let (bid, ask) = (depth.bids[0], depth.asks[0]);
    let [last, low, high, open] =
        [day.close, day.low, day.high, day.open].map(|raw| quoted.price(raw));
    let mut change = last;
    change.units -= open.units;
    format!(
        r#"{{"symbol":"{}","bid":{},"bid_qty":{},"ask":{},"ask_qty":{},"last":{last},"volume":{:.8},"vwap":{},"low":{low},"high":{high},"change":{change},"change_pct":{:.2},"timestamp":"{}"}}"#,
        pair.symbol,
        bid.price,
        bid.amount,
        ask.price,
        ask.amount,
        day.volume,
        quoted.price(vwap(&day)),
        change.value() / open.value() * 100.0,
        instant(quoted.now.millis()),
    )
}

fn trade(pair: &Pair, deal: &Deal) -> String {
    let side = if deal.bought { "buy" } else { "sell" };
    let kind = if deal.id & 8 == 0 { "market" } else { "limit" };
    format!(
        r#"{{"symbol":"{}","side":"{side}","price":{},"qty":{},"ord_type":"{kind}","trade_id":{},"timestamp":"{}"}}"#,
        pair.symbol,
        deal.price,
        deal.amount,
        deal.id,
        instant(deal.ms),
    )
}

fn book(pair: &Pair, bids: &[Level], asks: &[Level], checksum: u32, now: UnixMs) -> String {
    let side = |levels: &[Level]| {
        let levels =
            levels.iter().map(|one| format!(r#"{{"price":{},"qty":{}}}"#, one.price, one.amount));
        levels.collect::<Vec<_>>().join(",")
    };
    format!(
        r#"{{"symbol":"{}","bids":[{}],"asks":[{}],"checksum":{checksum},"timestamp":"{}"}}"#,
        pair.symbol,
        side(bids),
        side(asks),
        instant(now.millis()),
    )
}

/// CRC-32 of the ten best asks and then bids: price and amount without their point and the zeros
/// before their first digit.
fn checksum(book: &Depth) -> u32 {
    let mut text = String::new();
    for level in book.asks.iter().take(CHECKED).chain(book.bids.iter().take(CHECKED)) {
        for number in [level.price, level.amount] {
            text.push_str(&number.units.to_string());
        }
    }
    crc32fast::hash(text.as_bytes())
}

fn candle(pair: &Pair, quoted: Quoted<'_>, bar: &Bar, interval: i64) -> String {
    let [open, high, low, close] =
        [bar.open, bar.high, bar.low, bar.close].map(|raw| quoted.price(raw));
    format!(
        r#"{{"symbol":"{}","open":{open},"high":{high},"low":{low},"close":{close},"trades":{},"volume":{:.8},"vwap":{},"interval_begin":"{}","interval":{interval},"timestamp":"{}"}}"#,
        pair.symbol,
        bar.trades,
        bar.volume,
        quoted.price(vwap(bar)),
        instant(bar.start).replace("000000Z", "000000000Z"),
        instant(bar.start + interval * MINUTE_MS),
    )
}

/// Assets and pairs under the names of this version.
pub(super) fn instruments(pairs: &Pairs) -> String {
    let code = |altname: &str| match altname {
        "XBT" => "BTC".to_owned(),
        "XDG" => "DOGE".to_owned(),
        other => other.to_owned(),
    };
    let asset = |altname: &String| {
        format!(
            r#"{{"id":"{}","status":"enabled","precision":10,"precision_display":5,"borrowable":false,"collateral_value":0.0,"margin_rate":0.0,"multiplier":1}}"#,
            code(altname)
        )
    };
    let pair = |pair: &Pair| {
        let (market, places) = (&pair.market, pair.market.places);
        let step = crate::sim::decimal::Decimal::step(places);
        format!(
            r#"{{"symbol":"{}","base":"{}","quote":"{}","status":"{}","qty_precision":{AMOUNT_PLACES},"qty_increment":0.00000001,"price_precision":{places},"cost_precision":5,"marginable":false,"has_index":false,"cost_min":0.5,"price_increment":{step},"qty_min":{}}}"#,
            pair.symbol,
            market.base,
            market.quote,
            pair.status(),
            market.min_order,
        )
    };
    format!(
        r#"{{"assets":[{}],"pairs":[{}]}}"#,
        pairs.assets.values().map(asset).collect::<Vec<_>>().join(","),
        pairs.all.iter().map(pair).collect::<Vec<_>>().join(","),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::decimal::Decimal;

    /// The text is written down here, so that neither order nor number format can drift.
    #[test]
    fn checksums_are_of_digits_asks_first() {
        let level = |price: f64, amount: f64| Level {
            price: Decimal::of(price, 1),
            amount: Decimal::of(amount, AMOUNT_PLACES),
        };
        let bids = vec![level(45_283.5, 0.1), level(45_283.4, 1.547_285_8)];
        let book = Depth { bids, asks: vec![level(45_285.2, 0.001)] };
        assert_eq!(checksum(&book), crc32fast::hash(b"45285210000045283510000000452834154728580"));
    }

    #[test]
    fn topics_are_read_and_refused_in_the_exchanges_words() {
        let none = |_: &str| None;
        assert_eq!(Topic::parse("book", none, None), Ok(Topic::Book { depth: 10 }));
        assert_eq!(
            Topic::parse("book", |_| Some(11), None),
            Err("Subscription depth not supported")
        );
        assert_eq!(
            Topic::parse("ohlc", |_| Some(360), None),
            Err("Subscription ohlc interval not supported")
        );
        let bbo = Topic::parse("ticker", none, Some("bbo"));
        assert_eq!(bbo, Ok(Topic::Ticker { on_trades: false }));
        assert_eq!(instant(1_795_360_452_345), "2026-11-22T13:54:12.345000Z");
    }
}
