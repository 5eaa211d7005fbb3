//! What channels do not say: the past of those that begin without a snapshot, and the books of
//! those that tell changes only. Both are fetched, behind the clients that wait.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    sink::LiveSink,
    tail::Tail,
    topics::{self, Content, Phase, Shared, State},
};
use crate::{
    exchange::{Data, Family, Stream, Topic},
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
        state.phase = Phase::Gathering;
        state.content = match data {
            Data::Candles(_) => Content::Candles(Tail::of(&[])),
            _ => Content::Trades(Tail::of(&[])),
        };
        let (sink, shared, topic, opening) =
            (self.clone(), shared.clone(), topic.clone(), state.openings);
        self.tasks.spawn_until_stop("live history", async move {
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
                let rows = shelf.upstream.call(Family::Trades, Wait::Refresh, deadline, call).await;
                rows.map(Data::Trades)
            }
            Stream::Candles(timeframe) => {
                let query = CandleQuery { market, timeframe, limit: CANDLES, since, until };
                let call = || shelf.exchange.candles(&query);
                let rows =
                    shelf.upstream.call(Family::Candles, Wait::Refresh, deadline, call).await;
                rows.map(Data::Candles)
            }
            _ => return None,
        };
        newest.inspect_err(|error| not_fetched(topic, error)).ok()
    }

    /// Joins what was fetched with what came meanwhile; the topic is live then. True if that is
    /// done, or there is nothing to be done any more.
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
            (Content::Trades(tail), Some(Data::Trades(rows))) => Data::Trades(tail.behind(rows)),
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
        let book = shelf.upstream.call(Family::Book, Wait::Refresh, deadline, call).await;
        book.inspect_err(|error| not_fetched(&topic, error)).ok()
    }
}

fn not_fetched(topic: &Topic, error: &CallError) {
    tracing::warn!(%topic, %error, "what its channel does not tell was not fetched");
}
