//! What a request for candles would do.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    CandleSeries, CandleView, Track, Which,
    fill::Met,
    request::Request,
    track::{Found, Selection},
    want::{Gap, Want},
};
use crate::{
    cache::{Ask, Prospect, Verdict},
    exchange::Asked,
    market::{Listing, UnixMs},
    service::{Foreseen, ServiceError, Value},
    telemetry::DataKind,
    upstream::Charge,
};

impl CandleSeries {
    /// What [`CandleSeries::get`] would do now: for the newest candles, where some of them are
    /// wanted, and for the past ones up to the first gap.
    ///
    /// # Errors
    /// A width that is neither offered nor can be computed.
    ///
    /// # Cancel safety
    /// It only looks.
    pub async fn foresee(
        &self,
        market: &Arc<Listing>,
        view: CandleView,
        ask: Ask,
    ) -> Result<Vec<Foreseen>, ServiceError> {
        let shelf = &self.learner.shelf;
        let at = shelf.clock.now();
        let asked = Which { market: market.clone(), timeframe: view.timeframe };
        let is_offered = shelf.offered(view.timeframe);
        let Some(which) = self.source(&asked) else {
            return Err(is_offered.err().unwrap_or(ServiceError::Internal));
        };
        let want = match is_offered {
            Ok(()) => Want::new(&view, at, self.anchor(&which)),
            Err(_) => Want::new(&view, at, None).of_parts(which.timeframe),
        };
        let held = self.learner.held(&which);
        let is_at_hand = held.is_some_and(|entry| self.held(&entry, &want, ask).is_some());
        if which.timeframe == view.timeframe
            && !is_at_hand
            && let Some((candles, source, kind)) = self.derivable(market, view, at, ask)
        {
            let stamp = candles.stamp();
            let (now, width) = (Instant::now(), view.timeframe);
            let reason = stamp.reason(&ask.demand, now);
            return Ok(vec![Foreseen {
                key: self.learner.key(&source),
                kind,
                decision: format!("{reason}; {width} candles are computed from these"),
                prospect: Prospect::Hit,
                held: Some(stamp.facts(now)),
                flight: None,
                charge: self.charge(),
                on_disk: None,
            }]);
        }
        Ok(self.foresee_series(&which, want, at, ask).await)
    }

    async fn foresee_series(
        &self,
        which: &Which,
        want: Want,
        at: UnixMs,
        ask: Ask,
    ) -> Vec<Foreseen> {
        let mut parts = Vec::new();
        if want.head || want.is_void() {
            parts.push(self.foresee_head(which, &want, &ask));
        }
        if want.is_void() {
            return parts;
        }
        let held = self.learner.held(which);
        let empty = Track::default();
        let track = held.as_ref().and_then(|entry| entry.value.track()).unwrap_or(&empty);
        match track.select(&want) {
            // What the newest ones will bring is not known before.
            _ if want.head && track.head.is_none() => {}
            Found::Headless => {}
            Found::Missing(gap, so_far) => {
                parts.push(self.foresee_gap(which, &want, (gap, &so_far), &ask).await);
            }
            Found::Rows(_) if want.head => {}
            Found::Rows(rows) if want.is_past(rows.rows.len()) => {
                parts.push(self.foresee_finals(which, &rows, &want, at, &ask));
            }
            Found::Rows(_) => parts.push(self.foresee_head(which, &want, &ask)),
        }
        parts
    }

    /// What any call for candles costs that brings as many as there can be.
    fn charge(&self) -> Charge {
        let shelf = &self.learner.shelf;
        shelf.charge(Asked::Candles { limit: shelf.exchange.profile().max_candles })
    }

    fn foresee_head(&self, which: &Which, want: &Want, ask: &Ask) -> Foreseen {
        let enough =
            |value: &Value| value.track().is_some_and(|track: &Track| track.head.is_some());
        let held = self.learner.held(which);
        let limit = self.learner.size(held.as_ref().and_then(|entry| entry.value.track()), want);
        let (shelf, asked) = (&self.learner.shelf, Asked::Candles { limit });
        shelf.foresee(which.product(), DataKind::Ohlcv, asked, ask, enough)
    }

    async fn foresee_gap(
        &self,
        which: &Which,
        want: &Want,
        (gap, so_far): (Gap, &Selection),
        ask: &Ask,
    ) -> Foreseen {
        let on_disk = self.learner.is_on_disk(which, &gap).await;
        let (mut decision, mut flight) = (gap.to_string(), None);
        if on_disk == Some(true) {
            decision.push_str("; the first of them are on disk");
        }
        let (reach, now) = (self.learner.reach(which), self.learner.shelf.clock.now());
        let is_out_of_reach = reach.within(gap, now).is_none() && on_disk != Some(true);
        let prospect = match self.fills.foresee(&self.learner, which, gap, ask) {
            _ if ask.demand.only_if_cached && on_disk != Some(true) => Prospect::NotCached,
            _ if is_out_of_reach && so_far.rows.is_empty() => {
                Prospect::Fails { failure: reach.refusal(now), stale: false }
            }
            _ if is_out_of_reach || reach.is_quiet(want, &gap, so_far) => {
                decision.push_str("; the answer ends there");
                Prospect::Hit
            }
            None => Prospect::Fetches,
            Some(Met::Flight(record)) => {
                flight = Some(record);
                Prospect::Joins
            }
            Some(Met::Over(failure)) => {
                decision.push_str("; the exchange was asked for them a moment ago");
                match failure {
                    Some(failure) => Prospect::Fails { failure, stale: false },
                    None => Prospect::Hit,
                }
            }
        };
        Foreseen {
            key: self.learner.key(which),
            kind: DataKind::History,
            decision,
            prospect,
            held: None,
            flight,
            charge: self.learner.shelf.charge(Request::of(&self.learner, which, gap).asked()),
            on_disk,
        }
    }

    fn foresee_finals(
        &self,
        which: &Which,
        rows: &Selection,
        want: &Want,
        at: UnixMs,
        ask: &Ask,
    ) -> Foreseen {
        let (stamp, now) = (self.stamp_of(rows, want, at), Instant::now());
        let prospect = match ask.demand.judge(stamp.age(now), &stamp.policy) {
            Verdict::Fresh | Verdict::Stale => Prospect::Hit,
            Verdict::Unusable if ask.demand.is_unmeetable(&stamp.policy) => Prospect::Unmeetable,
            Verdict::Unusable if ask.demand.only_if_cached => Prospect::NotCached,
            Verdict::Unusable => Prospect::Fetches,
        };
        Foreseen {
            key: self.learner.key(which),
            kind: DataKind::History,
            decision: stamp.reason(&ask.demand, now),
            prospect,
            held: Some(stamp.facts(now)),
            flight: None,
            charge: self.charge(),
            on_disk: None,
        }
    }
}
