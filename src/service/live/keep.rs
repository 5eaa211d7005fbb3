//! Entries of the cache that a channel keeps up to date.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    sink::{LiveSink, Place, is_kept},
    tail::Held,
    topics::{Content, State},
};
use crate::{
    cache::{Ask, Demand, Entry, Loaded, Source},
    exchange::{Data, EmptyBuckets, Stream, Topic},
    feed::Line,
    market::{Candle, Span, Ticker, Timeframe, Trade, UnixMs},
    service::{
        CandleView, Key, Series, Track, Value,
        candles::{Page, Which},
    },
    telemetry::{DataKind, Wait},
};

/// More candles of the past than this are not told one by one.
const QUIET_AT_ONCE: usize = 8;

/// What a channel of candles has just told.
#[derive(Clone, Copy)]
pub(super) enum News<'a> {
    /// All that it knows.
    Snapshot,
    /// One candle, which may be a late change of an earlier one.
    Candle(&'a Candle),
    /// That nothing has changed.
    Nothing,
}

impl LiveSink {
    /// Keeps the ticker as the channel told it last.
    pub(super) fn keep_ticker(&self, state: &mut State, place: Place) {
        let Content::Ticker(ticker) = &state.content else { return };
        let ticker = Ticker::clone(ticker);
        self.keep(state, &place, |_| Some(Value::Ticker(ticker)));
    }

    /// Keeps the line's book, which is known to be right as it stands.
    pub(super) fn keep_book(&self, state: &mut State, place: Place, line: Option<&Line>) {
        state.content = Content::Book { is_verified: true };
        let book = line.and_then(Line::book);
        // An empty book is not believed when it is fetched either.
        let book = book.filter(|book| !(book.bids.is_empty() && book.asks.is_empty()));
        if let Some(book) = book {
            self.keep(state, &place, |_| Some(Value::Book(book)));
        }
    }

    /// Keeps the channel's trades behind those that are held, if nothing is missing in between.
    pub(super) fn keep_trades(&self, state: &mut State, place: Place) {
        let Content::Trades(tail) = &state.content else { return };
        if tail.rows().is_empty() {
            return;
        }
        let (tail, most) = (tail.clone(), self.shelf.exchange.profile().max_trades);
        self.keep(state, &place, |held| {
            let held = held.and_then(|entry| held_trades(entry));
            Some(Value::Trades(match held {
                Some(held) if held.meets(&tail) => tail.after(&held, most),
                held => tail.alone(held.map_or(0, |held| held.depth()), most),
            }))
        });
    }

    /// Takes the channel's candles into their series: all of them after a snapshot, else those
    /// that are not known to be final, and `changed`. Tells what may be missing before them.
    ///
    /// A channel says nothing of a bucket without a trade. Where the exchange fills those, its
    /// candle is not known before the exchange has been asked: until then the series is as old as
    /// it is, and who reads it has it fetched.
    pub(super) fn keep_candles(
        &self,
        state: &mut State,
        topic: &Arc<Topic>,
        (place, line): (&Place, Option<&Line>),
        news: News<'_>,
    ) -> Option<Span> {
        let (Content::Candles(tail), Stream::Candles(timeframe)) = (&state.content, &topic.stream)
        else {
            return None;
        };
        let (tail, timeframe) = (tail.clone(), *timeframe);
        let first = tail.rows().first()?.open_time;
        let market = self.market(topic)?;
        let (which, seen) = (Which { market, timeframe }, self.wall(place.at));
        let learner = self.candles.learner();
        let mark = learner.mark(Source::Stream, place.at);
        let is_filled = self.shelf.exchange.profile().empty_buckets == EmptyBuckets::Filled;
        let (mut hole, mut quiet, mut is_whole) = (None, Vec::new(), true);
        self.keep(state, place, |entry| {
            let held = entry.and_then(|entry| entry.value.track());
            let open = held.and_then(|track| track.head.as_ref()).map(|head| head.from);
            // Where the series and the channel overlap, what was final before stays as it is.
            let mut from = match (open.filter(|open| *open >= first), news) {
                (None, _) | (_, News::Snapshot) => first,
                (Some(open), News::Nothing) => open,
                (Some(open), News::Candle(candle)) => open.min(candle.open_time).max(first),
            };
            let rows = tail.rows().iter().filter(|row| row.open_time >= from);
            let mut rows: Vec<Candle> = rows.cloned().collect();
            if is_filled {
                let blank = Track::default();
                let track = held.unwrap_or(&blank);
                quiet = track.besides(first, tail.rows());
                rows.extend(quiet.iter().filter(|row| row.open_time >= from).cloned());
                rows.sort_by_key(|row| row.open_time);
                let end = Page::newest(timeframe, from, rows.clone(), seen).settled;
                let start = track.whole_from(timeframe, (from, end), &rows);
                let meets = |start: &UnixMs| *start == from || open.is_none_or(|it| *start <= it);
                is_whole = start.as_ref().is_some_and(meets);
                from = start.filter(|_| is_whole)?;
                rows.retain(|row| row.open_time >= from);
            }
            let page = Page::newest(timeframe, from, rows, seen);
            let known_to = held.and_then(Track::known_to);
            hole = known_to.map(|known_to| Span::new(known_to, from)).filter(|gap| !gap.is_empty());
            learner.told(&which, held, &page);
            let track = held.cloned().unwrap_or_default();
            Some(Value::Candles(track.with_newest(page, mark)))
        });
        learner.release();
        self.tell_quiet(state, line, &quiet, place.at);
        if !is_whole {
            self.unkeep(state, &place.key, place.kind);
            if line.is_some_and(|line| line.followers() > 0) && place.at >= state.poll_due {
                state.poll_due = place.at + self.shelf.policy(place.kind).ttl;
                self.ask_for_quiet(topic, timeframe);
            }
        }
        hole
    }

