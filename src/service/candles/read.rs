//! One request for candles on its way.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    CandleSeries, Candles, Rest, Track, Which,
    fill::Filled,
    reach::Reach,
    track::{Found, Selection},
    want::{CLOSE_GRACE, Gap, Toward, Want},
};
use crate::{
    cache::{Ask, Entry, Source, Stamp, Verdict},
    config::Policy,
    market::{Span, UnixMs},
    service::{ServiceError, Value},
    telemetry::{CacheOutcome, DataKind, Wait, explain::Note},
};

/// More gaps than this are not filled for one request.
const MAX_FILLS: usize = 64;

/// What is held of the wanted candles, and how it was come by.
pub(super) struct Reading<'a> {
    series: &'a CandleSeries,
    which: &'a Which,
    want: Want,
    at: UnixMs,
    ask: Ask,
    entry: Option<Arc<Entry<Value>>>,
    outcome: CacheOutcome,
    /// Gaps that were filled so far.
    fills: usize,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        series: &'a CandleSeries,
        which: &'a Which,
        want: Want,
        at: UnixMs,
        ask: Ask,
    ) -> Self {
        let (entry, outcome) = (series.learner.held(which), CacheOutcome::Hit);
        Self { series, which, want, at, ask, entry, outcome, fills: 0 }
    }

    /// The candles: what is held of them, and what is missing fetched.
    pub(super) async fn run(mut self) -> Result<Candles, ServiceError> {
        // Where nothing can be meant, the newest ones tell so: it is not to spend a call of its own.
        if self.want.head || self.want.is_void() {
            self.read_head().await?;
        }
        if self.want.is_void() {
            let stamp = self.stamp().ok_or(ServiceError::Internal)?;
            let settled = self.want.to;
            let none = Selection { rows: Vec::new(), finals: 0, settled, mark: None, rest: None };
            return Ok(self.answer(none, stamp));
        }
        for fills in 0..MAX_FILLS {
            self.fills = fills;
            let empty = Track::default();
            let track = self.entry.as_ref().and_then(|entry| entry.value.track());
            match track.unwrap_or(&empty).select(&self.want) {
                Found::Headless => self.read_head().await?,
                Found::Missing(gap, so_far) => {
                    if let Some(candles) = self.fill(gap, so_far).await? {
                        return Ok(candles);
                    }
                }
                Found::Rows(rows) if self.want.head => {
                    let stamp = self.stamp().ok_or(ServiceError::Internal)?;
                    return Ok(self.answer(rows, stamp));
                }
                Found::Rows(rows) if self.want.is_past(rows.rows.len()) => {
                    return self.finals(rows).await;
                }
                Found::Rows(_) => {
                    self.want = self.want.with_head();
                    self.read_head().await?;
                }
            }
        }
        Err(ServiceError::Internal)
    }

    fn stamp(&self) -> Option<Arc<Stamp>> {
        self.entry.as_ref().map(|entry| entry.stamp.clone())
    }

    async fn read_head(&mut self) -> Result<(), ServiceError> {
        let enough = |track: &Track| track.head.is_some();
        let read = self.series.head(self.which, &self.want, self.ask, enough).await?;
        (self.entry, self.outcome) = (Some(read.entry), read.outcome);
        Ok(())
    }

    /// Fills a gap, or gives what can be given without.
    async fn fill(&mut self, gap: Gap, so_far: Selection) -> Result<Option<Candles>, ServiceError> {
        let learner = &self.series.learner;
        let reach = self.reach();
        if reach.is_quiet(&self.want, &gap, &so_far) || self.fills + 1 == MAX_FILLS {
            return Ok(Some(self.part(so_far)));
        }
        if self.ask.demand.only_if_cached {
            // What is on disk is held as well.
            let kept = learner.recall(self.which, &gap).await;
            self.entry = Some(kept.ok_or(ServiceError::NotCached)?);
            return Ok(None);
        }
        let now = learner.shelf.clock.now();
        let Some(gap) = reach.within(gap, now) else {
            // What the exchange does not tell any more may have been kept when it did.
            return match learner.recall(self.which, &gap).await {
                Some(kept) => {
                    self.entry = Some(kept);
                    Ok(None)
                }
                None if so_far.rows.is_empty() => Err(reach.refusal(now)),
                None => Ok(Some(self.part(so_far))),
            };
        };
        match self.series.fills.fill(learner, self.which, gap, self.ask).await {
            Ok((Filled::Held(entry), is_own)) => {
                self.entry = Some(entry);
                self.outcome = if is_own { CacheOutcome::Miss } else { CacheOutcome::Collapsed };
            }
            Ok((Filled::Nothing, _)) => {
                let stamp = self.series.doubtful();
                return Ok(Some(self.answer(Selection { rest: None, ..so_far }, stamp)));
            }
            Err(_) if self.is_long() && !so_far.rows.is_empty() => {
                return Ok(Some(self.part(so_far)));
            }
            Err(error) => return Err(error),
        }
        // Who wants more than one request brings waits behind those who do not.
        if self.is_long() {
            self.ask.payer.class = Wait::Background;
        }
        Ok(None)
    }

    /// True if more is wanted than one request brings: a part of it is better than none. Where few
    /// rows are in a page, this is seen on the way.
    fn is_long(&self) -> bool {
        let reach = self.reach();
        self.want.limit > reach.most() || reach.is_by_buckets() && self.fills > 0
    }

    fn reach(&self) -> Reach<'a> {
        self.series.learner.reach(self.which)
    }

    /// What is there, as an answer.
    fn part(&self, so_far: Selection) -> Candles {
        let stamp = if self.want.head { self.stamp() } else { so_far.mark.clone() };
        let stamp = stamp.unwrap_or_else(|| self.series.doubtful());
        self.answer(so_far, stamp)
    }

    /// An answer of final candles only. Who demands younger ones gets them fetched anew.
    async fn finals(self, rows: Selection) -> Result<Candles, ServiceError> {
        let series = self.series;
        // Who wants the newest ones of these would be served by the series' channel, too.
        if let Some(entry) = self.entry.as_ref().filter(|_| self.want.grows) {
            entry.stamp.hit();
            entry.stamp.hit_by(self.ask.payer.client, Instant::now());
        }
        let stamp = series.stamp_of(&rows, &self.want, self.at);
        let cache = &series.learner.shelf.cache;
        if self.ask.demand.judge(stamp.age(Instant::now()), &stamp.policy) != Verdict::Unusable {
            cache.looked_up(DataKind::History, self.outcome);
            // What had to be fetched for them has been noted.
            if self.outcome == CacheOutcome::Hit {
                let mut note = Note::begin(&series.learner.key(self.which), DataKind::History);
                note.decides(|| stamp.reason(&self.ask.demand, Instant::now()));
                note.gives(self.outcome, || stamp.facts(Instant::now()));
            }
            return Ok(self.answer(rows, stamp));
        }
        if self.ask.demand.is_unmeetable(&stamp.policy) {
            return Err(ServiceError::Unmeetable);
        }
        if self.ask.demand.only_if_cached {
            return Err(ServiceError::NotCached);
        }
        let first = rows.rows.first().map(|row| row.open_time);
        let from = self.want.from.or(first).unwrap_or(self.want.to);
        let (reach, count) = (self.reach(), self.want.limit);
        let pages = reach.pages(Span::new(from, self.want.past));
        if pages.len() > MAX_FILLS {
            return Err(ServiceError::DeadlineExceeded);
        }
        let mut newest = None;
        for span in pages {
            let gap = Gap { span, toward: Toward::Later, count, anew: true };
            let now = series.learner.shelf.clock.now();
            let gap = reach.within(gap, now).ok_or_else(|| reach.refusal(now))?;
            let (filled, _) = series.fills.fill(&series.learner, self.which, gap, self.ask).await?;
            let Filled::Held(entry) = filled else { return Err(ServiceError::Internal) };
            newest = Some(entry);
        }
        let entry = newest.ok_or(ServiceError::Internal)?;
        let track = entry.value.track().ok_or(ServiceError::Internal)?;
        let Found::Rows(rows) = track.select(&self.want) else {
            return Err(ServiceError::Internal);
        };
        let mark = series.learner.mark(Source::Rest, Instant::now());
        let rows = Selection { mark: Some(mark), ..rows };
        let stamp = series.stamp_of(&rows, &self.want, self.at);
        cache.looked_up(DataKind::History, CacheOutcome::Expired);
        Ok(Self { outcome: CacheOutcome::Expired, ..self }.answer(rows, stamp))
    }

    fn answer(&self, selection: Selection, stamp: Arc<Stamp>) -> Candles {
        Candles::of(&self.want, selection, stamp, self.outcome)
    }
}

