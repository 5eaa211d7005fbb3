//! Bodies of REST answers, each given to every adapter as the answer to every request. The first
//! byte is the status.

#![no_main]

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use libfuzzer_sys::fuzz_target;
use tidegate::{
    clock::Clock,
    exchange::{Answer, CATALOGUE, Exchange, Fetch, Source, Transport},
    market::{
        BookQuery, Bound, CandleQuery, Kind, Listing, Precision, Symbol, Timeframe, TradeQuery,
        UnixMs,
    },
};

const STATUSES: [u16; 8] = [200, 200, 200, 400, 403, 418, 429, 500];
const DEPTH: u32 = 25;

/// Answers every request with what it was given last.
#[derive(Default)]
struct Said(Mutex<Option<Answer>>);

impl Source for Said {
    fn get<'a>(&'a self, _: &'a str) -> Fetch<'a, Answer> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        async move { Ok(said.expect("something is said before it is asked for")) }.boxed()
    }
}

struct Bench {
    said: Arc<Said>,
    exchanges: Vec<(Arc<dyn Exchange>, Arc<Listing>)>,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let said = Arc::new(Said::default());
    let ids = ["tBTCUSD", "BTC/USD", "BTC-USD", "BTCUSD"];
    let exchanges = CATALOGUE.into_iter().zip(ids).map(|(spec, id)| {
        ((spec.over)(Transport::local(said.clone(), Clock::system())), Arc::new(market(id)))
    });
    Bench { exchanges: exchanges.collect(), said }
});

fn market(id: &str) -> Listing {
    Listing {
        symbol: Symbol::spot("BTC", "USD"),
        id: id.into(),
        listed_as: None,
        base: "BTC".into(),
        quote: "USD".into(),
        settle: None,
        kind: Kind::Spot,
        margin: None,
        amount: Bound::default(),
        amount_decimals: None,
        price_significant_digits: None,
        amount_step: None,
        price_step: None,
        aliases: Vec::new(),
    }
}

/// What an adapter makes of it; it waits for nothing else.
fn told<T>(fetch: Fetch<'_, T>) -> Option<T> {
    fetch.now_or_never().expect("nothing is waited for").ok()
}

fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else { return };
    let status = STATUSES[usize::from(*first) % STATUSES.len()];
    let answer = Answer { status, retry_after: None, body: Bytes::copy_from_slice(body) };
    *BENCH.said.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    for (exchange, market) in &BENCH.exchanges {
        let _ = told(exchange.markets());
        let _ = told(exchange.ticker(market));
        let _ = told(exchange.tickers(None));
        let _ = told(exchange.tickers(Some(std::slice::from_ref(market))));
        let query = BookQuery { market: market.clone(), precision: Precision::P0, depth: DEPTH };
        if let Some(book) = told(exchange.book(&query)) {
            assert_eq!(book.fault(), None, "an impossible book was let through");
            assert!(book.bids.len() <= DEPTH as usize && book.asks.len() <= DEPTH as usize);
        }
        // Of a window of the past, too: it decides which rows count.
        let past = UnixMs::from_millis(1_700_000_000_000);
        for since in [None, Some(past)] {
            let (market, until) =
                (market.clone(), since.map(|_| UnixMs::from_millis(1_800_000_000_000)));
            let query = CandleQuery {
                market: market.clone(),
                timeframe: Timeframe::M1,
                limit: 100,
                since,
                until,
            };
            if let Some(candles) = told(exchange.candles(&query)) {
                assert!(candles.is_sorted_by(|a, b| a.open_time < b.open_time));
            }
            let query = TradeQuery { market, limit: 100, since, until };
            if let Some(trades) = told(exchange.trades(&query)) {
                assert!(trades.is_sorted_by_key(|trade| (trade.at, trade.id)));
            }
        }
    }
});
