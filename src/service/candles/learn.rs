//! What is told about candles, and who has to know.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::Instant};

use super::{
    track::{Page, Track},
    want::{EPOCH, Want, buckets},
    which::Which,
};
use crate::{
    cache::{Entry, Loaded, Source, Stamp},
    config::Policy,
    exchange::Family,
    market::{Candle, CandleQuery, Restated, Span, UnixMs},
    service::{Key, ServiceError, Shelf, Value, span::fetch_size},
    tasks::Tasks,
    telemetry::{DataKind, Wait},
};

/// Puts candles where they belong: into the entry of their series and into the store; and fetches
/// the newest ones.
#[derive(Clone)]
pub(in crate::service) struct Learner {
    pub(in crate::service) shelf: Arc<Shelf>,
    pub(in crate::service) tasks: Tasks,
    /// Told whenever candles have become final.
    pub(super) finals: Arc<Notify>,
    started: Instant,
}

impl Learner {
    pub(super) fn new(shelf: Arc<Shelf>, tasks: &Tasks) -> Self {
        let (tasks, finals, started) = (tasks.clone(), Arc::default(), Instant::now());
        Self { shelf, tasks, finals, started }
    }

    pub(super) fn key(&self, which: &Which) -> Key {
        self.shelf.key(which.product())
    }

    /// What is held, whatever its age.
    pub(super) fn held(&self, which: &Which) -> Option<Arc<Entry<Value>>> {
        self.shelf.cache.peek(&self.key(which))
    }

    /// True if no candle of the series was ever seen.
    pub(super) fn is_blank(&self, which: &Which) -> bool {
        let held = self.held(which);
        let track = held.as_ref().and_then(|entry| entry.value.track());
        track.is_none_or(|track| {
            track.bars.is_empty() && track.head.as_ref().is_none_or(|head| head.rows.is_empty())
        })
    }

    /// One request, and when it was sent: what the exchange answered is no older than that.
    pub(super) async fn call(
        &self,
        query: &CandleQuery,
        class: Wait,
        deadline: Instant,
    ) -> Result<(UnixMs, Vec<Candle>), ServiceError> {
        let shelf = &self.shelf;
        let call = || {
            let sent = shelf.clock.now();
            async move { Ok((sent, shelf.exchange.candles(query).await?)) }
        };
        Ok(shelf.upstream.call(Family::Candles, class, deadline, call).await?)
    }

    /// Fetches the newest candles in one request: those that are missing behind the ones held,
    /// and as many more as `want` needs and are not held.
    pub(super) async fn newest(
        &self,
        which: &Which,
        want: &Want,
        class: Wait,
        deadline: Instant,
    ) -> Result<Loaded<Value>, ServiceError> {
        let held = self.held(which);
        let track = held.as_ref().and_then(|entry| entry.value.track());
        let limit = self.size(track, want);
        let (market, timeframe) = (which.market.clone(), which.timeframe);
        let query = CandleQuery { market, timeframe, limit, since: None, until: None };
        let (sent, rows) = self.call(&query, class, deadline).await?;
        if rows.is_empty() && !self.is_blank(which) {
            let text = "no candles, where there were some".to_owned();
            return Err(ServiceError::Invalid(text));
        }
        let is_empty = rows.is_empty();
        let is_all = rows.len() < usize::try_from(limit).unwrap_or(usize::MAX);
        let first = rows.first().map(|row| row.open_time).filter(|_| !is_all);
        let page = Page::newest(timeframe, first.unwrap_or(EPOCH), rows, sent);
        let known_to = track.and_then(Track::known_to);
        self.told(which, track, &page, known_to);
        let mark = self.mark(Source::Rest, Instant::now());
        let value = Value::Candles(Track::newest(page, mark));
        Ok(self.shelf.loaded_unless_empty(is_empty, DataKind::Ohlcv, value))
    }

