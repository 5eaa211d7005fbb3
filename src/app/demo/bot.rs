//! What a trading bot asks, and when.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use crate::sim::{Family, Kind};

/// Bases of the markets whose tickers bots read (against USD), the most popular first.
const HOT: [&str; 12] =
    ["BTC", "ETH", "SOL", "XRP", "DOGE", "LTC", "ADA", "LINK", "AVAX", "DOT", "SUI", "TRX"];

/// The books of so many of them are read. A book that is read all the time costs 30 calls a
/// minute, of 240.
const BOOKS: usize = 6;

/// So many of them are traded: their market context is read, and with it a series of candles
/// each. A series costs 6 calls a minute, of 30; what is left is for guests.
const TRADED: usize = 3;

/// A further series of candles that some bots look at.
const SERIES: (&str, &str) = ("BTC", "1h");

/// Whose trades are read: 12 calls a minute, of 15.
const TAPE: &str = "BTC";

/// Of other exchanges than Bitfinex, and of that beside others, so many are read, have books and are
/// traded: what is asked first has to fit into the few calls that a gateway has there at once.
const BESIDE: Fleet = Fleet { hot: 6, books: 3, traded: 2 };
const ALONE: Fleet = Fleet { hot: HOT.len(), books: BOOKS, traded: TRADED };

/// How many of the markets a fleet reads in which way.
#[derive(Clone, Copy)]
struct Fleet {
    hot: usize,
    books: usize,
    traded: usize,
}

/// How clients write a market, by base and quote; the last is Bitfinex's own way.
const SPELLINGS: [fn(&str, &str) -> String; 4] = [
    |base, quote| format!("{base}/{quote}"),
    |base, quote| format!("{base}-{quote}"),
    |base, quote| format!("{base}{quote}"),
    |base, quote| {
        if base.len() > 3 { format!("t{base}:{quote}") } else { format!("t{base}{quote}") }
    },
];

/// A request that is repeated, with a pause that differs a little from time to time.
#[derive(Debug)]
struct Watch {
    ask: Ask,
    every: Duration,
    due: Instant,
}

/// A request, and what it would cost a client that asks the exchange itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// Path and query.
    pub(super) path: String,
    /// Where they would be made.
    pub(super) exchange: Kind,
    /// The calls that would be needed.
    pub(super) calls: &'static [Family],
}

const CONTEXT: &[Family] = &[Family::Candles, Family::Ticker, Family::Book];

/// One client's schedule.
#[derive(Debug)]
pub(super) struct Bot {
    watches: Vec<Watch>,
    random: ChaCha8Rng,
    exchange: Kind,
    /// The gateway serves no other exchange.
    is_alone: bool,
}

