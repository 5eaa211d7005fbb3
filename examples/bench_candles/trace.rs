//! What a fleet of bots asks for in an hour: decided by a seed and nothing else, so that everybody
//! who is compared is asked the same at the same times.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::Serialize;
use tidegate::market::{Timeframe, UnixMs};

/// How many bots there are.
pub(crate) const BOTS: usize = 40;
/// How many markets they choose from.
pub(crate) const MARKETS: usize = 25;
/// Each bot has one of these widths.
pub(crate) const TIMEFRAMES: [Timeframe; 4] =
    [Timeframe::M1, Timeframe::M5, Timeframe::M15, Timeframe::H1];
/// The market's time that passes.
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// How many markets one bot watches.
const WATCHED: usize = 5;
/// A bot asks for its markets one after the other, this far apart.
const STEP: Duration = Duration::from_millis(200);
/// Who wants closed bars asks so long after a full minute.
const AFTER_CLOSE: Duration = Duration::from_secs(3);
/// Bars that a bot begins with which then asks for what is new.
const FIRST_BARS: u32 = 500;

/// What is wanted of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Wish {
    /// The newest bars, the unfinished one among them.
    Newest { limit: u32 },
    /// What opened so many bars ago or later.
    Since { bars: u32, limit: u32 },
    /// The newest bars that are closed.
    Closed { limit: u32 },
    /// Bars, ticker and book.
    Context { limit: u32 },
}

/// One request of one bot.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Request {
    /// How long after the beginning.
    #[serde(skip)]
    pub(crate) at: Duration,
    pub(crate) bot: usize,
    /// The exchange's name of the market.
    pub(crate) market: String,
    #[serde(serialize_with = "name")]
    pub(crate) timeframe: Timeframe,
    #[serde(flatten)]
    pub(crate) wish: Wish,
}

fn name<S: serde::Serializer>(timeframe: &Timeframe, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(timeframe.as_str())
}

impl Request {
    /// Where a window of so many bars begins at `now`.
    pub(crate) fn since(&self, bars: u32, now: UnixMs) -> UnixMs {
        let width = self.timeframe.fixed().expect("minutes and hours have a fixed width");
        self.timeframe.start_of(now) - width * bars
    }
}

/// How often a bot of each kind asks for all of its markets.
const fn interval(wish: Wish) -> Duration {
    match wish {
        Wish::Newest { .. } => Duration::from_secs(10),
        Wish::Since { .. } => Duration::from_secs(15),
        Wish::Closed { .. } => Duration::from_secs(60),
        Wish::Context { .. } => Duration::from_secs(20),
    }
}

/// What a bot wants: of forty, sixteen the newest bars, eight each what is new, what is closed, and
/// market contexts; each kind in all widths.
const WISHES: [Wish; 10] = [
    Wish::Newest { limit: 50 },
    Wish::Since { bars: 2, limit: 500 },
    Wish::Closed { limit: 100 },
    Wish::Newest { limit: 100 },
    Wish::Context { limit: 100 },
    Wish::Newest { limit: 200 },
    Wish::Since { bars: 20, limit: 500 },
    Wish::Closed { limit: 500 },
    Wish::Newest { limit: 500 },
    Wish::Context { limit: 200 },
];

/// An hour of requests, in the order of their times. `markets` are the exchange's names, those that
/// more bots watch first.
pub(crate) fn trace(seed: u64, markets: &[String]) -> Vec<Request> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut requests = Vec::new();
    for bot in 0..BOTS {
        let wish = WISHES[bot / TIMEFRAMES.len() % WISHES.len()];
        let timeframe = TIMEFRAMES[bot % TIMEFRAMES.len()];
        let watched = watched(&mut dice, markets.len());
        let every = interval(wish);
        let phase = match wish {
            Wish::Closed { .. } => AFTER_CLOSE,
            _ => Duration::from_millis(dice.random_range(0..every.as_millis() as u64)),
        };
        let mut round = phase;
        while round < HOUR {
            let is_first = round == phase;
            for (nth, market) in (0..).zip(&watched) {
                let wish = match wish {
                    Wish::Since { limit, .. } if is_first => {
                        Wish::Since { bars: FIRST_BARS - 1, limit }
                    }
                    wish => wish,
                };
                let (at, market) = (round + STEP * nth, markets[*market].clone());
                requests.push(Request { at, bot, market, timeframe, wish });
            }
            round += every;
        }
    }
    requests.sort_by_key(|request| request.at);
    requests
}

/// Different markets, each the likelier the further ahead it stands: the n-th with weight 1/n.
fn watched(dice: &mut StdRng, markets: usize) -> Vec<usize> {
    let weights: f64 = (1..=markets).map(|n| 1.0 / n as f64).sum();
    let mut watched = Vec::new();
    while watched.len() < WATCHED.min(markets) {
        let mut left = dice.random_range(0.0..weights);
        let hit = (0..markets).find(|n| {
            left -= 1.0 / (n + 1) as f64;
            left <= 0.0
        });
        let market = hit.unwrap_or(markets - 1);
        if !watched.contains(&market) {
            watched.push(market);
        }
    }
    watched
}
