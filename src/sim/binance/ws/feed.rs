//! What a stream tells.

use std::fmt::Write as _;

use crate::{
    market::UnixMs,
    sim::{
        binance::{
            kline::Interval,
            ladder::{Ladder, SECOND, print},
            listing::Listing,
            rest::{array, depth, print_aggregate},
            tape::{Aggregate, HOUR, Trade, View, aggregate},
            ticker::{Best, Ticker},
        },
        engine::MarketEngine,
        listing::Depth,
        ws::Tape,
    },
};

use super::stream::Stream;

/// Buckets whose end is told when time has leapt; older ones are passed over.
const MOST_CLOSED: usize = 5;

/// The sender behind a stream.
pub(super) enum Feed {
    Trades { tape: Tape, told: i64, aggregate: bool },
    Depth { second: i64, ladder: Option<Ladder> },
    Top { second: i64, levels: usize, last: Depth },
    Best { second: i64, last: Option<Best> },
    Ticker { second: i64, full: bool },
    Kline { tape: Tape, interval: Interval, open: i64, slot: i64, changed: bool },
    AllTickers { second: i64, tapes: Vec<Tape> },
    Silent,
}

/// What a feed looks at.
#[derive(Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) engine: &'a MarketEngine,
    pub(super) listing: &'a Listing,
    /// Where the stream's symbol stands in the listing.
    pub(super) place: Option<usize>,
    pub(super) now: UnixMs,
}

impl<'a> Sight<'a> {
    fn view(&self) -> Option<View<'a>> {
        let listed = self.listing.all().get(self.place?)?;
        Some(View::new(self.engine, listed, self.now))
    }
}

impl Feed {
    /// Tells what happens from now on.
    pub(super) fn begin(stream: Stream, sight: Sight<'_>) -> Self {
        let now = sight.now;
        let second = now.millis().div_euclid(SECOND);
        match stream {
            Stream::Trades { aggregate } => {
                Self::Trades { tape: Tape::after(now), told: now.millis(), aggregate }
            }
            Stream::Depth => Self::Depth { second, ladder: sight.view().map(|one| one.ladder()) },
            Stream::Top { levels } => {
                Self::Top { second: i64::MIN, levels, last: Depth::default() }
            }
            Stream::Best => Self::Best { second: i64::MIN, last: None },
            Stream::Ticker { full } => Self::Ticker { second, full },
            Stream::Kline(interval) => {
                let open = interval.start_of(now.millis());
                Self::Kline { tape: Tape::after(now), interval, open, slot: 0, changed: false }
            }
            Stream::AllTickers => {
                let tapes = sight.listing.all().iter().map(|_| Tape::after(now)).collect();
                Self::AllTickers { second, tapes }
            }
            Stream::Silent => Self::Silent,
        }
    }

    /// The texts that are due, without the stream's name.
    pub(super) fn updates(&mut self, sight: Sight<'_>) -> Vec<String> {
        let mut out = Vec::new();
        let millis = sight.now.millis();
        let due = |second: &mut i64| {
            let before = std::mem::replace(second, millis.div_euclid(SECOND));
            before != *second
        };
        if let Self::AllTickers { second, tapes } = self {
            if due(second) {
                out.extend(all_tickers(sight, tapes));
            }
            return out;
        }
        let Some(view) = sight.view() else { return out };
        match self {
            Self::Trades { tape, told, aggregate } => {
                let quiet = tape.take(sight.engine, view.quoted.instrument(), sight.now).is_empty();
                if !quiet {
                    out = trades(&view, *told, *aggregate);
                }
                *told = millis;
            }
            Self::Depth { second, ladder } => {
                if due(second) {
                    let now = view.ladder();
                    if let Some(change) = ladder.as_ref().and_then(|before| now.since(before)) {
                        let mut text = event("depthUpdate", &view);
                        let _infallible =
                            write!(text, ",\"U\":{},\"u\":{},\"b\":", change.first, change.last);
                        print(&change.bids, &mut text);
                        text.push_str(",\"a\":");
                        print(&change.asks, &mut text);
                        text.push('}');
                        out.push(text);
                        *ladder = Some(now);
                    }
                }
            }
            Self::Top { second, levels, last } => {
                if due(second) {
                    let now = view.quoted.depth(*levels);
                    if *last != now {
                        *last = now;
                        out.push(depth(&view, *levels));
                    }
                }
            }
            Self::Best { second, last } => {
                if due(second) {
                    let now = view.best();
                    if last.replace(now) != Some(now) {
                        out.push(best(&view, &now));
                    }
                }
            }
            Self::Ticker { second, full } => {
                if due(second) {
                    let best = full.then(|| view.best());
                    out.push(ticker(&view, &view.ticker(), best.as_ref()));
                }
            }
            Self::Kline { tape, interval, open, slot, changed } => {
                *changed |=
                    !tape.take(sight.engine, view.quoted.instrument(), sight.now).is_empty();
                let mut closed = Vec::new();
                while interval.end_of(*open) <= millis {
                    closed.push(*open);
                    *open = interval.end_of(*open);
                    if closed.len() > MOST_CLOSED {
                        *open = interval.start_of(millis);
                    }
                }
                out.extend(closed.iter().filter_map(|&open| kline(&view, *interval, open)));
                let now = millis.div_euclid(interval.pace());
                if *changed && *slot != now {
                    (*slot, *changed) = (now, false);
                    out.extend(kline(&view, *interval, *open));
                }
            }
            Self::AllTickers { .. } | Self::Silent => {}
        }
        out
    }
}

