//! Whether a workload fits the exchange's budgets, told without asking the exchange anything.
//!
//! What a gateway does with a workload follows from few rules, but they act on each other: a stale
//! read starts a refresh, a refresh of one ticker brings along others, a call that finds no turn
//! leaves a failure that is remembered, and what is read often becomes live and costs nothing. No
//! formula has all of that in it. So these rules are played through in small, on a clock of their
//! own, with keys in place of data: an hour of a gateway takes milliseconds.
//!
//! ```text
//! workload   what is asked, by how many, how often
//! build      canonical keys, policies, budgets and pins of it
//! model      events: reads, merged tickers, turns, answers         (service, upstream's merging)
//!   read     fresh, stale, missing; computed from a narrower one   (cache, service's candles)
//!   key      an entry and its ages                                 (cache)
//!   lane     the queue of a pool                                   (upstream)
//!   pace     its window and pace                                   (upstream)
//!   live     heat, channels and sockets                            (feed, service's heat)
//! forecast   what it comes to
//! advice     which single change would make it fit
//! ```
//!
//! **Reads are skipped, not ignored.** Nothing happens to an entry while it is fresh, so whoever
//! reads it until then is counted with the first one. A forecast costs what the
//! calls cost, whether ten clients ask or a million.
//!
//! **What is assumed** is told with every forecast ([`ASSUMPTIONS`]).
//!
//! `tests/plan` runs real gateways on virtual time before a simulated exchange and compares.

mod advice;
mod arrivals;
mod build;
mod forecast;
mod key;
mod lane;
mod live;
mod model;
mod pace;
mod read;
mod tally;
mod time;
mod workload;

pub use advice::{Advice, advise};
pub use forecast::{
    DemandForecast, EntryForecast, Forecast, LiveForecast, PoolForecast, TOLERATED, WARM_UP,
    forecast,
};
pub use workload::{Demand, Rhythm, What, Workload};

use crate::{exchange::Profile, market::Timeframe};

/// Most requests that a workload may consist of: one for each demand and market.
pub const MAX_ASKS: usize = 5_000;

/// What a forecast takes for granted.
pub const ASSUMPTIONS: [&str; 7] = [
    "the exchange answers every call, and nothing else calls it from this address",
    "clients ask independently of each other and do not repeat a refused request at once",
    "everything is read often enough to stay in memory (cache.max_bytes)",
    "live tickers change every 12.5 s, other live data every moment",
    "what it costs to begin a channel, or to mend one, is not counted",
    "clients follow no streams; what they follow is live or polled as well",
    "the first five minutes after a start do not count",
];

/// Whether candles of this width can be had: as the exchange offers them, or computed from
/// narrower ones.
pub fn has_candles(profile: &Profile, width: Timeframe) -> bool {
    build::source(profile, width).is_some()
}
