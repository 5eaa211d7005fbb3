use proptest::prelude::*;

use super::*;
use crate::{exchange::Report, feed::Lapse};

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Open,
    Change,
    Check,
    Confirm,
    Lapse,
    Fetch,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..8_000_u64).prop_map(Step::Wait),
        1 => Just(Step::Open),
        3 => Just(Step::Change),
        2 => Just(Step::Check),
        2 => Just(Step::Confirm),
        1 => Just(Step::Lapse),
        1 => Just(Step::Fetch),
    ];
    prop::collection::vec(step, 1..60)
}

/// What a value is known by, and when each one was last known to be true. A channel that is shut
/// tells nothing; one that is open tells by data, and by checksums or heartbeats if it may.
#[derive(Default)]
struct Truth {
    known: std::collections::HashMap<i64, Instant>,
    now: i64,
    is_open: bool,
    is_verified: bool,
}

impl Truth {
    fn holds(&mut self) {
        self.known.insert(self.now, Instant::now());
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Ticker,
    Book,
    Trades,
    Candles,
}

async fn no_younger_than_true(kind: Kind, steps: &[Step]) -> Result<(), TestCaseError> {
    let bench = Bench::new().await;
    let topic = match kind {
        Kind::Ticker => bench.ticker_topic(),
        Kind::Book => bench.book_topic(25),
        Kind::Trades => bench.trades_topic(),
        Kind::Candles => bench.candles_topic(),
    };
    let mut truth = Truth { now: 1, ..Truth::default() };
    for step in steps {
        match step {
            Step::Wait(millis) => sleep(ms(*millis)).await,
            Step::Open => {
                truth.now += 1;
                bench.open(&topic, snapshot(kind, truth.now));
                (truth.is_open, truth.is_verified) = (true, true);
                truth.holds();
            }
            Step::Change => {
                let before = truth.now;
                truth.now += 1;
                bench.data(&topic, change(kind, before, truth.now));
                if truth.is_open {
                    truth.is_verified = !matches!(kind, Kind::Book);
                    if truth.is_verified {
                        truth.holds();
                    }
                }
                if !truth.is_open {
                    truth.now = before;
                }
            }
            Step::Check => {
                bench.turn(&topic, Turn::Checked(0));
                if truth.is_open && matches!(kind, Kind::Book) {
                    truth.is_verified = true;
                    truth.holds();
                }
            }
            Step::Confirm => {
                bench.turn(&topic, Turn::Confirmed);
                if truth.is_open && truth.is_verified && !matches!(kind, Kind::Ticker) {
                    truth.holds();
                }
            }
            Step::Lapse => {
                bench.turn(&topic, Turn::Lapsed(Lapse::Silent));
                truth.is_open = false;
            }
            Step::Fetch => {
                let seen = truth.now;
                bench.script(|script| {
                    (script.ticker, script.book) = (seen, seen);
                    script.trades = vec![trade(seen)];
                    script.candles = vec![candle(0, seen)];
                });
                fetch(&bench, kind).await;
                // It was true at some time of the request; the answer counts from its receipt.
                truth.known.insert(seen, Instant::now());
            }
        }
        let Some((key, _)) = crate::service::live::topics::product(&topic) else { continue };
        let Some(entry) = bench.desk.shelf.cache.peek(&bench.desk.shelf.key(key)) else { continue };
        let value = value(&entry.value);
        let known = truth.known.get(&value).copied();
        prop_assert!(known.is_some(), "{value} was never known to be true");
        let (stated, is) = (entry.stamp.age(Instant::now()), known.unwrap().elapsed());
        prop_assert!(stated >= is, "{kind:?}: {stated:?} stated, {is:?} old, after {step:?}");
    }
    Ok(())
}

fn snapshot(kind: Kind, value: i64) -> Data {
    match kind {
        Kind::Ticker => Data::Ticker(ticker(value)),
        Kind::Trades => Data::Trades(vec![trade(value)]),
        Kind::Candles => Data::Candles(vec![candle(0, value)]),
        Kind::Book => {
            let (bid, ask) = (BookSide::Bid, BookSide::Ask);
            Data::Book(vec![level(bid, value, Some(1)), level(ask, 1_000_000, Some(1))])
        }
    }
}

fn change(kind: Kind, before: i64, value: i64) -> Data {
    match kind {
        Kind::Ticker => Data::Ticker(ticker(value)),
        Kind::Trades => Data::Trade(trade(value), Report::Executed),
        Kind::Candles => Data::Candle(candle(0, value)),
        Kind::Book => {
            let moved = [(before, None), (value, Some(1))];
            Data::Levels(
                moved
                    .map(|(price, amount)| level(BookSide::Bid, price, amount))
                    .into_iter()
                    .collect(),
            )
        }
    }
}

fn value(value: &crate::service::Value) -> i64 {
    use crate::service::Value;
    let text = match value {
        Value::Ticker(ticker) => ticker.last.as_ref().unwrap().as_str(),
        Value::Book(book) => book.bids[0].price.as_str(),
        Value::Trades(series) => series.rows.last().unwrap().price.as_str(),
        Value::Candles(track) => return newest(track),
        _ => panic!("no channel brings this"),
    };
    text.parse().unwrap()
}

fn newest(track: &crate::service::Track) -> i64 {
    track.newest_rows(1)[0].close.as_str().parse().unwrap()
}

async fn fetch(bench: &Bench, kind: Kind) {
    let ask = bench.ask_anew();
    match kind {
        Kind::Ticker => drop(bench.desk.tickers.get(&bench.market, ask).await),
        Kind::Book => drop(bench.desk.books.get(&bench.market, Precision::P0, 25, ask).await),
        Kind::Trades => drop(bench.trades(1, ask).await),
        Kind::Candles => {
            let view = CandleView {
                timeframe: Timeframe::M1,
                limit: 1,
                since: None,
                until: None,
                closed_only: false,
            };
            drop(bench.desk.candles.get(&bench.market, view, ask).await);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn an_entry_is_never_younger_than_its_truth(
        kind in prop_oneof![
            Just(Kind::Ticker), Just(Kind::Book), Just(Kind::Trades), Just(Kind::Candles)
        ],
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(no_younger_than_true(kind, &steps))?;
    }
}
