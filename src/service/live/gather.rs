//! What channels do not say: the past of those that begin without a snapshot, and the books of
//! those that tell changes only; and trades that one has left out. All are fetched, behind the clients that wait.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use super::{
    sink::LiveSink,
    tail::Tail,
    topics::{self, Content, Phase, Shared, State},
};
use crate::{
    exchange::{Asked, Data, Stream, Topic},
    feed::{Lapse, Mode},
    market::{Book, BookQuery, CandleQuery, TradeQuery},
    telemetry::Wait,
    upstream::CallError,
};

/// Candles that are fetched: as many as a follower is shown.
const CANDLES: u32 = 240;
/// Trades that are fetched.
const TRADES: u32 = 100;
/// The pause after a fetch that failed, doubled with each further one.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The least time between the first fetches for two holes of a channel.
const HOLE_PAUSE: Duration = Duration::from_secs(5);

/// True for the snapshot of a channel that says nothing of the past.
pub(super) fn is_silent(data: &Data) -> bool {
    match data {
        Data::Trades(trades) => trades.is_empty(),
        Data::Candles(candles) => candles.is_empty(),
        _ => false,
    }
}

/// True for data in place of all that was known, if they tell anything.
pub(super) fn is_snapshot(data: &Data) -> bool {
    matches!(data, Data::Trades(_) | Data::Candles(_)) && !is_silent(data)
}

/// Notes what a channel brings whose past is not known yet.
pub(super) fn note(state: &mut State, data: &Data) {
    match (&mut state.content, data) {
        (Content::Trades(tail), Data::Trade(trade, _)) => tail.take_late(trade),
        (Content::Candles(tail), Data::Candle(candle)) => tail.take(candle),
        _ => {}
    }
}

impl LiveSink {
    /// A channel has begun that says nothing of the past. It is live once that has been fetched;
    /// what it brings until then is not lost.
    pub(super) fn gather(
        &self,
        shared: &Shared,
        state: &mut State,
        topic: &Arc<Topic>,
        data: &Data,
    ) {
        // It has begun already.
        if state.phase == Phase::Live {
            return;
        }
        let content = match data {
            Data::Candles(_) => Content::Candles(Tail::of(&[])),
            _ => Content::Trades(Tail::of(&[])),
        };
        self.fetch_past(shared, state, topic, content, Instant::now());
    }

    /// True if a live channel has left out trades before this one.
    pub(super) fn leaves_out(&self, state: &State, data: &Data) -> bool {
        let (Content::Trades(tail), Data::Trade(trade, _)) = (&state.content, data) else {
            return false;
        };
        self.shelf.exchange.profile().trade_ids_are_consecutive && tail.lacks_before(trade)
    }

    /// A live channel has left out trades before what it brings now. The topic is live again once
    /// the exchange has told them, or that there are none.
    pub(super) fn close_hole(
        &self,
        shared: &Shared,
        state: &mut State,
        topic: &Arc<Topic>,
        data: &Data,
        now: Instant,
    ) {
        tracing::debug!(%topic, "its channel has left out trades");
        self.leave(state, topic, true, now);
        if let Some(line) = self.hub.line(topic) {
            line.feed_by(Mode::Stale(Lapse::Lost), now);
        }
        let due = state.hole_due.max(now);
        state.hole_due = due + HOLE_PAUSE;
        self.fetch_past(shared, state, topic, Content::Trades(Tail::of(&[])), due);
        note(state, data);
    }

    /// Fetches, not before `due`, what was before that with which `content` begins.
    fn fetch_past(
        &self,
        shared: &Shared,
        state: &mut State,
        topic: &Arc<Topic>,
        content: Content,
        due: Instant,
    ) {
        state.phase = Phase::Gathering;
        state.content = content;
        let (sink, shared, topic, opening) =
            (self.clone(), shared.clone(), topic.clone(), state.openings);
        self.tasks.spawn_until_stop("live history", async move {
            sleep_until(due).await;
            let mut pause = PAUSE_MIN;
            loop {
                let newest = sink.newest(&topic).await;
                if sink.join(&shared, &topic, opening, newest.as_ref()) {
                    return;
                }
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        });
    }

    /// The newest rows of a topic, asked for anew: any that were asked for before its channel was
    /// open might end before it begins.
    async fn newest(&self, topic: &Arc<Topic>) -> Option<Data> {
        let (market, shelf) = (self.market(topic)?, &self.shelf);
        let deadline = Instant::now() + self.refresh_deadline;
        let (since, until) = (None, None);
        let newest = match topic.stream {
            Stream::Trades => {
                let query = TradeQuery { market, limit: TRADES, since, until };
                let call = || shelf.exchange.trades(&query);
                let charge = shelf.charge(Asked::Trades { limit: TRADES });
                let rows = shelf.upstream.call(charge, Wait::Refresh, deadline, call).await;
                rows.map(Data::Trades)
            }
            Stream::Candles(timeframe) => {
                let query = CandleQuery { market, timeframe, limit: CANDLES, since, until };
                let call = || shelf.exchange.candles(&query);
                let charge = shelf.charge(Asked::Candles { limit: CANDLES });
                let rows = shelf.upstream.call(charge, Wait::Refresh, deadline, call).await;
                rows.map(Data::Candles)
            }
            _ => return None,
        };
        newest.inspect_err(|error| not_fetched(topic, error)).ok()
    }

    /// Joins what was fetched with what came meanwhile, if nothing is missing in between; the topic
    /// is live then. True if that is done, or there is nothing to be done any more.
    fn join(
        &self,
        shared: &Shared,
        topic: &Arc<Topic>,
        opening: u64,
        newest: Option<&Data>,
    ) -> bool {
        let mut state = topics::lock(shared);
        if state.phase != Phase::Gathering || state.openings != opening {
            return true;
        }
        let snapshot = match (&state.content, newest) {
            (Content::Trades(tail), Some(Data::Trades(rows))) => {
                let is_counted = self.shelf.exchange.profile().trade_ids_are_consecutive;
                let joined =
                    if is_counted { tail.behind_all(rows) } else { Some(tail.behind(rows)) };
                let Some(joined) = joined else {
                    tracing::debug!(%topic, "what was fetched ends before what its channel brings");
                    return false;
                };
                Data::Trades(joined)
            }
            (Content::Candles(tail), Some(Data::Candles(rows))) => Data::Candles(tail.behind(rows)),
            _ => return false,
        };
        state.phase = Phase::Opened;
        self.take(&mut state, topic, &snapshot, Instant::now());
        true
    }

    /// The book of a topic's market, for a session that has asked for it.
    pub(super) async fn book(self, topic: Arc<Topic>, depth: u32) -> Option<Book> {
        let Stream::Book { precision, .. } = topic.stream else { return None };
        let query = BookQuery { market: self.market(&topic)?, precision, depth };
        let (shelf, deadline) = (&self.shelf, Instant::now() + self.refresh_deadline);
        let call = || shelf.exchange.book(&query);
        let charge = shelf.charge(Asked::Book { depth });
        let book = shelf.upstream.call(charge, Wait::Refresh, deadline, call).await;
        book.inspect_err(|error| not_fetched(&topic, error)).ok()
    }
}

fn not_fetched(topic: &Topic, error: &CallError) {
    tracing::warn!(%topic, %error, "what its channel does not tell was not fetched");
}
