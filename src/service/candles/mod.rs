//! Candles: one series per market and width, of which every request is a view.
//!
//! ```text
//! request ─► Want ─► Track (entry of the cache) ─► Selection ─► Candles
//!                      ▲ newest ones: one flight a series (Cache::read)
//!                      ▲ the past: one flight a gap (Fills): disk, else the exchange
//!                      ▲ channel (Live)
//! ```
//!
//! A final candle is one whose bucket was over, and a grace with it, before the request that
//! brought it was sent, or before its channel spoke. It stays as it is unless the exchange tells
//! it differently, which is counted and logged.

mod derived;
mod due;
mod fill;
mod foresee;
mod learn;
mod reach;
mod read;
mod request;
#[cfg(test)]
mod tests;
mod ticket;
mod track;
mod want;
mod which;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

pub use due::{Due, DueState};
use fill::Fills;
pub(super) use learn::Learner;
use read::Reading;
use ticket::Tickets;
pub(super) use track::Page;
pub use track::Track;
use track::{Found, Selection};
use want::{Gap, Toward, Want, buckets};
pub(super) use want::{first_open, is_closed};
pub(super) use which::Which;

use super::{ServiceError, Shelf, Value};
use crate::{
    cache::{Ask, Entry, Read, Stamp, Verdict},
    market::{Candle, Listing, Span, Timeframe, UnixMs},
    tasks::Tasks,
    telemetry::{CacheOutcome, DataKind, Wait},
};

/// What of a series a client wants to see. Bounds are inclusive opening times.
#[derive(Clone, Copy, Debug)]
pub struct CandleView {
    /// Width.
    pub timeframe: Timeframe,
    /// At most this many.
    pub limit: u32,
    /// The first candles from here on; without it the last ones.
    pub since: Option<UnixMs>,
    /// Nothing later than this.
    pub until: Option<UnixMs>,
    /// Leave out a candle that may still change.
    pub closed_only: bool,
}

/// Where the candles are that belong to a request and not to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Those that open here or later.
    Since(UnixMs),
    /// Those that open here or earlier.
    Until(UnixMs),
}

/// Candles that were read.
#[derive(Debug)]
pub struct Candles {
    rows: Vec<Candle>,
    /// So many of them are final.
    finals: usize,
    /// Where the time ends of which all final ones are known.
    settled: UnixMs,
    stamp: Arc<Stamp>,
    outcome: CacheOutcome,
    rest: Option<Rest>,
    derived: Option<Timeframe>,
}

impl Candles {
    /// Oldest first.
    pub fn rows(&self) -> &[Candle] {
        &self.rows
    }

    /// Whether one of them is final. It never becomes so by waiting: what is held is what was seen
    /// while the bucket was open.
    pub fn is_closed(&self, candle: &Candle) -> bool {
        let open = self.rows.get(self.finals);
        open.is_none_or(|open| candle.open_time < open.open_time)
    }

    /// When they were received and from where: that of the newest, where some are not final, else
    /// that of the ones which were received first.
    pub fn stamp(&self) -> &Arc<Stamp> {
        &self.stamp
    }

    /// How they were come by.
    pub fn outcome(&self) -> CacheOutcome {
        self.outcome
    }

    /// Where the range that was asked for goes on.
    pub fn rest(&self) -> Option<Rest> {
        self.rest
    }

    /// The width of the candles that they were computed from.
    pub fn derived(&self) -> Option<Timeframe> {
        self.derived
    }
}

/// The candle series of one exchange.
#[derive(Clone)]
pub struct CandleSeries {
    learner: Learner,
    fills: Fills,
    tickets: Tickets,
}

impl CandleSeries {
    pub(super) fn new(shelf: Arc<Shelf>, tasks: &Tasks) -> Self {
        let (fills, tickets) = (Fills::default(), Tickets::default());
        Self { learner: Learner::new(shelf, tasks), fills, tickets }
    }

    /// Candles as `view` says. What they are is decided by the instant of the call, however long
    /// it takes.
    ///
    /// # Errors
    /// A width that is neither offered nor can be computed, and whatever keeps a fetch from
    /// succeeding. Where more rows are wanted than one request brings, what is there after a
    /// failure is an answer with a [`Rest`].
    ///
    /// # Cancel safety
    /// Dropping the future neither cancels nor repeats a fetch.
    pub async fn get(
        &self,
        market: &Arc<Listing>,
        view: CandleView,
        ask: Ask,
    ) -> Result<Candles, ServiceError> {
        self.get_at(market, view, self.learner.shelf.clock.now(), ask).await
    }

