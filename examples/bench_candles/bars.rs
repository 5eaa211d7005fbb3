//! The newest closed bar of an answer, beside the one that the exchange has.

use std::time::Duration;

use serde_json::Value;
use tidegate::{
    market::UnixMs,
    sim::{Venue, engine::Window},
};

use crate::{
    tally::{Outcome, Verdict},
    trace::Request,
};

/// Trades may arrive late: a bar is due so long after its end.
const GRACE: Duration = Duration::from_secs(2);

/// A bar, as far as it is compared: opening time, close and volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) start: i64,
    pub(crate) close: f64,
    pub(crate) volume: f64,
}

/// Judges the newest closed bar that a client was given, if any.
pub(crate) fn judge(venue: &Venue, request: &Request, newest: Option<Bar>) -> Outcome {
    let market = venue.market().find(&request.market).expect("a listed market");
    let now = venue.now();
    let bars = venue.market().candles(market, request.timeframe, &(0..=0), Window::newest(2), now);
    let due = |start: i64| request.timeframe.end_of(UnixMs::from_millis(start)) + GRACE <= now;
    let Some(truth) = bars.iter().find(|bar| due(bar.start)) else { return Outcome::Nothing };
    let same = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
    Outcome::Closed(match newest {
        Some(bar) if bar.start == truth.start => {
            match same(bar.close, truth.close) && same(bar.volume, truth.volume) {
                true => Verdict::Right,
                false => Verdict::Unfinished,
            }
        }
        // Within the grace a bar may already be given; it is judged once it is due.
        Some(bar) if bar.start > truth.start => Verdict::Right,
        _ => Verdict::Late,
    })
}

/// The newest of the exchange's rows that a client by its clock takes for closed.
pub(crate) fn by_the_clock(rows: &Value, request: &Request, now: UnixMs) -> Option<Bar> {
    let bar = |row: &Value| {
        let number = |at: usize| row[at].as_f64();
        Some(Bar { start: row[0].as_i64()?, close: number(2)?, volume: number(5)? })
    };
    let bars = rows.as_array()?.iter().filter_map(bar);
    bars.filter(|bar| request.timeframe.end_of(UnixMs::from_millis(bar.start)) <= now)
        .max_by_key(|bar| bar.start)
}
