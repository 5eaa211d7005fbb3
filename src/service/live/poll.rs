//! Topics that are followed and not live: the exchange is asked for them, like any client asks.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    sink::{LiveSink, PATIENCE},
    topics::{self, Phase, Shared, State},
};
use crate::{
    cache::{Ask, Demand, Stamp},
    exchange::{Data, Stream, Topic},
    feed::{Feed, Lapse, Line, Mode, Standing},
    market::{Book, BookSide, Change, Level, Listing},
    service::{
        Books, CandleSeries, CandleView, ServiceError, Tickers, TradeSeries, TradeView,
        candles::is_closed,
    },
    telemetry::{CacheOutcome, DataKind},
};

/// Candles that a poll reads: as many as a follower is shown.
const CANDLES: u32 = 240;
/// Trades that a poll reads.
const TRADES: u32 = 100;

/// What polls read through.
#[derive(Clone)]
pub(in crate::service) struct Products {
    pub(in crate::service) tickers: Tickers,
    pub(in crate::service) books: Books,
    pub(in crate::service) candles: CandleSeries,
    pub(in crate::service) trades: TradeSeries,
}

/// Asks for what is followed and not live, at the pace at which it counts as fresh: once for
/// however many follow, through the cache, and within the budget as it is for clients.
#[derive(Clone)]
pub(super) struct Poller {
    pub(super) sink: LiveSink,
    pub(super) feed: Feed,
    pub(super) products: Products,
    /// How long one poll may wait.
    pub(super) deadline: Duration,
}

/// What a poll brought.
struct Polled {
    data: Data,
    stamp: Arc<Stamp>,
    outcome: CacheOutcome,
}

impl Poller {
    /// Begins the polls that are due.
    pub(super) fn look(&self, now: Instant) {
        for line in self.sink.hub.all() {
            if line.followers() == 0 {
                continue;
            }
            let topic = line.topic().clone();
            let shared = self.sink.topics.of(&topic);
            let live = &self.sink.shelf.exchange.profile().live;
            let standing = match topics::has_channel(live, &topic) {
                true => self.feed.standing(&topic),
                false => Standing::Lapsed(Lapse::NoRoom),
            };
            let mut state = topics::lock(&shared);
            let (Some(market), Some((_, kind))) = (line.market(), topics::product(&topic)) else {
                // There is no asking for what has no unified form.
                if let (Phase::Shut, Standing::Lapsed(lapse)) = (state.phase, standing) {
                    line.feed_by(Mode::Stale(lapse), now);
                }
                continue;
            };
            if state.is_polling || !is_due(&state, &standing, now) {
                continue;
            }
            state.is_polling = true;
            let turn = Turn { state: shared.clone(), next: now + self.sink.shelf.policy(kind).ttl };
            let (poller, market, line) = (self.clone(), market.clone(), line.clone());
            self.sink.tasks.spawn_until_stop("poll", async move {
                poller.poll(&topic, &market, &line, kind, turn).await;
            });
        }
    }

    async fn poll(
        &self,
        topic: &Topic,
        market: &Arc<Listing>,
        line: &Line,
        kind: DataKind,
        mut turn: Turn,
    ) {
        let read = self.read(topic, market).await;
        let now = Instant::now();
        let mut state = topics::lock(&turn.state);
        if state.phase == Phase::Live {
            return;
        }
        let ttl = self.sink.shelf.policy(kind).ttl;
        match read {
            Ok(polled) => {
                let known_at = polled.stamp.known_at();
                if polled.outcome == CacheOutcome::Stale {
                    line.feed_by(Mode::Stale(Lapse::Unavailable), now);
                    turn.next = now + ttl;
                } else {
                    line.feed_by(Mode::Polled, now);
                    turn.next = known_at + polled.stamp.policy.ttl.min(ttl);
                }
                if state.told.is_none_or(|told| told < known_at) {
                    state.told = Some(known_at);
                    line.data(&polled.data, known_at);
                    close_candle(topic, line, &polled);
                }
            }
            Err(error) => {
                line.feed_by(Mode::Stale(Lapse::Unavailable), now);
                turn.next = now + error.retry_after().unwrap_or_default().max(ttl);
            }
        }
        drop(state);
    }