impl Bot {
    /// The bot of this number, at one of the exchanges that the gateway serves; its schedule begins
    /// at `start`. Equal seeds, numbers and exchanges ask the same with the same pauses.
    pub(super) fn new(seed: u64, number: u64, start: Instant, exchanges: &[Kind]) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        let exchange = exchanges[number as usize % exchanges.len()];
        let is_alone = exchanges.len() == 1;
        let is_bitfinex_alone = is_alone && exchange == Kind::Bitfinex;
        let fleet = if is_bitfinex_alone { ALONE } else { BESIDE };
        let mut bot = Self { watches: Vec::new(), random, exchange, is_alone };
        let quote = if exchange == Kind::Binance { "USDT" } else { "USD" };
        let known = if exchange == Kind::Bitfinex { &SPELLINGS } else { &SPELLINGS[..3] };
        let spelling = bot.choose(known);
        let spell = |base: &str| spelling(base, quote);
        let several = bot.random.random_range(3..=5);
        for base in bot.some(&HOT[..fleet.hot], several) {
            bot.watch(start, 400..1_500, "ticker", &spell(base), &[Family::Ticker]);
        }
        for base in bot.some(&HOT[..fleet.books], 2) {
            bot.watch(start, 500..2_000, "orderbook", &spell(base), &[Family::Book]);
        }
        let traded = spell(bot.choose(&HOT[..fleet.traded]));
        bot.watch(start, 1_000..4_000, "market-context", &traded, CONTEXT);
        bot.watch(start, 5_000..15_000, "validate-market", &traded, CONTEXT);
        if bot.random.random_bool(0.5) {
            let query = format!("{}?timeframe={}", spell(SERIES.0), SERIES.1);
            bot.watch(start, 2_000..8_000, "ohlcv", &query, &[Family::Candles]);
        } else {
            bot.watch(start, 2_000..8_000, "ohlcv", &traded, &[Family::Candles]);
        }
        if bot.random.random_bool(0.4) {
            bot.watch(start, 2_000..6_000, "trades", &spell(TAPE), &[Family::Trades]);
        }
        bot
    }

    /// What it asks next. Cancel-safe: nothing is skipped.
    pub(super) async fn next(&mut self) -> Ask {
        let next = self.watches.iter_mut().min_by_key(|watch| watch.due);
        let next = next.expect("a bot watches its markets");
        tokio::time::sleep_until(next.due).await;
        // Whoever was kept waiting does not catch up: a bot wants the present.
        next.due = Instant::now() + next.every.mul_f64(self.random.random_range(0.8..1.2));
        next.ask.clone()
    }

    /// So many different markets, the first ones more often.
    fn some(&mut self, from: &[&'static str], count: usize) -> Vec<&'static str> {
        let weight = |index: usize| 1.0 / (1.0 + index as f64);
        let random = &mut self.random;
        let chosen = rand::seq::index::sample_weighted(random, from.len(), weight, count);
        chosen.expect("the weights are positive").into_iter().map(|index| from[index]).collect()
    }

    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        *from.choose(&mut self.random).expect("there is a choice")
    }

    fn watch(
        &mut self,
        start: Instant,
        pause_ms: std::ops::Range<u64>,
        endpoint: &str,
        rest: &str,
        calls: &'static [Family],
    ) {
        let every = Duration::from_millis(self.random.random_range(pause_ms));
        let due = start + every.mul_f64(self.random.random_range(0.0..1.0));
        let mut path = format!("/api/market-data/{endpoint}/{rest}");
        if !self.is_alone {
            let joint = if path.contains('?') { '&' } else { '?' };
            path.push_str(&format!("{joint}exchange={}", self.exchange));
        }
        let ask = Ask { path, exchange: self.exchange, calls };
        self.watches.push(Watch { ask, every, due });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn paths(seed: u64, number: u64) -> Vec<String> {
        let bot = Bot::new(seed, number, Instant::now(), &[Kind::Bitfinex]);
        bot.watches.into_iter().map(|watch| watch.ask.path).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_fleet_asks_for_no_more_than_the_budgets_keep_fresh() {
        let all: Vec<String> = (0..200).flat_map(|number| paths(1, number)).collect();
        let of = |endpoint: &str| -> BTreeSet<String> {
            let prefix = format!("/api/market-data/{endpoint}/");
            let rest = all.iter().filter_map(|path| path.strip_prefix(&prefix));
            let plain =
                |rest: &str| rest.replace(['/', '-', ':'], "").trim_start_matches('t').to_owned();
            rest.map(plain).collect()
        };
        let contexts = of("market-context");
        assert_eq!(contexts.len(), TRADED);
        assert_eq!(of("validate-market"), contexts);
        let further: Vec<_> = of("ohlcv").difference(&contexts).cloned().collect();
        assert_eq!(further, ["BTCUSD?timeframe=1h"]);
        assert_eq!(of("orderbook").len(), BOOKS);
        assert!(contexts.is_subset(&of("orderbook")));
        assert_eq!(of("trades").len(), 1);
        assert_eq!(of("ticker").len(), HOT.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_schedule_follows_from_seed_and_number() {
        assert_eq!(paths(7, 3), paths(7, 3));
        assert_ne!(paths(7, 3), paths(7, 4));
        assert_ne!(paths(7, 3), paths(8, 3));
        let start = Instant::now();
        let mut bot = Bot::new(7, 3, start, &[Kind::Bitfinex]);
        for _ in 0..100 {
            bot.next().await;
        }
        let rate = 100.0 / start.elapsed().as_secs_f64();
        assert!((2.0..20.0).contains(&rate), "{rate} requests a second");
    }

    #[tokio::test(start_paused = true)]
    async fn several_exchanges_are_asked_by_name_for_what_they_list() {
        let exchanges = [Kind::Kraken, Kind::Binance];
        for number in 0..40 {
            let bot = Bot::new(1, number, Instant::now(), &exchanges);
            let (name, quote) =
                if number % 2 == 0 { ("kraken", "USD") } else { ("binance", "USDT") };
            for Watch { ask, .. } in &bot.watches {
                let (market, query) = ask.path.split_once('?').unwrap();
                assert!(market.ends_with(quote), "{}", ask.path);
                assert!(query.ends_with(&format!("exchange={name}")), "{}", ask.path);
                assert_eq!(ask.exchange.as_str(), name);
            }
        }
    }
}
