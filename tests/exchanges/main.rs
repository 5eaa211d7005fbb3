//! What every exchange has to pass, the next one too: one list of tests, run for each.
//!
//! An exchange enters by a line in [`exchanges!`] with what is its own: two markets, spellings of
//! the first, and what it cannot do. Everything else is read from `/api/market-data/exchanges`.

#[path = "../gateway/client.rs"]
mod client;
mod data;
mod faults;
mod limits;
mod live;
mod rig;
mod together;

use tidegate::sim::Kind;

/// What a test has to be told of an exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    /// A busy market.
    pub(crate) market: &'static str,
    /// Another one.
    pub(crate) other: &'static str,
    /// Names of the first, the exchange's own among them.
    pub(crate) spellings: &'static [&'static str],
    /// A width that it neither offers nor that can be computed from one that it does.
    pub(crate) lacks: Option<&'static str>,
    /// How a lost message shows.
    pub(crate) proof: Proof,
}

/// What proves that a connection lost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Every message has a number: a gap ends the connection.
    Numbers,
    /// Books have checksums.
    Checksums,
    /// Changes of a book have numbers of their own.
    Chain,
}

/// The list of tests for one exchange.
macro_rules! contract {
    ($name:ident, $case:expr) => {
        mod $name {
            contract!(@ $case;
                data::a_market_is_found_by_every_name_and_no_other,
                data::tickers_come_one_by_one_and_all_at_once,
                data::books_have_the_depth_that_was_asked_for,
                data::candles_of_every_width_are_whole,
                data::the_past_is_told_as_far_as_it_reaches,
                data::trades_are_in_order,
                data::a_context_costs_its_parts_once,
                data::what_it_lacks_is_said_and_costs_nothing,
                limits::a_storm_never_breaks_the_limit,
                limits::a_refusal_closes_it_and_nothing_else,
                faults::every_fault_is_a_problem_and_passes,
                faults::wrong_bodies_are_never_served,
                live::channels_carry_what_is_read,
                live::a_lost_connection_comes_back,
                live::a_lost_message_is_noticed,
                live::streams_tell_clients_what_channels_bring,
            );
        }
    };
    (@ $case:expr; $($module:ident::$test:ident,)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                crate::$module::$test($case).await;
            }
        )*
    };
}

contract!(bitfinex, crate::BITFINEX);
contract!(kraken, crate::KRAKEN);
contract!(coinbase, crate::COINBASE);
contract!(binance, crate::BINANCE);

const BITFINEX: Case = Case {
    kind: Kind::Bitfinex,
    market: "BTC/USD",
    other: "ETH/USD",
    spellings: &["BTC-USD", "btc_usd", "BTCUSD", "tBTCUSD"],
    lacks: None,
    proof: Proof::Numbers,
};

const KRAKEN: Case = Case {
    kind: Kind::Kraken,
    market: "BTC/USD",
    other: "ETH/USD",
    spellings: &["BTC-USD", "btc_usd", "BTCUSD", "XXBTZUSD", "XBTUSD", "XBT/USD", "xbt-usd"],
    lacks: Some("1M"),
    proof: Proof::Checksums,
};

const COINBASE: Case = Case {
    kind: Kind::Coinbase,
    market: "BTC/USD",
    other: "ETH/USD",
    spellings: &["BTC-USD", "btc_usd", "BTCUSD"],
    lacks: None,
    proof: Proof::Numbers,
};

const BINANCE: Case = Case {
    kind: Kind::Binance,
    market: "BTC/USDT",
    other: "ETH/USDT",
    spellings: &["BTC-USDT", "btc_usdt", "BTCUSDT", "btcusdt"],
    lacks: None,
    proof: Proof::Chain,
};