    /// Candles of buckets without a trade, of which only the exchange's answers tell.
    fn tell_quiet(&self, state: &mut State, line: Option<&Line>, quiet: &[Candle], at: Instant) {
        let Content::Candles(tail) = &mut state.content else { return };
        if let Some(line) = line.filter(|_| quiet.len() > QUIET_AT_ONCE) {
            line.fill(quiet, at);
        }
        for candle in quiet {
            tail.take(candle);
            if let Some(line) = line {
                line.data(&Data::Candle(candle.clone()), at);
            }
        }
    }

    /// Has the newest candles fetched for those who follow them.
    fn ask_for_quiet(&self, topic: &Arc<Topic>, timeframe: Timeframe) {
        let Some(market) = self.market(topic) else { return };
        let (sink, topic) = (self.clone(), topic.clone());
        self.tasks.spawn_until_stop("quiet candles", async move {
            let (since, until, closed_only) = (None, None, false);
            let view = CandleView { timeframe, limit: 2, since, until, closed_only };
            let demand = Demand { max_age: Some(Duration::ZERO), ..Demand::default() };
            let ask = Ask::by(Instant::now() + sink.refresh_deadline);
            let ask = Ask { demand, payer: Wait::Refresh.into(), ..ask };
            if let Err(error) = sink.candles.get(&market, view, ask).await {
                tracing::debug!(%topic, %error, "candles without a trade were not fetched");
            }
        });
    }

    /// What was put last is from now on as old as it is, and under the policy of what was fetched.
    fn unkeep(&self, state: &mut State, key: &Key, kind: DataKind) {
        if state.kept.is_none() {
            return;
        }
        let policy = self.shelf.policy(kind);
        self.shelf.cache.restamp(key.clone(), |stamp| {
            is_kept(state, stamp).then(|| (policy, stamp.known_at()))
        });
        state.kept = None;
    }

    /// Puts what `make` makes of what is held, unless that is newer.
    pub(super) fn keep(
        &self,
        state: &mut State,
        place: &Place,
        make: impl FnOnce(Option<&Arc<Entry<Value>>>) -> Option<Value>,
    ) {
        let (kind, policy) = (place.kind, self.policy(place.kind));
        let mut is_made = false;
        let entry = self.shelf.cache.revise(place.key.clone(), place.at, |held| {
            let is_newer = held.is_some_and(|held| held.stamp.received > place.at);
            let value = if is_newer { None } else { make(held) }?;
            is_made = true;
            Some(Loaded { value, kind, policy, source: Source::Stream })
        });
        let entry = entry.filter(|entry| is_made || is_kept(state, &entry.stamp));
        state.kept = entry.map(|entry| entry.stamp.clone());
    }
}

fn held_trades(entry: &Entry<Value>) -> Option<Held<'_, Trade>> {
    match &*entry.value {
        Value::Trades(series) => held(entry, series),
        _ => None,
    }
}

/// A series without rows tells nothing but how many are wanted, which has been forgotten soon
/// enough.
fn held<'a, T>(entry: &Entry<Value>, series: &'a Series<T>) -> Option<Held<'a, T>> {
    let is_fetched = entry.stamp.source == Source::Rest;
    (!series.rows.is_empty()).then_some(Held { series, is_fetched })
}
