//! What a channel brings, into the line of its topic and into the cache.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::time::Instant;

use super::{
    gather,
    keep::News,
    tail::Tail,
    topics::{self, Content, Phase, Shared, State, Topics},
};
use crate::{
    cache::Stamp,
    config::Policy,
    exchange::{Data, Report, Stream, Topic},
    feed::{Hub, Lapse, Line, Mode, Sink, Turn},
    market::{Book, Candle, Identity, Listing, Span, UnixMs},
    service::{
        CandleSeries, Key, Markets, Shelf,
        candles::{first_open, is_closed},
    },
    tasks::Tasks,
    telemetry::DataKind,
};

/// A topic that is not live for this long is asked for instead.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Feeds the lines of an exchange's topics, and the entries that clients read, from its channels.
///
/// An entry's age counts from when its value was last known to be true: data and, where nothing
/// has changed since, heartbeats. The exchange sends heartbeats where it would also send data, but
/// tickers only every ten to fifteen seconds however often they change
/// (docs.bitfinex.com/reference/ws-public-ticker, 2025-11): of a ticker a heartbeat says nothing,
/// nor does the life of a connection whose exchange tells tickers at trades. What a session calls
/// sound ([`Turn::Sound`]) is true, be it a ticker.
#[derive(Clone)]
pub(super) struct LiveSink {
    pub(super) shelf: Arc<Shelf>,
    pub(super) hub: Hub,
    pub(super) topics: Topics,
    pub(super) tasks: Tasks,
    pub(super) refresh_deadline: Duration,
    pub(super) candles: CandleSeries,
    markets: Markets,
    max_silence: Duration,
}

impl Sink for LiveSink {
    fn data(&self, topic: &Arc<Topic>, data: &Data, received: Instant) {
        let shared = self.topics.of(topic);
        let mut state = topics::lock(&shared);
        match state.phase {
            Phase::Shut => return,
            Phase::Opened | Phase::Live if gather::is_silent(data) => {
                return self.gather(&shared, &mut state, topic, data);
            }
            Phase::Live if self.leaves_out(&state, data) => {
                return self.close_hole(&shared, &mut state, topic, data, received);
            }
            Phase::Gathering if !gather::is_snapshot(data) => {
                return gather::note(&mut state, data);
            }
            Phase::Gathering => state.phase = Phase::Opened,
            Phase::Opened | Phase::Live => {}
        }
        self.take(&mut state, topic, data, received);
    }

    fn turn(&self, topic: &Arc<Topic>, turn: &Turn, now: Instant) {
        let state = self.topics.of(topic);
        match turn {
            Turn::Opened => {
                let mut state = topics::lock(&state);
                self.leave(&mut state, topic, false, now);
                state.phase = Phase::Opened;
                state.openings += 1;
            }
            Turn::Confirmed => self.confirmed(&state, topic, now),
            Turn::Checked(checksum) => self.proven(&state, topic, Some(*checksum), now),
            Turn::Sound => self.proven(&state, topic, None, now),
            Turn::Lapsed(lapse) => self.shut(&state, topic, Mode::Stale(*lapse), now),
            Turn::Refused(_) => self.shut(&state, topic, Mode::Stale(Lapse::Refused), now),
            Turn::Closed => self.shut(&state, topic, Mode::Starting, now),
        }
    }

    fn fetch_book(&self, topic: &Arc<Topic>, depth: u32) -> BoxFuture<'static, Option<Book>> {
        self.clone().book(topic.clone(), depth).boxed()
    }
}

/// Where a value goes, and when it was known to be true.
pub(super) struct Place {
    pub(super) key: Key,
    pub(super) kind: DataKind,
    pub(super) at: Instant,
}

