//! Candles computed from narrower ones: where the exchange has no such width, and where it saves a
//! call.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    CandleSeries, CandleView, Candles, Reading, Rest, Track, Which, track::Found, want::Want,
};
use crate::{
    cache::{Ask, Verdict},
    market::{Listing, Timeframe, UnixMs, derive},
    service::ServiceError,
    telemetry::{CacheOutcome, DataKind, explain::Note},
};

impl CandleSeries {
    /// The series that tells about another one: itself, where the exchange offers it, else the
    /// widest that it can be computed from.
    pub(super) fn source(&self, which: &Which) -> Option<Which> {
        let offered = self.learner.shelf.exchange.profile().timeframes;
        let fits = |width: &Timeframe| offered.contains(width);
        let own = [which.timeframe].into_iter().chain(which.timeframe.sources()).find(fits)?;
        Some(Which { timeframe: own, ..which.clone() })
    }

    /// Candles of a width that the exchange does not offer.
    pub(super) async fn computed(
        &self,
        market: &Arc<Listing>,
        view: CandleView,
        at: UnixMs,
        ask: Ask,
    ) -> Result<Candles, ServiceError> {
        let which = Which { market: market.clone(), timeframe: view.timeframe };
        let Some(source) = self.source(&which) else {
            return Err(self
                .learner
                .shelf
                .offered(view.timeframe)
                .err()
                .unwrap_or(ServiceError::Internal));
        };
        let want = Want::new(&view, at, None);
        let parts = want.of_parts(source.timeframe);
        let read = Reading::new(self, &source, parts, at, ask).run().await?;
        let candles = Self::widen(market, &want, read, source.timeframe).ok_or_else(|| {
            let (name, from, to) = (&market.symbol, source.timeframe, view.timeframe);
            let text = format!(
                "{to} candles of {name} cannot be computed exactly from {from} ones: a volume is \
                 so large that its last decimals are not certain"
            );
            ServiceError::Unsupported(text)
        })?;
        // A part without a single whole bucket leads nowhere, unless it is known that nothing was
        // traded in it.
        let reach = self.learner.reach(&source);
        if candles.rows.is_empty() && candles.rest.is_some() && !reach.is_by_buckets() {
            return Err(match reach.is_limited() {
                true => reach.refusal(at),
                false => ServiceError::DeadlineExceeded,
            });
        }
        Ok(candles)
    }

    /// Candles of a width that the exchange offers, computed from what is held of a narrower one,
    /// if that is all that is wanted and fresh enough.
    pub(super) fn computed_from_held(
        &self,
        market: &Arc<Listing>,
        view: CandleView,
        at: UnixMs,
        ask: Ask,
    ) -> Option<Candles> {
        let (candles, source, kind) = self.derivable(market, view, at, ask)?;
        let shelf = &self.learner.shelf;
        shelf.cache.looked_up(kind, CacheOutcome::Hit);
        shelf.candles.derived();
        let mut note = Note::begin(&self.learner.key(&source), kind);
        let (stamp, now) = (&candles.stamp, Instant::now());
        note.decides(|| stamp.reason(&ask.demand, now));
        note.decides(|| format!("{} candles are computed from these", view.timeframe));
        note.gives(CacheOutcome::Hit, || stamp.facts(now));
        drop(note);
        Some(candles)
    }

    /// The same without its being counted, and the series that they are computed from.
    pub(super) fn derivable(
        &self,
        market: &Arc<Listing>,
        view: CandleView,
        at: UnixMs,
        ask: Ask,
    ) -> Option<(Candles, Which, DataKind)> {
        let want = Want::new(&view, at, None);
        if want.is_void() {
            return None;
        }
        view.timeframe.sources().find_map(|timeframe| {
            let which = Which { market: market.clone(), timeframe };
            let entry = self.learner.held(&which)?;
            let parts = want.of_parts(timeframe);
            let rows = self.held(&entry, &parts, ask)?;
            let (stamp, kind) = match parts.head {
                true => (entry.stamp.clone(), DataKind::Ohlcv),
                false => (self.stamp_of(&rows, &want, at), DataKind::History),
            };
            let age = stamp.age(Instant::now());
            if ask.demand.judge(age, &stamp.policy) != Verdict::Fresh {
                return None;
            }
            let read = Candles::of(&parts, rows, stamp, CacheOutcome::Hit);
            Some((Self::widen(market, &want, read, timeframe)?, which, kind))
        })
    }

    /// The same for final candles, where the narrower ones are on disk and those that are wanted are
    /// not.
    pub(super) async fn computed_from_disk(
        &self,
        which: &Which,
        want: &Want,
        view: CandleView,
        at: UnixMs,
        ask: Ask,
    ) -> Option<Candles> {
        if !self.learner.shelf.store.is_on() || self.recalled(which, want).await {
            return None;
        }
        for timeframe in view.timeframe.sources() {
            let parts = want.of_parts(timeframe);
            let source = Which { timeframe, ..which.clone() };
            if self.recalled(&source, &parts).await
                && let Some(candles) = self.computed_from_held(&which.market, view, at, ask)
            {
                return Some(candles);
            }
        }
        None
    }

    /// True if something that is missing of the wanted candles was on disk and is held now.
    async fn recalled(&self, which: &Which, want: &Want) -> bool {
        let held = self.learner.held(which);
        let empty = Track::default();
        let track = held.as_ref().and_then(|entry| entry.value.track()).unwrap_or(&empty);
        match track.select(want) {
            Found::Missing(gap, _) => self.learner.recall(which, &gap).await.is_some(),
            Found::Rows(_) | Found::Headless => false,
        }
    }

    /// The candles that are wanted, out of all narrower ones in the buckets that are wanted. `None`
    /// if they cannot be computed exactly.
    fn widen(market: &Listing, want: &Want, parts: Candles, from: Timeframe) -> Option<Candles> {
        let to = want.timeframe;
        let Candles { rows, settled, stamp, outcome, rest, .. } = parts;
        let mut rows = derive(&rows, from, to, market.amount_decimals)?;
        // A bucket whose parts are not all there is left for the rest.
        let mut rest = rest.map(|rest| match rest {
            Rest::Since(since) => Rest::Since(to.start_of(since)),
            Rest::Until(until) => Rest::Until(to.start_of(until)),
        });
        match rest {
            Some(Rest::Since(since)) => rows.retain(|row| row.open_time < since),
            Some(Rest::Until(until)) => rows.retain(|row| row.open_time > until),
            None => {}
        }
        if want.from.is_some() {
            if let Some(next) = rows.get(want.limit) {
                rest = Some(Rest::Since(next.open_time));
            }
            rows.truncate(want.limit);
        } else if rows.len() >= want.limit {
            rows.drain(..rows.len() - want.limit);
            rest = None;
        }
        // A wide one is final with its last part.
        let settled = to.start_of(settled);
        let finals = rows.partition_point(|row| row.open_time < settled);
        Some(Candles { rows, finals, settled, stamp, outcome, rest, derived: Some(from) })
    }
}