    async fn get_at(
        &self,
        market: &Arc<Listing>,
        view: CandleView,
        at: UnixMs,
        ask: Ask,
    ) -> Result<Candles, ServiceError> {
        let shelf = &self.learner.shelf;
        if shelf.offered(view.timeframe).is_err() {
            return self.computed(market, view, at, ask).await;
        }
        let which = Which { market: market.clone(), timeframe: view.timeframe };
        let want = Want::new(&view, at, self.anchor(&which));
        let held = self.learner.held(&which);
        let is_at_hand = held.is_some_and(|entry| self.held(&entry, &want, ask).is_some());
        if !is_at_hand {
            let computed = self.computed_from_held(market, view, at, ask);
            let computed = match computed {
                None if !want.head => self.computed_from_disk(&which, &want, view, at, ask).await,
                computed => computed,
            };
            if let Some(candles) = computed {
                return Ok(candles);
            }
        }
        let candles = Reading::new(self, &which, want, at, ask).run().await?;
        self.fetch_ahead(&which, &view, &candles, ask);
        Ok(candles)
    }

    /// Any opening time of the series.
    fn anchor(&self, which: &Which) -> Option<UnixMs> {
        let held = self.learner.held(which)?;
        let head = held.value.track()?.head.as_ref()?;
        Some(head.rows.first().map_or(head.from, |row| row.open_time))
    }

    /// What an entry holds of the candles that are wanted, if it is all of them and may be given.
    fn held(&self, entry: &Entry<Value>, want: &Want, ask: Ask) -> Option<Selection> {
        let Found::Rows(rows) = entry.value.track()?.select(want) else { return None };
        let age = entry.stamp.age(Instant::now());
        let is_usable = ask.demand.judge(age, &entry.stamp.policy) != Verdict::Unusable;
        let is_all = if want.head { is_usable } else { want.is_past(rows.rows.len()) };
        is_all.then_some(rows)
    }

    /// The newest candles, fresh enough, and with them as many as `want` needs.
    async fn head(
        &self,
        which: &Which,
        want: &Want,
        ask: Ask,
        enough: impl Fn(&Track) -> bool,
    ) -> Result<Read<Value>, ServiceError> {
        let load = |_: Arc<Shelf>, payer, deadline| {
            let (learner, which, want) = (self.learner.clone(), which.clone(), *want);
            async move { learner.newest(&which, &want, payer, deadline).await }
        };
        let enough = |value: &Value| value.track().is_some_and(&enough);
        let shelf = &self.learner.shelf;
        let read = shelf.read(which.product(), DataKind::Ohlcv, ask, enough, load).await;
        if let Err(ServiceError::BudgetExhausted { .. }) = &read {
            self.tickets.take(&self.learner, which, want, ask.payer);
        }
        read
    }

    /// Who has taken a page as large as an exchange gives and has more to come will take the next.
    /// Who waits behind all others does so for each.
    fn fetch_ahead(&self, which: &Which, view: &CandleView, candles: &Candles, ask: Ask) {
        let shelf = &self.learner.shelf;
        let Some(Rest::Since(from)) = candles.rest else { return };
        let is_page = view.limit >= shelf.exchange.profile().max_candles;
        if !is_page || ask.payer.class == Wait::Background {
            return;
        }
        let view = CandleView { since: Some(from), ..*view };
        let want = Want::new(&view, shelf.clock.now(), Some(from));
        let Some(held) = self.learner.held(which) else { return };
        let found = held.value.track().map(|track| track.select(&want));
        let Some(Found::Missing(gap, _)) = found else { return };
        if self.learner.reach(which).within(gap, shelf.clock.now()).is_none() {
            return;
        }
        let (series, which) = (self.clone(), which.clone());
        let ask = Ask { payer: ask.payer.waiting_as(Wait::Background), ..ask };
        self.learner.tasks.spawn_until_stop("fetch ahead", async move {
            if let Err(error) = series.fills.fill(&series.learner, &which, gap, ask).await {
                let market = &which.market.symbol;
                tracing::debug!(%market, %error, "the next page was not fetched");
            }
        });
    }

    /// Fetches candles that a channel has missed, behind all clients, unless it takes more than
    /// one request: then those who want them fetch them.
    pub(super) async fn refill(
        &self,
        which: &Which,
        span: Span,
        patience: Duration,
    ) -> Result<(), ServiceError> {
        let count = buckets(which.timeframe, span.from, span.to);
        let most = self.learner.shelf.exchange.profile().max_candles;
        if count > usize::try_from(most).unwrap_or(usize::MAX) {
            return Ok(());
        }
        let payer = Wait::Background.into();
        let ask = Ask { payer, ..Ask::by(Instant::now() + patience) };
        let gap = Gap { span, toward: Toward::Later, count, anew: false };
        self.fills.fill(&self.learner, which, gap, ask).await.map(drop)
    }

    pub(super) fn learner(&self) -> &Learner {
        &self.learner
    }
}