impl LiveSink {
    /// Takes what an open channel brings.
    pub(super) fn take(
        &self,
        state: &mut State,
        topic: &Arc<Topic>,
        data: &Data,
        received: Instant,
    ) {
        let line = self.line(topic);
        if state.phase == Phase::Opened {
            state.phase = Phase::Live;
            if let Some(line) = &line {
                line.feed_by(Mode::Live, received);
            }
        }
        let is_behind_gap = line.as_ref().is_some_and(|line| line.data(data, received));
        state.told = Some(received);
        let Some((key, kind)) = self.key(topic) else { return };
        let entry = Place { key, kind, at: received };
        match data {
            Data::Ticker(ticker) => {
                state.content = Content::Ticker(Arc::new(ticker.clone()));
                self.keep_ticker(state, entry);
            }
            Data::Book(_) => self.keep_book(state, entry, line.as_deref()),
            Data::Levels(_) => state.content = Content::Book { is_verified: false },
            Data::Trades(trades) => {
                state.content = Content::Trades(Tail::of(trades));
                self.keep_trades(state, entry);
            }
            Data::Trade(trade, report) => {
                let Content::Trades(tail) = &mut state.content else { return };
                match report {
                    Report::Executed => tail.take_late(trade),
                    Report::Confirmed => tail.take(trade),
                }
                self.keep_trades(state, entry);
            }
            Data::Candles(candles) => {
                state.content = Content::Candles(Tail::of(candles));
                let kept = (&entry, line.as_deref());
                let hole = self.keep_candles(state, topic, kept, News::Snapshot);
                self.close_candle(state, topic, line.as_deref(), received);
                if let Some(line) = line {
                    self.heal(topic, line, &entry.key, hole, is_behind_gap);
                }
            }
            Data::Candle(candle) => {
                let Content::Candles(tail) = &mut state.content else { return };
                tail.take(candle);
                let kept = (&entry, line.as_deref());
                self.keep_candles(state, topic, kept, News::Candle(candle));
                self.close_candle(state, topic, line.as_deref(), received);
            }
            Data::Row(_) => {}
        }
    }

    pub(super) fn new(
        shelf: Arc<Shelf>,
        hub: Hub,
        (markets, candles): (Markets, CandleSeries),
        (max_silence, refresh_deadline): (Duration, Duration),
        tasks: &Tasks,
    ) -> Self {
        let (topics, tasks) = (Topics::default(), tasks.clone());
        Self { shelf, hub, topics, tasks, refresh_deadline, candles, markets, max_silence }
    }

    /// The topic's line. One is made for every market's topic, since books are kept there; topics
    /// in the exchange's own terms have one only while they are followed.
    fn line(&self, topic: &Arc<Topic>) -> Option<Arc<Line>> {
        self.hub.line(topic).or_else(|| {
            if matches!(topic.stream, Stream::Native(_)) {
                return None;
            }
            let directory = self.markets.held()?;
            let market = directory.registry.by_id(&topic.id)?;
            Some(self.hub.open(topic, Some(market), Identity::Price))
        })
    }

    /// The market of a topic.
    pub(super) fn market(&self, topic: &Topic) -> Option<Arc<Listing>> {
        self.markets.held()?.registry.by_id(&topic.id).cloned()
    }

    pub(super) fn key(&self, topic: &Topic) -> Option<(Key, DataKind)> {
        let (product, kind) = topics::product(topic)?;
        Some((self.shelf.key(product), kind))
    }

    /// What is live counts as fresh for as long as its channel may be silent.
    pub(super) fn policy(&self, kind: DataKind) -> Policy {
        Policy { ttl: self.max_silence, ..self.shelf.policy(kind) }
    }

