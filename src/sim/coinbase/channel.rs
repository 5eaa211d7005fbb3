//! What a channel says of one product: a snapshot, then updates.

use crate::{
    market::UnixMs,
    sim::{
        engine::Window,
        listing::{Depth, Level, Quoted},
        ws::Tape,
    },
};

use super::{
    products::{Product, percent, volume},
    rest::{candle, trade},
};

/// A kind of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Candles,
    Heartbeats,
    Level2,
    MarketTrades,
    Ticker,
    TickerBatch,
}

impl Kind {
    pub(super) fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::Candles,
            Self::Heartbeats,
            Self::Level2,
            Self::MarketTrades,
            Self::Ticker,
            Self::TickerBatch,
        ];
        all.into_iter().find(|kind| kind.asked() == name)
    }

    /// The name in requests and acknowledgements.
    pub(super) const fn asked(self) -> &'static str {
        match self {
            Self::Candles => "candles",
            Self::Heartbeats => "heartbeats",
            Self::Level2 => "level2",
            Self::MarketTrades => "market_trades",
            Self::Ticker => "ticker",
            Self::TickerBatch => "ticker_batch",
        }
    }

    /// The name in frames of data.
    pub(super) const fn told(self) -> &'static str {
        match self {
            Self::Level2 => "l2_data",
            other => other.asked(),
        }
    }

    /// The name that rules of faults have for it.
    pub(super) const fn rule(self) -> &'static str {
        match self {
            Self::Candles => "candles",
            Self::Heartbeats => "status",
            Self::Level2 => "book",
            Self::MarketTrades => "trades",
            Self::Ticker | Self::TickerBatch => "ticker",
        }
    }
}

/// Levels a side that are told; the simulated market has hardly more.
const LEVELS: usize = 1_000;
const SNAPSHOT_ROWS: usize = 100;
const FIVE_MINUTES_MS: i64 = 300_000;
/// How often a channel is looked at, milliseconds.
const TRADES_MS: i64 = 250;
const SECOND_MS: i64 = 1_000;
const BATCH_MS: i64 = 5_000;
const CANDLES_MS: i64 = 10_000;

/// The sender behind one product of a channel.
pub(super) struct Feed {
    kind: Kind,
    /// The last look at it, in units of its pace.
    slot: i64,
    tape: Tape,
    book: Depth,
    said: String,
}

impl Feed {
    pub(super) fn new(kind: Kind, now: UnixMs) -> Self {
        let (tape, book, said) = (Tape::after(now), Depth::default(), String::new());
        Self { kind, slot: i64::MIN, tape, book, said }
    }

    const fn pace(&self) -> i64 {
        match self.kind {
            Kind::MarketTrades => TRADES_MS,
            Kind::TickerBatch => BATCH_MS,
            Kind::Candles => CANDLES_MS,
            Kind::Ticker | Kind::Level2 | Kind::Heartbeats => SECOND_MS,
        }
    }

    pub(super) const fn is_due(&self, now: UnixMs) -> bool {
        now.millis().div_euclid(self.pace()) != self.slot
    }

