//! Waiting for a bar to close.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    CandleSeries, CandleView, Candles, Track, Which,
    want::{CLOSE_GRACE, Want},
};
use crate::{
    cache::{Ask, Demand},
    market::{Listing, Span, UnixMs},
    service::ServiceError,
};

/// A channel that is live speaks by then, most of the time; if not, the exchange is asked.
const CHANNELS_TURN: Duration = Duration::from_millis(500);

/// The pause after a failure.
const PAUSE: Duration = Duration::from_millis(250);

/// What is known of the last bucket that was over when a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When it opened.
    pub open_time: UnixMs,
    /// What has become of it.
    pub state: DueState,
}

/// Whether a bucket that is over has its final candle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueState {
    /// It has.
    Final,
    /// Nothing was traded in it: there will be no candle.
    Empty,
    /// It is not known yet.
    Pending,
}

impl DueState {
    /// `final`, `empty` or `pending`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Empty => "empty",
            Self::Pending => "pending",
        }
    }
}

impl CandleSeries {
    /// The same as [`CandleSeries::get`], once the last bucket that is over when this is called has
    /// its final candle or is known to be empty, or else after `wait` and with what there is then.
    /// `None`: no bucket that is wanted is over.
    ///
    /// # Errors
    /// As [`CandleSeries::get`]; that the bucket stays pending is none.
    ///
    /// # Cancel safety
    /// As [`CandleSeries::get`].
    pub async fn get_final(
        &self,
        market: &Arc<Listing>,
        view: CandleView,
        wait: Duration,
        ask: Ask,
    ) -> Result<(Candles, Option<Due>), ServiceError> {
        let at = self.learner.shelf.clock.now();
        let until = ask.deadline.min(Instant::now() + wait);
        let due = match self.due(market, &view, at) {
            None => None,
            Some((which, bucket)) => {
                let state = self.settle(&which, bucket, until, ask).await;
                Some(Due { open_time: bucket.from, state })
            }
        };
        Ok((self.get_at(market, view, at, ask).await?, due))
    }

    /// The last bucket that is wanted and over at `at`, and the series that tells about it.
    fn due(&self, market: &Arc<Listing>, view: &CandleView, at: UnixMs) -> Option<(Which, Span)> {
        let asked = Which { market: market.clone(), timeframe: view.timeframe };
        let want = Want::new(&CandleView { closed_only: false, ..*view }, at, self.anchor(&asked));
        let width = view.timeframe;
        let end = width.start_of(at).min(width.start_of(want.to));
        let open = width.start_of(end - Duration::from_millis(1));
        let is_wanted = want.from.is_none_or(|from| from <= open);
        let which = self.source(&asked)?;
        is_wanted.then_some((which, Span::new(open, end)))
    }

    async fn settle(&self, which: &Which, bucket: Span, until: Instant, ask: Ask) -> DueState {
        let shelf = &self.learner.shelf;
        let now = Instant::now();
        let final_at = now + (bucket.to + CLOSE_GRACE).since(shelf.clock.now());
        let view = CandleView {
            timeframe: which.timeframe,
            limit: 2,
            since: None,
            until: None,
            closed_only: false,
        };
        let mut not_before = final_at;
        loop {
            let told = self.learner.finals.notified();
            tokio::pin!(told);
            // What is told from here on is heard, even if it is told before it is waited for.
            told.as_mut().enable();
            if let Some(state) = self.state(which, bucket) {
                return state;
            }
            let now = Instant::now();
            if now >= until {
                return DueState::Pending;
            }
            let is_live = shelf.is_live(&self.learner.key(which));
            let turn = not_before.max(if is_live { final_at + CHANNELS_TURN } else { final_at });
            if now < turn {
                let _ = timeout_at(turn.min(until), told).await;
                continue;
            }
            let demand = Demand { only_if_cached: ask.demand.only_if_cached, ..Demand::default() };
            let asked = Ask { demand, ..ask };
            let want = Want::new(&view, shelf.clock.now(), self.anchor(which));
            let covers = |track: &Track| track.bars.coverage().covers(&bucket);
            // The fetch goes on for those who wait for longer.
            let fetched = timeout_at(until, self.head(which, &want, asked, covers)).await;
            if !matches!(fetched, Ok(Ok(_))) {
                not_before = Instant::now() + PAUSE;
                sleep_until(not_before.min(until)).await;
            }
        }
    }

    /// What is known of a bucket; `None`: not enough.
    fn state(&self, which: &Which, bucket: Span) -> Option<DueState> {
        let held = self.learner.held(which)?;
        let track = held.value.track().filter(|track| track.bars.coverage().covers(&bucket))?;
        let is_empty = track.bars.rows(bucket).next().is_none();
        Some(if is_empty { DueState::Empty } else { DueState::Final })
    }
}