    pub(super) fn wall(&self, at: Instant) -> UnixMs {
        let ago = i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX);
        UnixMs::from_millis(self.shelf.clock.now().millis().saturating_sub(ago))
    }

    fn confirmed(&self, state: &Shared, topic: &Arc<Topic>, now: Instant) {
        let mut state = topics::lock(state);
        let Some((key, kind)) = self.key(topic).filter(|_| state.phase == Phase::Live) else {
            return;
        };
        let entry = Place { key, kind, at: now };
        let line = self.line(topic);
        match &state.content {
            Content::Nothing | Content::Ticker(_) | Content::Book { is_verified: false } => return,
            Content::Book { is_verified: true } => {
                if !self.confirm(&state, &entry) {
                    self.keep_book(&mut state, entry, line.as_deref());
                }
            }
            Content::Trades(_) => {
                if !self.confirm(&state, &entry) {
                    self.keep_trades(&mut state, entry);
                }
            }
            Content::Candles(tail) => {
                // Answers that say "not closed" are kept for as long as their stamp is the newest.
                if self.ends(tail, topic, &entry.key, now) || !self.confirm(&state, &entry) {
                    let kept = (&entry, line.as_deref());
                    self.keep_candles(&mut state, topic, kept, News::Nothing);
                }
                self.close_candle(&state, topic, line.as_deref(), now);
            }
        }
        state.told = Some(now);
    }

    /// Confirms the entry that was put last; false if another is held by now.
    fn confirm(&self, state: &State, entry: &Place) -> bool {
        let held = self.shelf.cache.peek(&entry.key);
        let kept = held.filter(|held| is_kept(state, &held.stamp));
        kept.is_some_and(|held| {
            held.stamp.confirm(entry.at);
            true
        })
    }

    /// True if a bucket that was open when the series was last put is over by now.
    fn ends(&self, tail: &Tail<Candle>, topic: &Topic, key: &Key, now: Instant) -> bool {
        let Stream::Candles(timeframe) = &topic.stream else { return false };
        let anchor = tail.rows().first().map(|row| row.open_time);
        let held = self.shelf.cache.peek(key);
        let track = held.as_ref().and_then(|entry| entry.value.track());
        let open = track.and_then(|track| track.head.as_ref()).map(|head| head.from);
        open.is_some_and(|open| first_open(*timeframe, anchor, self.wall(now)) > open)
    }

    /// Tells that the newest candle is final, if its channel has spoken after its end.
    fn close_candle(&self, state: &State, topic: &Topic, line: Option<&Line>, heard: Instant) {
        let (Content::Candles(tail), Stream::Candles(timeframe)) = (&state.content, &topic.stream)
        else {
            return;
        };
        let newest = tail.rows().last().map(|row| row.open_time);
        let ended = newest.is_some_and(|open| is_closed(*timeframe, open, self.wall(heard)));
        if let Some(line) = line.filter(|_| ended) {
            line.close_candle(heard);
        }
    }

    /// What the channel has brought is right as it stands, with the exchange's checksum or without.
    fn proven(&self, shared: &Shared, topic: &Arc<Topic>, checksum: Option<i64>, now: Instant) {
        let mut state = topics::lock(shared);
        let entry = self.key(topic).map(|(key, kind)| Place { key, kind, at: now });
        match (&state.content, entry) {
            (Content::Book { is_verified }, entry) => {
                let Some(line) = self.line(topic) else { return };
                if let Some(checksum) = checksum {
                    line.checked(checksum, now);
                }
                let Some(entry) = entry else { return };
                if !(*is_verified && self.confirm(&state, &entry)) {
                    self.keep_book(&mut state, entry, Some(&line));
                }
            }
            // Checksums are those of books.
            _ if checksum.is_some() => return,
            (Content::Ticker(_), Some(entry)) => {
                if !self.confirm(&state, &entry) {
                    self.keep_ticker(&mut state, entry);
                }
            }
            (Content::Nothing, _) | (_, None) => return,
            (Content::Trades(_) | Content::Candles(_), Some(_)) => {
                drop(state);
                return self.confirmed(shared, topic, now);
            }
        }
        state.told = Some(now);
    }

    fn shut(&self, state: &Shared, topic: &Arc<Topic>, mode: Mode, now: Instant) {
        let mut state = topics::lock(state);
        let was_live = state.phase == Phase::Live;
        let was_wrong = matches!(mode, Mode::Stale(Lapse::Checksum | Lapse::Invalid));
        self.leave(&mut state, topic, was_wrong, now);
        // What is polled stays so until polling fails too.
        let line = self.hub.line(topic);
        if let Some(line) = line.filter(|line| was_live || line.mode() != Mode::Polled) {
            line.feed_by(mode, now);
        }
    }

    /// What was live is from now on as old as it is, and under the policy of what was fetched.
    ///
    /// That its connection lived said nothing of a channel that turns out to be wrong: something
    /// may have been missing since it was put last.
    pub(super) fn leave(&self, state: &mut State, topic: &Topic, was_wrong: bool, now: Instant) {
        if state.phase == Phase::Live {
            state.shut_since = now;
            state.poll_due = now;
        }
        state.phase = Phase::Shut;
        state.content = Content::Nothing;
        let Some((key, kind)) = self.key(topic).filter(|_| state.kept.is_some()) else { return };
        let policy = self.shelf.policy(kind);
        self.shelf.cache.restamp(key, |stamp| {
            let known_at = if was_wrong { stamp.received } else { stamp.known_at() };
            is_kept(state, stamp).then_some((policy, known_at))
        });
        state.kept = None;
    }

    fn heal(
        &self,
        topic: &Arc<Topic>,
        line: Arc<Line>,
        key: &Key,
        hole: Option<Span>,
        is_behind_gap: bool,
    ) {
        match hole {
            Some(hole) => self.refill(topic, line, key, hole),
            // Those who follow the line have missed what clients had fetched meanwhile.
            None if is_behind_gap => self.fill(&line, key),
            None => {}
        }
    }
}

/// True for the stamp of the entry that was put last.
pub(super) fn is_kept(state: &State, stamp: &Arc<Stamp>) -> bool {
    state.kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, stamp))
}
