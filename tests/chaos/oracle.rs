//! What an exchange's own REST interface, read by its adapter, would have told at any moment: the
//! same market before a clock that is moved by hand, without limits and without faults.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tidegate::{
    clock::Clock,
    exchange::{Exchange, Fetch},
    market::{
        BookQuery, Candle, CandleQuery, Level, Listing, Precision, Timeframe, Trade, TradeQuery,
        UnixMs,
    },
    sim::{Kind, ManualTime, SimClock, SimConfig, Venue},
};

use crate::exchange::InProcess;

/// Levels of a context's book.
const LEVELS: usize = 20;

pub(crate) struct Oracle {
    time: ManualTime,
    exchange: Arc<dyn Exchange>,
    listed: Vec<Arc<Listing>>,
}

impl Oracle {
    /// Of the exchange that `venue` describes, which stands at `start` now.
    pub(crate) fn new(kind: Kind, venue: SimConfig, clock: Clock, start: UnixMs) -> Self {
        let time = ManualTime::new(start);
        let clock_by_hand = SimClock::Manual(time.clone());
        let venue = SimConfig { clock: clock_by_hand, enforce: false, ..venue };
        let exchange = InProcess::new(Venue::new(venue), Duration::ZERO).adapter(kind, clock);
        let list = told(exchange.markets());
        let listed = list.listings.into_iter().map(Arc::new).collect();
        Self { time, exchange, listed }
    }

    fn market(&self, symbol: &str) -> Arc<Listing> {
        let found = self.listed.iter().find(|it| it.symbol.as_str().replace('/', "-") == symbol);
        found.expect("a listed market").clone()
    }

    /// Bids and asks as prices and amounts by turns.
    pub(crate) fn book(&self, symbol: &str, at: UnixMs) -> Vec<Vec<f64>> {
        self.time.set(at);
        let (market, precision) = (self.market(symbol), Precision::P0);
        let query = BookQuery { market, precision, depth: 25 };
        let book = told(self.exchange.book(&query));
        let row = |level: &Level| [level.price.f64(), level.amount.f64()];
        let side = |levels: &[Level]| levels.iter().take(LEVELS).flat_map(row).collect();
        vec![side(&book.bids), side(&book.asks)]
    }

    /// Best bid, best ask and last price.
    pub(crate) fn ticker(&self, symbol: &str, at: UnixMs) -> [f64; 3] {
        self.time.set(at);
        let market = self.market(symbol);
        let it = told(self.exchange.ticker(&market));
        [it.bid, it.ask, it.last].map(|number| number.map_or(f64::NAN, |number| number.f64()))
    }

    /// The minutes that open from `since` to `until`, as the exchange lists them at `at`.
    pub(crate) fn minutes(
        &self,
        symbol: &str,
        (since, until): (i64, i64),
        at: UnixMs,
    ) -> Vec<Vec<f64>> {
        self.time.set(at);
        let (market, timeframe) = (self.market(symbol), Timeframe::M1);
        let [since, until] = [since, until].map(|ms| Some(UnixMs::from_millis(ms)));
        let query = CandleQuery { market, timeframe, limit: 300, since, until };
        let row = |it: &Candle| {
            let numbers = [&it.open, &it.high, &it.low, &it.close, &it.volume];
            let numbers = numbers.into_iter().map(|number| number.f64());
            std::iter::once(it.open_time.millis() as f64).chain(numbers).collect()
        };
        told(self.exchange.candles(&query)).iter().map(row).collect()
    }

    /// The newest trades, newest first.
    pub(crate) fn trades(&self, symbol: &str, at: UnixMs) -> Vec<Trade> {
        self.time.set(at);
        let (since, until) = (None, None);
        let limit = self.exchange.profile().max_trades.min(250);
        let query = TradeQuery { market: self.market(symbol), limit, since, until };
        let mut trades = told(self.exchange.trades(&query));
        trades.reverse();
        trades
    }
}

fn told<T>(fetch: Fetch<'_, T>) -> T {
    fetch.now_or_never().expect("nothing is waited for").expect("the adapter reads what it says")
}
