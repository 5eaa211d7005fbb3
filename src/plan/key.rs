//! One entry of the cache.

use super::{
    live::Warmth,
    time::{SECOND, Us},
};
use crate::{
    config::Policy,
    exchange::{Asked, Profile},
    market::Timeframe,
};

/// Tickers come over a channel every ten to fifteen seconds, however often they change
/// (docs.bitfinex.com/reference/ws-public-ticker, 2025-11).
const TICKER_EVERY: Us = 12_500_000;

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Product {
    Ticker,
    Book { depth: u32 },
    Trades,
    Candles(Timeframe),
}

impl Product {
    /// The request that brings it; tickers may come in one for many. `rows`: candles that are asked
    /// for.
    pub(super) fn asked(self, rows: u32, profile: &Profile) -> Asked {
        match self {
            Self::Ticker => Asked::Ticker,
            Self::Book { depth } => Asked::Book { depth },
            Self::Trades => Asked::Trades { limit: profile.max_trades },
            Self::Candles(_) => Asked::Candles { limit: rows },
        }
    }

    /// Whether the exchange's WebSocket brings it.
    pub(super) fn has_channel(self, profile: &Profile) -> bool {
        match self {
            Self::Ticker | Self::Trades => true,
            Self::Book { depth } => profile.live.book_depths.contains(&depth),
            Self::Candles(width) => profile.live.timeframes.contains(&width),
        }
    }
}

/// For how long something may be served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) ttl: Us,
    pub(super) stale: Us,
    pub(super) on_error: Us,
    pub(super) negative: Us,
}

impl Times {
    pub(super) fn of(policy: &Policy) -> Self {
        use super::time::us;
        Self {
            ttl: us(policy.ttl),
            stale: us(policy.stale_while_revalidate),
            on_error: us(policy.stale_if_error),
            negative: us(policy.negative_ttl),
        }
    }
}

/// What is held at some instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// When it was known to be true.
    pub(super) at: Us,
    /// A channel keeps it.
    pub(super) live: bool,
}

/// Whether what is held may answer, and until when it is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fresh(Us),
    Stale(Us),
    Unusable,
}

/// A load under way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) waiters: Vec<Waiter>,
    /// When its answer comes, once it was sent.
    pub(super) lands: Option<Us>,
}

/// A read that waits for a flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) read: usize,
    pub(super) deadline: Us,
    pub(super) held: Option<Held>,
    pub(super) max_age: Option<Us>,
}

/// An entry and what is known about it.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) market: usize,
    pub(super) product: Product,
    /// The request that brings it by itself.
    pub(super) asked: Asked,
    pub(super) times: Times,
    pub(super) fetched: Option<Us>,
    /// What was fetched last has been read.
    pub(super) was_read: bool,
    /// A failure is remembered until then.
    pub(super) failed_until: Us,
    pub(super) flight: Option<Flight>,
    /// A series that waits for its turn although nobody does.
    pub(super) has_ticket: bool,
    /// Rows that one fetch brings, and when the first one did.
    pub(super) rows: u32,
    pub(super) first_fetched: Option<Us>,
    pub(super) warmth: Warmth,
    /// Fetches that count.
    pub(super) fetches: u64,
    /// Since when its channel is live.
    pub(super) live_since: Option<Us>,
    pub(super) max_silence: Us,
}

impl Key {
    pub(super) fn new(
        market: usize,
        product: Product,
        asked: Asked,
        times: Times,
        max_silence: Us,
    ) -> Self {
        Self {
            market,
            product,
            asked,
            times,
            fetched: None,
            was_read: false,
            failed_until: 0,
            flight: None,
            has_ticket: false,
            rows: 0,
            first_fetched: None,
            warmth: Warmth::default(),
            fetches: 0,
            live_since: None,
            max_silence,
        }
    }

    pub(super) fn held(&self, now: Us) -> Option<Held> {
        let fetched = self.fetched.map(|at| Held { at, live: false });
        let Some(since) = self.live_since.filter(|since| *since <= now) else { return fetched };
        let told = match self.product {
            Product::Ticker => now - (now - since) % TICKER_EVERY,
            Product::Book { .. } | Product::Trades | Product::Candles(_) => now,
        };
        let live = Held { at: told, live: true };
        Some(fetched.filter(|fetched| fetched.at > told).unwrap_or(live))
    }

    /// Whether what is held may be given to who wants nothing older than `max_age`.
    pub(super) fn judge(&self, held: Option<Held>, max_age: Option<Us>, now: Us) -> Verdict {
        let Some(held) = held else { return Verdict::Unusable };
        let ttl = if held.live { self.max_silence } else { self.times.ttl };
        let end = max_age.map_or(Us::MAX, |max_age| held.at.saturating_add(max_age + 1));
        let (fresh, stale) = (held.at + ttl, held.at + ttl + self.times.stale);
        // A channel may end; what it keeps is looked at anew.
        let look = if held.live { now + SECOND } else { Us::MAX };
        match now {
            _ if now >= end => Verdict::Unusable,
            _ if now < fresh => Verdict::Fresh(fresh.min(end).min(look)),
            _ if now < stale => Verdict::Stale(stale.min(end)),
            _ => Verdict::Unusable,
        }
    }

    /// Until when what is held may be given although fetching it anew has failed.
    pub(super) fn on_error(&self, held: Option<Held>, max_age: Option<Us>, now: Us) -> Option<Us> {
        let held = held?;
        let ttl = if held.live { self.max_silence } else { self.times.ttl };
        let allowed = (ttl + self.times.on_error).min(max_age.map_or(Us::MAX, |age| age + 1));
        Some(held.at.saturating_add(allowed)).filter(|end| now < *end)
    }

    /// Candles that are held without a gap.
    pub(super) fn depth(&self, now: Us) -> u64 {
        let (Product::Candles(width), Some(first)) = (self.product, self.first_fetched) else {
            return 0;
        };
        let width = width.fixed().map_or(Us::MAX, super::time::us);
        u64::from(self.rows) + now.saturating_sub(first) / width
    }
}