/// `{"e":...,"E":...,"s":...`, still open.
fn event(name: &str, view: &View<'_>) -> String {
    format!("{{\"e\":\"{name}\",\"E\":{},\"s\":\"{}\"", view.now.millis(), view.listed.symbol)
}

/// What was traded after `told`.
fn trades(view: &View<'_>, told: i64, gathered: bool) -> Vec<String> {
    let hour = |ms: i64| ms - ms.rem_euclid(HOUR);
    let mut hours = vec![hour(view.now.millis())];
    if hour(told) != hours[0] {
        hours.insert(0, hour(told));
    }
    let mut out = Vec::new();
    for start in hours {
        let all = view.hour(start);
        if gathered {
            for one in aggregate(&all).iter().filter(|one| one.trade.ms > told) {
                out.push(aggregate_trade(view, one));
            }
        } else {
            out.extend(all.iter().filter(|one| one.ms > told).map(|one| trade(view, one)));
        }
    }
    out
}

fn trade(view: &View<'_>, one: &Trade) -> String {
    let mut text = event("trade", view);
    let Trade { id, ms, price, amount, buyer_is_maker } = one;
    let _infallible = write!(
        text,
        ",\"t\":{id},\"p\":\"{price:.8}\",\"q\":\"{amount:.8}\",\"T\":{ms},\
         \"m\":{buyer_is_maker},\"M\":true}}"
    );
    text
}

fn aggregate_trade(view: &View<'_>, one: &Aggregate) -> String {
    let mut text = event("aggTrade", view);
    text.push(',');
    print_aggregate(one, &mut text);
    text.push('}');
    text
}

fn best(view: &View<'_>, Best { bid, ask }: &Best) -> String {
    format!(
        "{{\"u\":{},\"s\":\"{}\",\"b\":\"{:.8}\",\"B\":\"{:.8}\",\"a\":\"{:.8}\",\"A\":\"{:.8}\"}}",
        view.update_id(),
        view.listed.symbol,
        bid.0,
        bid.1,
        ask.0,
        ask.1
    )
}

/// The whole ticker with the best of the book, a small one without it.
fn ticker(view: &View<'_>, ticker: &Ticker, best: Option<&Best>) -> String {
    let name = if best.is_some() { "24hrTicker" } else { "24hrMiniTicker" };
    let mut text = event(name, view);
    let mut field = |name: char, value: f64| {
        let _infallible = write!(text, ",\"{name}\":\"{value:.8}\"");
    };
    field('c', ticker.last);
    field('o', ticker.open);
    field('h', ticker.high);
    field('l', ticker.low);
    field('v', ticker.volume);
    field('q', ticker.turnover);
    if let Some(Best { bid, ask }) = best {
        field('p', ticker.change());
        field('w', ticker.average());
        field('x', ticker.before);
        field('Q', ticker.last_amount);
        field('b', bid.0);
        field('B', bid.1);
        field('a', ask.0);
        field('A', ask.1);
        let Ticker { opened, closed, first_id, last_id, count, .. } = ticker;
        let _infallible = write!(
            text,
            ",\"P\":\"{:.3}\",\"O\":{opened},\"C\":{closed},\"F\":{first_id},\"L\":{last_id},\
             \"n\":{count}",
            ticker.change_percent()
        );
    }
    text.push('}');
    text
}

/// The small tickers of all that was traded since the last call; `None` if nothing was.
fn all_tickers(sight: Sight<'_>, tapes: &mut [Tape]) -> Option<String> {
    let views = sight.listing.all().iter().map(|one| View::new(sight.engine, one, sight.now));
    let traded = views.zip(tapes).filter_map(|(view, tape)| {
        let trades = tape.take(sight.engine, view.quoted.instrument(), sight.now);
        (!trades.is_empty()).then(|| ticker(&view, &view.ticker(), None))
    });
    let rows: Vec<String> = traded.collect();
    let mut text = String::new();
    array(&mut text, &rows, |row, out| out.push_str(row));
    (!rows.is_empty()).then_some(text)
}

fn kline(view: &View<'_>, interval: Interval, open: i64) -> Option<String> {
    let kline = view.kline(interval, open)?;
    let (bar, end) = (kline.bar, kline.close_time);
    let (first, last) = if bar.trades == 0 {
        (-1, -1)
    } else {
        let id = |trade: Option<Trade>| trade.map_or(-1, |trade| trade.id);
        (id(view.first_since(open)), id(view.last_until(end)))
    };
    let mut text = event("kline", view);
    let _infallible = write!(
        text,
        ",\"k\":{{\"t\":{open},\"T\":{end},\"s\":\"{}\",\"i\":\"{}\",\"f\":{first},\"L\":{last},\
         \"o\":\"{:.8}\",\"c\":\"{:.8}\",\"h\":\"{:.8}\",\"l\":\"{:.8}\",\"v\":\"{:.8}\",\
         \"n\":{},\"x\":{},\"q\":\"{:.8}\",\"V\":\"{:.8}\",\"Q\":\"{:.8}\",\"B\":\"0\"}}}}",
        view.listed.symbol,
        interval.name,
        bar.open,
        bar.close,
        bar.high,
        bar.low,
        bar.volume,
        bar.trades,
        end < view.now.millis(),
        bar.turnover,
        bar.bought,
        bar.bought_turnover
    );
    Some(text)
}
