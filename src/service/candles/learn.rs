//! What is told about candles, and who has to know.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::Instant};

use super::{
    reach::{FEWEST, Reach},
    track::{Page, Track},
    want::{EPOCH, Gap, Toward, Want, buckets},
    which::Which,
};
use crate::{
    cache::{Entry, Loaded, Source, Stamp},
    config::Policy,
    exchange::{Asked, CandleHistory},
    market::{Candle, CandleQuery, Restated, Span, UnixMs},
    service::{Key, ServiceError, Shelf, Value, span::fetch_size},
    store::{Held, SeriesId, Take},
    tasks::Tasks,
    telemetry::{DataKind, Payer, explain},
};

impl Gap {
    /// What is kept of its near end, and when that was received.
    fn near<'a>(&self, kept: &'a Held) -> Option<&'a (Span, UnixMs)> {
        match self.toward {
            Toward::Later => kept.known.at(self.span.from),
            Toward::Earlier => kept.known.before(self.span.to),
        }
    }
}

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

    /// What the exchange tells of a series.
    pub(super) fn reach(&self, which: &Which) -> Reach<'_> {
        Reach::new(self.shelf.exchange.profile(), which.timeframe)
    }

    /// What is held, whatever its age.
    pub(super) fn held(&self, which: &Which) -> Option<Arc<Entry<Value>>> {
        self.shelf.cache.peek(&self.key(which))
    }

    /// True if no candle of the series was ever seen.
    pub(super) fn is_blank(&self, which: &Which) -> bool {
        let held = self.held(which);
        let track = held.as_ref().and_then(|entry| entry.value.track());
        track.is_none_or(Track::is_blank)
    }

    /// True if candles are known that open in `span`.
    pub(super) fn has_rows(&self, which: &Which, span: Span) -> bool {
        let held = self.held(which);
        let track = held.as_ref().and_then(|entry| entry.value.track());
        track.is_some_and(|track| track.bars.rows(span).next().is_some())
    }

    /// One request for what `query` makes of the time at which it is sent, and that time: what the
    /// exchange answered is no older.
    pub(super) async fn call(
        &self,
        query: impl Fn(UnixMs) -> CandleQuery,
        payer: Payer,
        deadline: Instant,
    ) -> Result<(UnixMs, Vec<Candle>), ServiceError> {
        let shelf = &self.shelf;
        let call = || {
            let sent = shelf.clock.now();
            let query = query(sent);
            async move { Ok((sent, shelf.exchange.candles(&query).await?)) }
        };
        let charge = shelf.charge(Asked::Candles { limit: query(shelf.clock.now()).limit });
        Ok(shelf.upstream.call(charge, payer, deadline, call).await?)
    }

    /// Fetches the newest candles in one request: those that are missing behind the ones held,
    /// and as many more as `want` needs and are not held.
    pub(super) async fn newest(
        &self,
        which: &Which,
        want: &Want,
        payer: Payer,
        deadline: Instant,
    ) -> Result<Loaded<Value>, ServiceError> {
        let mut held = self.held(which);
        let is_cold = |entry: &Entry<Value>| {
            entry.value.track().is_none_or(|track| track.known_to().is_none())
        };
        if held.as_ref().is_none_or(|entry| is_cold(entry)) {
            held = self.recall_newest(which, want).await.or(held);
        }
        let track = held.as_ref().and_then(|entry| entry.value.track());
        let limit = self.size(track, want);
        let (timeframe, reach) = (which.timeframe, self.reach(which));
        let query = |sent: UnixMs| CandleQuery {
            market: which.market.clone(),
            timeframe,
            limit,
            since: None,
            // Of a query that ends somewhere it is known where it begins.
            until: reach.is_by_buckets().then(|| timeframe.start_of(sent)),
        };
        let (sent, rows) = self.call(query, payer, deadline).await?;
        let from = match reach.is_by_buckets() {
            true => reach.of_query(&query(sent)).from.max(EPOCH),
            false => self.first_told(which, limit, &rows, sent),
        };
        let is_blank = self.is_blank(which);
        let told = Span::new(from, sent);
        if rows.is_empty() && !is_blank && (!reach.is_by_buckets() || self.has_rows(which, told)) {
            let text = "no candles, where there were some".to_owned();
            return Err(ServiceError::Invalid(text));
        }
        let is_nothing = rows.is_empty() && is_blank;
        let page = Page::newest(timeframe, from, rows, sent);
        self.told(which, track, &page);
        let mark = self.mark(Source::Rest, Instant::now());
        let track = Track::newest(page, mark).of_pages(reach.is_by_buckets());
        Ok(self.shelf.loaded_unless_empty(is_nothing, DataKind::Ohlcv, Value::Candles(track)))
    }

    /// The first opening time that the newest rows tell about. Fewer than asked for are all there
    /// are, unless there were earlier ones, or they begin where the exchange tells no more.
    fn first_told(&self, which: &Which, limit: u32, rows: &[Candle], sent: UnixMs) -> UnixMs {
        let Some(first) = rows.first().map(|row| row.open_time) else { return EPOCH };
        let is_short = rows.len() < usize::try_from(limit).unwrap_or(usize::MAX);
        // It may count the open one or not.
        let margin = which.timeframe.fixed().unwrap_or_default() * 2;
        let begin = self.reach(which).begin(sent);
        let is_within = begin.is_none_or(|begin| begin + margin < first);
        let is_first = !self.has_rows(which, Span::new(EPOCH, first));
        if is_short && is_within && is_first { EPOCH } else { first }
    }

    /// How many rows the request for the newest ones asks for.
    pub(super) fn size(&self, track: Option<&Track>, want: &Want) -> u32 {
        let profile = self.shelf.exchange.profile();
        let (most, timeframe) = (profile.max_candles, want.timeframe);
        let needed = match want.from {
            Some(from) => buckets(timeframe, from, want.to),
            None => want.limit,
        };
        let needed = u32::try_from(needed).unwrap_or(u32::MAX);
        let whole = match profile.candle_history {
            CandleHistory::Whole => fetch_size(needed.min(most), most),
            // Every answer has them all.
            CandleHistory::Newest(_) => most,
        };
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
    pub(super) fn past(&self, which: &Which, page: &Page) -> Arc<Entry<Value>> {
        let held = self.held(which);
        self.told(which, held.as_ref().and_then(|entry| entry.value.track()), page);
        self.put(which, page, self.mark(Source::Rest, Instant::now()))
    }

    /// The near end of a gap from disk. Gives what is held then; `None` if it is not there.
    pub(super) async fn recall(&self, which: &Which, gap: &Gap) -> Option<Arc<Entry<Value>>> {
        if !self.shelf.store.is_on() {
            return None;
        }
        let count = gap.count.max(FEWEST);
        let take = match gap.toward {
            Toward::Later => Take::First(count),
            Toward::Earlier => Take::Last(count),
        };
        let kept = self.shelf.store.read(&self.series(which), gap.span, take).await;
        let near = gap.near(&kept);
        explain::looked_on_disk(near.is_some());
        let (known, received_at) = near?;
        self.recalled(which, *known, *received_at, &kept)
    }

    /// Whether the near end of a gap is on disk; `None` if there is no disk.
    pub(super) async fn is_on_disk(&self, which: &Which, gap: &Gap) -> Option<bool> {
        if !self.shelf.store.is_on() {
            return None;
        }
        let take = match gap.toward {
            Toward::Later => Take::First(1),
            Toward::Earlier => Take::Last(1),
        };
        let kept = self.shelf.store.read(&self.series(which), gap.span, take).await;
        Some(gap.near(&kept).is_some())
    }

    /// The newest candles on disk that `want` may need.
    async fn recall_newest(&self, which: &Which, want: &Want) -> Option<Arc<Entry<Value>>> {
        if !self.shelf.store.is_on() {
            return None;
        }
        let span = Span::new(want.from.unwrap_or(EPOCH), want.past);
        let take = Take::Last(want.limit.max(FEWEST));
        let kept = self.shelf.store.read(&self.series(which), span, take).await;
        let newest = kept.known.spans().last();
        explain::looked_on_disk(newest.is_some());
        let (known, received_at) = newest?;
        self.recalled(which, *known, *received_at, &kept)
    }

    fn recalled(
        &self,
        which: &Which,
        known: Span,
        received_at: UnixMs,
        kept: &Held,
    ) -> Option<Arc<Entry<Value>>> {
        let age = self.shelf.clock.now().since(received_at);
        let received = Instant::now().checked_sub(age)?;
        let rows = kept.bars.iter().filter(|row| known.contains(row.open_time));
        let page = Page { from: known.from, settled: known.to, rows: rows.cloned().collect() };
        Some(self.put(which, &page, self.mark(Source::Store, received)))
    }

    fn series(&self, which: &Which) -> SeriesId {
        SeriesId {
            exchange: self.shelf.name(),
            market: which.market.id.clone(),
            symbol: which.market.symbol.clone(),
            timeframe: which.timeframe,
        }
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
            let track = track.with_past(span, finals, mark);
            (Value::Candles(track.of_pages(self.reach(which).is_by_buckets())), is_other)
        })
    }

    /// Notes which final candles of `page` are not what was held, and leaves to later processes
    /// what is new.
    pub(in crate::service) fn told(&self, which: &Which, held: Option<&Track>, page: &Page) {
        let (span, finals) = (page.span(), page.finals());
        let restated = held.map(|track| track.restated(span, finals)).unwrap_or_default();
        if let Some(Restated { before, now }) = restated.first() {
            let (market, timeframe, count) =
                (&which.market.symbol, which.timeframe, restated.len());
            tracing::warn!(%market, %timeframe, count, ?before, ?now, "final candles were restated");
        }
        self.shelf.candles.restated(restated.len());
        // That there is nothing is not kept as long as nothing has been seen at all.
        if !self.shelf.store.is_on() || finals.is_empty() && held.is_none_or(Track::is_blank) {
            return;
        }
        let known = held.map(|track| track.bars.coverage());
        let new = match known {
            Some(known) if restated.is_empty() => known.missing(&span),
            _ => vec![span],
        };
        for span in new.into_iter().filter(|span| !span.is_empty()) {
            let rows = finals.iter().filter(|row| span.contains(row.open_time)).cloned().collect();
            self.shelf.store.keep_later(&self.series(which), span, self.shelf.clock.now(), rows);
        }
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