    /// How many rows the request for the newest ones asks for.
    fn size(&self, track: Option<&Track>, want: &Want) -> u32 {
        let most = self.shelf.exchange.profile().max_candles;
        let timeframe = want.timeframe;
        let needed = match want.from {
            Some(from) => buckets(timeframe, from, want.to),
            None => want.limit,
        };
        let needed = u32::try_from(needed).unwrap_or(u32::MAX);
        let whole = fetch_size(needed.min(most), most);
        let Some((track, end)) = track.and_then(|track| Some((track, track.known_to()?))) else {
            return whole;
        };
        // One that is known already shows whether the exchange still tells the same.
        let behind = buckets(timeframe, end, want.to) + 1;
        let Some(behind) = u32::try_from(behind).ok().filter(|behind| *behind <= most) else {
            return whole;
        };
        let is_deep = match want.from {
            Some(from) => {
                track.bars.coverage().before(end).is_some_and(|(span, _)| span.from <= from)
            }
            None => track.depth(end, want.limit) + 1 >= want.limit,
        };
        if is_deep { behind } else { behind.max(whole) }
    }

    /// Takes in candles of the past. Gives what is held then.
    pub(super) fn past(&self, which: &Which, page: Page, source: Source) -> Arc<Entry<Value>> {
        let mark = self.mark(source, Instant::now());
        let held = self.held(which);
        self.told(which, held.as_ref().and_then(|entry| entry.value.track()), &page, None);
        self.put(which, &page, mark)
    }

    /// Puts candles of the past into the series, whatever is known of them.
    fn put(&self, which: &Which, page: &Page, mark: Arc<Stamp>) -> Arc<Entry<Value>> {
        let (span, finals) = (page.span(), page.finals());
        let policy = self.shelf.policy(DataKind::Ohlcv);
        let otherwise = (DataKind::Ohlcv, policy, mark.source, self.started);
        self.shelf.cache.amend(self.key(which), otherwise, |held| {
            let empty = Track::default();
            let track = held.and_then(Value::track).unwrap_or(&empty);
            let is_other = !track.restated(span, finals).is_empty();
            (Value::Candles(track.with_past(span, finals, mark)), is_other)
        })
    }

    /// Notes what final candles of `page` differ from those that were held, and tells those who
    /// wait for new ones. Nothing before `known_to` is new where it is not different.
    pub(in crate::service) fn told(
        &self,
        which: &Which,
        held: Option<&Track>,
        page: &Page,
        known_to: Option<UnixMs>,
    ) {
        let span = page.span();
        let restated = held.map(|track| track.restated(span, page.finals())).unwrap_or_default();
        for Restated { before, now } in &restated {
            let (market, timeframe) = (&which.market.symbol, which.timeframe);
            let at = before.or(*now).map(|row| row.open_time.iso());
            tracing::warn!(%market, %timeframe, at, ?before, ?now, "a final candle was restated");
        }
        self.shelf.candles.restated(restated.len());
        let begin = if restated.is_empty() { known_to.unwrap_or(span.from) } else { span.from };
        let span = Span::new(span.from.max(begin), span.to);
        let _ = span;
    }

    /// Lets those go on who wait for candles to become final.
    pub(in crate::service) fn release(&self) {
        self.finals.notify_waiters();
    }

    /// The receipt of final candles: what is final may be kept for as long as the settings say
    /// from now on, however long ago it was received.
    pub(in crate::service) fn mark(&self, source: Source, received: Instant) -> Arc<Stamp> {
        let age = received.elapsed();
        let at = self.shelf.clock.now() - age;
        let policy = self.lasting(age, None);
        Arc::new(Stamp::new(received, at, source, DataKind::History, policy))
    }

    /// The policy of final candles that were received so long ago, which are all of the final ones
    /// for `change` more.
    pub(super) fn lasting(&self, age: Duration, change: Option<Duration>) -> Policy {
        let policy = self.shelf.policy(DataKind::History);
        let more = change.map_or(policy.ttl, |change| policy.ttl.min(change));
        let stale_while_revalidate = Duration::ZERO;
        Policy { ttl: age + more, stale_while_revalidate, ..policy }
    }
}