impl Candles {
    pub(super) fn of(
        want: &Want,
        selection: Selection,
        stamp: Arc<Stamp>,
        outcome: CacheOutcome,
    ) -> Self {
        let Selection { rows, finals, settled, rest, .. } = selection;
        let rest = rest.map(|rest| match want.from {
            Some(_) => Rest::Since(rest),
            None => Rest::Until(UnixMs::from_millis(rest.millis() - 1)),
        });
        Self { rows, finals, settled, stamp, outcome, rest, derived: None }
    }
}

impl CandleSeries {
    /// The receipt of an answer of final candles only, which is good for a while from now on, or
    /// until the next one belongs to it.
    pub(super) fn stamp_of(&self, rows: &Selection, want: &Want, at: UnixMs) -> Arc<Stamp> {
        let Some(mark) = &rows.mark else { return self.doubtful() };
        let age = mark.age(Instant::now());
        if !want.grows && age < mark.policy.ttl {
            return mark.clone();
        }
        let next = want.timeframe.end_of(want.past) + CLOSE_GRACE;
        let change = want.grows.then(|| next.since(at));
        Arc::new(mark.under(self.learner.lasting(age, change)))
    }

    /// That there is nothing is believed for a moment.
    fn doubtful(&self) -> Arc<Stamp> {
        let shelf = &self.learner.shelf;
        let policy = shelf.policy(DataKind::History);
        let ttl = policy.negative_ttl;
        let policy = Policy { ttl, stale_while_revalidate: ttl, stale_if_error: ttl, ..policy };
        let (now, at) = (Instant::now(), shelf.clock.now());
        Arc::new(Stamp::new(now, at, Source::Rest, DataKind::History, policy))
    }
}