    async fn read(&self, topic: &Topic, market: &Arc<Listing>) -> Result<Polled, ServiceError> {
        // What is stale is not told as if it were new; a poll waits for what it has asked for.
        let demand = Demand { max_stale: Some(Duration::ZERO), ..Demand::default() };
        let ask = Ask { demand, ..Ask::by(Instant::now() + self.deadline) };
        let products = &self.products;
        let (since, until) = (None, None);
        Ok(match &topic.stream {
            Stream::Ticker => {
                let got = products.tickers.get(market, ask).await?;
                let (stamp, outcome) = (got.stamp().clone(), got.outcome);
                Polled { data: Data::Ticker((*got).clone()), stamp, outcome }
            }
            Stream::Book { precision, depth } => {
                let got = products.books.get(market, *precision, *depth, ask).await?;
                let (stamp, outcome) = (got.stamp().clone(), got.outcome);
                Polled { data: Data::Book(levels(&got, *depth)), stamp, outcome }
            }
            Stream::Candles(timeframe) => {
                let (timeframe, limit) = (*timeframe, CANDLES);
                let view = CandleView { timeframe, limit, since, until, closed_only: false };
                let candles = products.candles.get(market, view, ask).await?;
                let (stamp, outcome) = (candles.stamp().clone(), candles.outcome());
                Polled { data: Data::Candles(candles.rows().to_vec()), stamp, outcome }
            }
            Stream::Trades => {
                let view = TradeView { limit: TRADES, since, until };
                let trades = products.trades.get(market, view, ask).await?;
                let (stamp, outcome) = (trades.got().stamp().clone(), trades.got().outcome);
                Polled { data: Data::Trades(trades.rows().to_vec()), stamp, outcome }
            }
            Stream::Native(native) => {
                return Err(ServiceError::Unsupported(native.as_str().to_owned()));
            }
        })
    }
}

/// A poll under way; when it ends, in whatever way, the next one is due at `next`.
struct Turn {
    state: Shared,
    next: Instant,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = topics::lock(&self.state);
        state.is_polling = false;
        // A lapse since then has a due time of its own.
        state.poll_due = state.poll_due.max(self.next);
    }
}

fn is_due(state: &State, standing: &Standing, now: Instant) -> bool {
    let patience = match standing {
        // Waiting does not help.
        Standing::Lapsed(Lapse::Refused | Lapse::NoRoom) => Duration::ZERO,
        Standing::Live | Standing::Opening | Standing::Lapsed(_) | Standing::Unwanted => PATIENCE,
    };
    state.phase != Phase::Live && now >= state.poll_due && now >= state.shut_since + patience
}

/// A book as the levels of a snapshot; no more of them than are followed.
fn levels(book: &Book, depth: u32) -> Vec<Change> {
    let depth = usize::try_from(depth).unwrap_or(usize::MAX);
    let side = |side: BookSide, levels: &[Level]| {
        let change = move |level: &Level| Change {
            side,
            price: level.price.clone(),
            number: 0,
            amount: Some(level.amount.clone()),
            raw: level.raw.clone(),
        };
        levels.iter().take(depth).map(change).collect::<Vec<_>>()
    };
    [side(BookSide::Bid, &book.bids), side(BookSide::Ask, &book.asks)].concat()
}

/// Tells that the newest candle is final, if it was read after its end.
fn close_candle(topic: &Topic, line: &Line, polled: &Polled) {
    let (Stream::Candles(timeframe), Data::Candles(rows)) = (&topic.stream, &polled.data) else {
        return;
    };
    let seen_at = polled.stamp.received_at;
    if rows.last().is_some_and(|row| is_closed(*timeframe, row.open_time, seen_at)) {
        line.close_candle(polled.stamp.known_at());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_may_come_back_is_given_a_moment() {
        let topics = topics::Topics::default();
        let topic = Arc::new(Topic { id: "tBTCUSD".into(), stream: Stream::Ticker });
        let shared = topics.of(&topic);
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut state = topics::lock(&shared);
        for (standing, due) in [
            (Standing::Opening, 2000),
            (Standing::Live, 2000),
            (Standing::Lapsed(Lapse::Disconnected), 2000),
            (Standing::Lapsed(Lapse::NoRoom), 0),
            (Standing::Lapsed(Lapse::Refused), 0),
        ] {
            assert!(is_due(&state, &standing, after(due)), "{standing:?}");
            assert!(due == 0 || !is_due(&state, &standing, after(due - 1)), "{standing:?}");
        }
        state.phase = Phase::Live;
        assert!(!is_due(&state, &Standing::Live, after(9000)));
    }
}
