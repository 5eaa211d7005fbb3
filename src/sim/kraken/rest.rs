//! The public REST API: envelopes of `error` and `result`, numbers as strings.

use std::fmt::Write as _;

use crate::{
    market::UnixMs,
    sim::{
        answer::{Answer, JSON},
        dialect::Ask,
        engine::{Bar, Window},
        listing::{AMOUNT_PLACES, DAY_MS, Deal, Level, Quoted},
        query::Query,
    },
};

use super::names::{Pair, Pairs};

/// Widths of candles, minutes (docs.kraken.com, OHLC, 2026-09).
pub(super) const INTERVALS: [i64; 9] = [1, 5, 15, 30, 60, 240, 1_440, 10_080, 21_600];
const MINUTE_MS: i64 = 60_000;
/// The newest closed candles that can be had; the open one comes on top.
const ROWS: i64 = 720;
const UNKNOWN_PAIR: &str = "EQuery:Unknown asset pair";
const INVALID: &str = "EGeneral:Invalid arguments";

pub(super) fn failed(error: &str) -> Answer {
    let error = error.replace(['"', '\\'], "'");
    Answer::new(200, JSON, format!(r#"{{"error":["{error}"]}}"#))
}

pub(super) fn done(result: &str) -> Answer {
    Answer::new(200, JSON, format!(r#"{{"error":[],"result":{result}}}"#))
}

/// Answers a GET. Parameters that an endpoint does not know are ignored.
pub(super) fn answer(pairs: &Pairs, ask: &Ask<'_>) -> Answer {
    let Some(endpoint) = ask.path.strip_prefix("/0/public/") else {
        return failed("EGeneral:Unknown method");
    };
    let result = match endpoint {
        "Time" => Ok(format!(r#"{{"unixtime":{}}}"#, ask.now.millis() / 1_000)),
        "SystemStatus" => {
            let at = ask.now.iso();
            Ok(format!(r#"{{"status":"online","timestamp":"{}Z"}}"#, &at[..at.len() - 5]))
        }
        "Assets" => Ok(assets(pairs)),
        "AssetPairs" => chosen(pairs, ask.query).map(|chosen| asset_pairs(&chosen)),
        "Ticker" => chosen(pairs, ask.query).map(|chosen| {
            object(chosen.iter().map(|pair| (pair.id.as_str(), ticker(quoted(ask, pair)))))
        }),
        "Depth" => one(pairs, ask, depth),
        "OHLC" => one(pairs, ask, candles),
        "Trades" => one(pairs, ask, trades),
        "Spread" => one(pairs, ask, spread),
        _ => Err("EGeneral:Unknown method"),
    };
    result.map_or_else(failed, |result| done(&result))
}

fn quoted<'a>(ask: &Ask<'a>, pair: &'a Pair) -> Quoted<'a> {
    Quoted { engine: ask.engine, market: &pair.market, now: ask.now }
}

fn object(fields: impl Iterator<Item = (impl AsRef<str>, String)>) -> String {
    let fields = fields.map(|(name, value)| format!(r#""{}":{value}"#, name.as_ref()));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn array(rows: impl Iterator<Item = String>) -> String {
    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

/// The pairs of a list, or all; one that is unknown fails the whole request.
fn chosen<'a>(pairs: &'a Pairs, query: &Query) -> Result<Vec<&'a Pair>, &'static str> {
    match query.text("pair") {
        None => Ok(pairs.all.iter().collect()),
        Some(names) => names.split(',').map(|name| pairs.find(name).ok_or(UNKNOWN_PAIR)).collect(),
    }
}

/// An answer about one pair: rows under its id, whatever name it was asked by, and what belongs to
/// all of them.
fn one(
    pairs: &Pairs,
    ask: &Ask<'_>,
    rows: impl Fn(Quoted<'_>, &Query) -> Result<(String, Option<String>), &'static str>,
) -> Result<String, &'static str> {
    let pair = pairs.find(ask.query.text("pair").ok_or(INVALID)?).ok_or(UNKNOWN_PAIR)?;
    let (rows, last) = rows(quoted(ask, pair), ask.query)?;
    let last = last.map_or_else(String::new, |last| format!(r#","last":{last}"#));
    Ok(format!(r#"{{"{}":{rows}{last}}}"#, pair.id))
}

fn assets(pairs: &Pairs) -> String {
    object(pairs.assets.iter().map(|(id, altname)| {
        let asset = format!(
            r#"{{"aclass":"currency","altname":"{altname}","decimals":10,"display_decimals":5,"status":"enabled"}}"#
        );
        (id, asset)
    }))
}

fn asset_pairs(chosen: &[&Pair]) -> String {
    object(chosen.iter().map(|pair| {
        let (market, places) = (&pair.market, pair.market.places);
        let step = crate::sim::decimal::Decimal::step(places);
        let asset = format!(
            r#"{{"altname":"{}","wsname":"{}","aclass_base":"currency","base":"{}","aclass_quote":"currency","quote":"{}","lot":"unit","cost_decimals":5,"pair_decimals":{places},"lot_decimals":{AMOUNT_PLACES},"lot_multiplier":1,"leverage_buy":[],"leverage_sell":[],"fees":[[0,0.4],[10000,0.35]],"fees_maker":[[0,0.25],[10000,0.2]],"fee_volume_currency":"ZUSD","margin_call":80,"margin_stop":40,"ordermin":"{}","costmin":"0.5","tick_size":"{step}","status":"{}","execution_venue":"international"}}"#,
            pair.altname,
            pair.wsname,
            pair.base,
            pair.quote,
            market.min_order,
            pair.status(),
        );
        (pair.id.as_str(), asset)
    }))
}

/// `[today, the last 24 hours]`; today begins at midnight UTC, and `o` is its first price.
fn ticker(quoted: Quoted<'_>) -> String {
    let (now, day) = (quoted.now.millis(), quoted.day());
    let midnight = now - now.rem_euclid(DAY_MS);
    // Trades after a time are counted, those at midnight belong to the new day.
    let last = quoted.last_before(midnight).unwrap_or_else(|| quoted.last());
    let today = quoted.since(midnight - 1).unwrap_or_else(|| Bar::flat(midnight, last));
    let depth = quoted.depth(1);
    let best = |level: &Level| {
        let whole = (level.amount.value().floor() as i64).max(1);
        format!(r#"["{}","{whole}","{:.3}"]"#, level.price, whole as f64)
    };
    let volume = |bar: &Bar| format!(r#""{:.8}""#, bar.volume);
    let vwap = |bar: &Bar| format!(r#""{}""#, quoted.price(vwap(bar)));
    let price = |raw: f64| format!(r#""{}""#, quoted.price(raw));
    let both = |figure: &dyn Fn(&Bar) -> String| format!("[{},{}]", figure(&today), figure(&day));
    let newest = quoted.trades(Window::newest(1));
    let closing = match newest.first() {
        Some(deal) => format!(r#"["{}","{}"]"#, deal.price, deal.amount),
        None => format!(r#"[{},"0.00000000"]"#, price(quoted.last())),
    };
    format!(
        r#"{{"a":{},"b":{},"c":{closing},"v":{},"p":{},"t":{},"l":{},"h":{},"o":{}}}"#,
        best(&depth.asks[0]),
        best(&depth.bids[0]),
        both(&volume),
        both(&vwap),
        both(&|bar| bar.trades.to_string()),
        both(&|bar| price(bar.low)),
        both(&|bar| price(bar.high)),
        price(today.open),
    )
}

/// In the engine's prices; the last price where nothing traded.
pub(super) fn vwap(bar: &Bar) -> f64 {
    if bar.volume > 0.0 { bar.turnover / bar.volume } else { bar.close }
}

fn whole<T: std::str::FromStr>(query: &Query, name: &str) -> Result<Option<T>, &'static str> {
    match query.text(name) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| INVALID),
    }
}

/// How many rows are asked for; more than the most are cut.
fn count(query: &Query, default: usize, most: usize) -> Result<usize, &'static str> {
    match whole::<usize>(query, "count")? {
        None => Ok(default),
        Some(0) => Err(INVALID),
        Some(count) => Ok(count.min(most)),
    }
}

type Rows = Result<(String, Option<String>), &'static str>;

fn depth(quoted: Quoted<'_>, query: &Query) -> Rows {
    let depth = quoted.depth(count(query, 100, 500)?);
    // The book stands still within a second.
    let at = quoted.now.millis() / 1_000;
    let row = |(place, level): (usize, &Level)| {
        let changed = at - (place as i64 * 7 + level.amount.units) % 40;
        format!(r#"["{}","{}",{changed}]"#, level.price, level.amount)
    };
    let side = |levels: &[Level]| array(levels.iter().enumerate().map(row));
    let book = format!(r#"{{"asks":{},"bids":{}}}"#, side(&depth.asks), side(&depth.bids));
    Ok((book, None))
}

/// Buckets without trades are filled at the close before them; the last row is the open one.
pub(super) fn filled(quoted: Quoted<'_>, width: i64, rows: i64) -> Vec<Bar> {
    let now = quoted.now.millis();
    let open = now - now.rem_euclid(width);
    let first = open - (rows - 1) * width;
    let traded = quoted.bars(width, first, open);
    let mut close = quoted.last_before(first);
    let mut traded = traded.into_iter().peekable();
    let mut out = Vec::new();
    for start in (first..=open).step_by(width.unsigned_abs() as usize) {
        let bar = match traded.next_if(|bar| bar.start == start) {
            Some(bar) => bar,
            // Before the first trade there is nothing.
            None => match close {
                Some(close) => Bar::flat(start, close),
                None => continue,
            },
        };
        close = Some(bar.close);
        out.push(bar);
    }
    out
}

fn candles(quoted: Quoted<'_>, query: &Query) -> Rows {
    let interval = whole::<i64>(query, "interval")?.unwrap_or(1);
    if !INTERVALS.contains(&interval) {
        return Err(INVALID);
    }
    let since = whole::<i64>(query, "since")?.unwrap_or(0);
    let bars = filled(quoted, interval * MINUTE_MS, ROWS + 1);
    let closed = bars.iter().rev().nth(1).or(bars.last()).map_or(0, |bar| bar.start / 1_000);
    let rows = bars.iter().filter(|bar| bar.start / 1_000 >= since).map(|bar| {
        let [open, high, low, close] =
            [bar.open, bar.high, bar.low, bar.close].map(|raw| quoted.price(raw));
        let mean = match bar.trades {
            0 => "0.0".to_owned(),
            _ => quoted.price(vwap(bar)).to_string(),
        };
        format!(
            r#"[{},"{open}","{high}","{low}","{close}","{mean}","{:.8}",{}]"#,
            bar.start / 1_000,
            bar.volume,
            bar.trades
        )
    });
    Ok((array(rows), Some(closed.to_string())))
}

/// Of equal milliseconds, later trades of one order have later nanoseconds.
fn nanos(deal: &Deal) -> i64 {
    deal.ms * 1_000_000 + (deal.id & 7) * 1_000
}

/// Trades after `since`, oldest first; without it, the newest.
fn trades(quoted: Quoted<'_>, query: &Query) -> Rows {
    let count = count(query, 1_000, 1_000)?;
    let since = match whole::<i64>(query, "since")? {
        // Seconds are taken for what they are, as clients send them.
        Some(seconds) if seconds.abs() < 100_000_000_000 => Some(seconds * 1_000_000_000),
        since => since,
    };
    let mut deals = match since {
        Some(since) => {
            let start = since.div_euclid(1_000_000);
            // Those of the same millisecond that come first do not count.
            let window = Window { start, end: i64::MAX, limit: count + 8, ascending: true };
            let mut deals = quoted.trades(window);
            deals.retain(|deal| nanos(deal) > since);
            deals
        }
        None => {
            let mut deals = quoted.trades(Window::newest(count));
            deals.reverse();
            deals
        }
    };
    deals.truncate(count);
    let last = deals.last().map_or_else(|| since.unwrap_or(0), nanos);
    let rows = deals.iter().map(|deal| {
        let at = nanos(deal);
        let mut row = format!(r#"["{}","{}","#, deal.price, deal.amount);
        let side = if deal.bought { "b" } else { "s" };
        let kind = if deal.id & 8 == 0 { "m" } else { "l" };
        let _infallible = write!(
            row,
            r#"{}.{:07},"{side}","{kind}","",{}]"#,
            at / 1_000_000_000,
            at % 1_000_000_000 / 100,
            deal.id
        );
        row
    });
    Ok((array(rows), Some(format!(r#""{last}""#))))
}

/// Best bid and ask of the last seconds.
fn spread(quoted: Quoted<'_>, _: &Query) -> Rows {
    let now = quoted.now.millis();
    let row = |seconds: i64| {
        let at = UnixMs::from_millis(now - seconds * 1_000);
        let depth = Quoted { now: at, ..quoted }.depth(1);
        let (bid, ask) = (depth.bids[0].price, depth.asks[0].price);
        format!(r#"[{},"{bid}","{ask}"]"#, at.millis() / 1_000)
    };
    Ok((array((0..20).rev().map(row)), Some((now / 1_000).to_string())))
}