    /// The event of the first frame.
    pub(super) fn snapshot(&mut self, product: &Product, quoted: Quoted<'_>) -> String {
        let now = quoted.now;
        self.slot = now.millis().div_euclid(self.pace());
        self.tape = Tape::after(now);
        let (id, kind) = (&product.id, "snapshot");
        match self.kind {
            Kind::Heartbeats => String::new(),
            Kind::Level2 => {
                self.book = quoted.depth(LEVELS);
                level2(product, kind, &self.book.bids, &self.book.asks, now)
            }
            Kind::Ticker | Kind::TickerBatch => {
                self.said = ticker(product, quoted, self.kind == Kind::Ticker);
                event(kind, "tickers", std::slice::from_ref(&self.said))
            }
            Kind::MarketTrades => {
                let deals = quoted.trades(Window::newest(SNAPSHOT_ROWS));
                let rows: Vec<String> = deals.iter().map(|deal| trade(id, deal)).collect();
                event(kind, "trades", &rows)
            }
            Kind::Candles => {
                let end = now.millis();
                // Twice as many buckets as rows: those without trades have none.
                let start = end - 2 * SNAPSHOT_ROWS as i64 * FIVE_MINUTES_MS;
                let bars = quoted.bars(FIVE_MINUTES_MS, start, end);
                let more = format!(r#","product_id":"{id}""#);
                let newest = &bars[bars.len().saturating_sub(SNAPSHOT_ROWS)..];
                let rows: Vec<String> =
                    newest.iter().map(|bar| candle(quoted, bar, &more)).collect();
                event(kind, "candles", &rows)
            }
        }
    }

    /// The event that is due, if anything has changed. `corrupt`: the book's best level is wrong.
    pub(super) fn update(
        &mut self,
        product: &Product,
        quoted: Quoted<'_>,
        corrupt: bool,
    ) -> Option<String> {
        let Quoted { engine, now, .. } = quoted;
        self.slot = now.millis().div_euclid(self.pace());
        let (id, kind) = (&product.id, "update");
        match self.kind {
            Kind::Heartbeats => None,
            Kind::Level2 => {
                let truth = quoted.depth(LEVELS);
                let after = if corrupt { truth.corrupt() } else { truth };
                let [bids, asks] = after.changes_from(&self.book);
                self.book = after;
                let some = !bids.is_empty() || !asks.is_empty();
                some.then(|| level2(product, kind, &bids, &asks, now))
            }
            Kind::Ticker | Kind::TickerBatch => {
                let says = ticker(product, quoted, self.kind == Kind::Ticker);
                if says == self.said {
                    return None;
                }
                self.said = says;
                Some(event(kind, "tickers", std::slice::from_ref(&self.said)))
            }
            Kind::MarketTrades => {
                let trades = self.tape.take(engine, quoted.instrument(), now);
                let newest_first = trades.iter().rev();
                let rows: Vec<String> =
                    newest_first.map(|one| trade(id, &quoted.deal(one))).collect();
                (!rows.is_empty()).then(|| event(kind, "trades", &rows))
            }
            Kind::Candles => {
                let trades = self.tape.take(engine, quoted.instrument(), now);
                let open = |ms: i64| ms - ms.rem_euclid(FIVE_MINUTES_MS);
                let first = open(trades.first()?.ms);
                let bars = quoted.bars(FIVE_MINUTES_MS, first, now.millis());
                let more = format!(r#","product_id":"{id}""#);
                let rows: Vec<String> = bars.iter().map(|bar| candle(quoted, bar, &more)).collect();
                Some(event(kind, "candles", &rows))
            }
        }
    }

    /// Forgets what happened up to `now` without having been told; a book is caught up with.
    pub(super) fn skip(&mut self, now: UnixMs) {
        self.tape = Tape::after(now);
    }
}

fn event(kind: &str, name: &str, rows: &[String]) -> String {
    format!(r#"{{"type":"{kind}","{name}":[{}]}}"#, rows.join(","))
}

fn level2(product: &Product, kind: &str, bids: &[Level], asks: &[Level], now: UnixMs) -> String {
    let at = now.iso();
    let side = |side: &'static str, levels: &[Level]| {
        let row = |level: &Level| {
            format!(
                r#"{{"side":"{side}","event_time":"{at}","price_level":"{}","new_quantity":"{}"}}"#,
                level.price.short(),
                level.amount.short()
            )
        };
        levels.iter().map(row).collect::<Vec<_>>()
    };
    let rows = [side("bid", bids), side("offer", asks)].concat();
    format!(r#"{{"type":"{kind}","product_id":"{}","updates":[{}]}}"#, product.id, rows.join(","))
}

/// `best`: with the best prices, which batches leave out.
fn ticker(product: &Product, quoted: Quoted<'_>, best: bool) -> String {
    let day = quoted.day();
    let usual = quoted.instrument().usual_price();
    let [price, high, low, highest, lowest] =
        [day.close, day.high, day.low, day.high.max(usual * 1.3), day.low.min(usual * 0.7)]
            .map(|raw| quoted.price(raw).short());
    let best = if best {
        let depth = quoted.depth(1);
        let (bid, ask) = (depth.bids[0], depth.asks[0]);
        format!(
            r#","best_bid":"{}","best_ask":"{}","best_bid_quantity":"{}","best_ask_quantity":"{}""#,
            bid.price.short(),
            ask.price.short(),
            bid.amount.short(),
            ask.amount.short()
        )
    } else {
        String::new()
    };
    format!(
        r#"{{"type":"ticker","product_id":"{}","price":"{price}","volume_24_h":"{}","low_24_h":"{low}","high_24_h":"{high}","low_52_w":"{lowest}","high_52_w":"{highest}","price_percent_chg_24_h":"{}"{best}}}"#,
        product.id,
        volume(day.volume),
        percent(&day),
    )
}
