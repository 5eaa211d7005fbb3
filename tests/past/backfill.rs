use std::{process::Command, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    fake::{Fake, Fault, problem},
    run, tidegate, told,
};

/// 500 minutes: five pages.
const RANGE: [&str; 4] = ["--since", "2024-01-01", "--until", "2024-01-01T08:19:00Z"];

fn args<'a>(listen: &'a str, further: &[&'a str]) -> Vec<&'a str> {
    let base = ["backfill", "--symbol", "BTC/USD", "--timeframe", "1m", "--listen", listen];
    [&base, &RANGE[..], further].concat()
}

fn summary(out: &str) -> Value {
    serde_json::from_str(out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

#[test]
fn it_follows_the_pages_in_the_background_and_a_second_time_costs_no_call() {
    let fake = Fake::start();
    let (code, out, err) = run(&args(&fake.listen(), &["--json"]));
    assert_eq!(code, 0, "{err}");
    let told = summary(&out);
    assert_eq!(told["outcome"], "done");
    let (since, until) = (1_704_067_200_000_i64, 1_704_097_140_000_i64);
    assert_eq!(
        told["series"],
        json!([{
            "symbol": "BTC/USD", "timeframe": "1m", "since": since, "until": until,
            "reached": until, "complete": true, "bars": 500, "first": since, "last": until,
            "pages": 5, "calls": 5,
        }])
    );
    let pages = fake.pages();
    assert_eq!(pages.len(), 5);
    for (at, page) in (0..).zip(&pages) {
        assert_eq!(page.path, "/api/market-data/ohlcv/BTC%2FUSD");
        assert_eq!(page.headers["priority"], "u=7");
        assert_eq!(page.query["since"], (since + at * 100 * 60_000).to_string());
    }
    let first = &pages[0].query;
    let wanted = [("closed_only", "true"), ("limit", "10000"), ("timeframe", "1m")];
    assert!(wanted.iter().all(|(name, value)| first[*name] == *value), "{first:?}");
    assert_eq!(first["until"], until.to_string());
    assert_eq!(fake.trials().len(), 1);
    let lines: Vec<&str> = err.lines().collect();
    let gateway = format!("the gateway at {} is asked", fake.listen());
    assert_eq!(lines, [gateway.as_str(), "BTC/USD 1m: complete, 500 bars"]);

    let (code, out, _) = run(&args(&fake.listen(), &[]));
    assert_eq!(code, 0);
    let first = "BTC/USD 1m: 500 bars from 2024-01-01T00:00:00.000Z to 2024-01-01T08:19:00.000Z, \
                 0 calls, complete\n";
    assert!(out.starts_with(first), "{out}");
}

#[test]
fn several_series_are_fetched_narrower_ones_first() {
    let fake = Fake::start();
    let listen = fake.listen();
    let mut line = args(&listen, &["--json"]);
    line[2] = "BTC/USD,ETH/USD";
    line[4] = "5m,1m";
    let (code, out, err) = run(&line);
    assert_eq!(code, 0, "{err}");
    assert_eq!(summary(&out)["series"].as_array().unwrap().len(), 4);
    let mut order: Vec<_> = fake
        .trials()
        .into_iter()
        .map(|page| {
            (page.path.rsplit('/').next().unwrap().to_owned(), page.query["timeframe"].clone())
        })
        .collect();
    order.dedup();
    let order: Vec<_> =
        order.iter().map(|(symbol, width)| (symbol.as_str(), width.as_str())).collect();
    let (btc, eth) = ("BTC%2FUSD", "ETH%2FUSD");
    assert_eq!(order, [(btc, "1m"), (btc, "5m"), (eth, "1m"), (eth, "5m")]);
}

#[test]
fn it_waits_as_long_as_the_gateway_says_and_tells_so() {
    let fake = Fake::start();
    let full = problem(
        r#""code":"budget_exhausted","retryable":true,"detail":"no call left","retry_after_ms":1300"#,
    );
    fake.fault(1, Fault::Says(503, full));
    let started = Instant::now();
    let (code, out, err) = run(&args(&fake.listen(), &["--json"]));
    assert!(started.elapsed() >= Duration::from_millis(1300));
    assert_eq!((code, &summary(&out)["bars"]), (0, &json!(500)), "{err}");
    assert!(err.lines().any(|line| line == "no call left: again in 2 s"), "{err}");
    assert_eq!(fake.pages().len(), 6);
}

#[test]
fn a_cut_connection_is_no_end() {
    let fake = Fake::start();
    fake.fault(2, Fault::Cut);
    let (code, out, err) = run(&args(&fake.listen(), &["--json"]));
    assert_eq!((code, &summary(&out)["bars"]), (0, &json!(500)), "{err}");
    assert!(err.contains(": again in 1 s\n"), "{err}");
}

#[test]
fn a_mistake_in_the_last_series_shows_before_the_first_page() {
    let fake = Fake::start();
    let listen = fake.listen();
    let mut line = args(&listen, &[]);
    line[2] = "BTC/USD,BTC/USX";
    let (code, out, err) = run(&line);
    let last = "tidegate: no market \"BTC/USX\" on bitfinex; did you mean BTC/USD, BTC/USDT?";
    assert_eq!((code, out.as_str(), err.lines().last()), (1, "", Some(last)));
    assert_eq!(fake.pages().len(), 0);
}

#[test]
fn an_interrupt_ends_it_at_once_and_the_next_run_goes_on() {
    let fake = Fake::start();
    fake.fault(3, Fault::Holds);
    let listen = fake.listen();
    let running = tidegate(&args(&listen, &["--json"])).spawn().unwrap();
    fake.wait_for_pages(4);
    let started = Instant::now();
    let pid = running.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let (code, out, err) = told(running.wait_with_output().unwrap());
    // The answer is waited for for five minutes.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(code, 130, "{err}");
    let told = summary(&out);
    let series = &told["series"][0];
    assert_eq!((&told["outcome"], &series["bars"]), (&json!("interrupted"), &json!(300)));
    assert_eq!((&series["complete"], &series["calls"]), (&json!(false), &json!(3)));
    assert!(err.contains("the same command goes on from here"), "{err}");

    let (code, out, _) = run(&args(&listen, &["--json"]));
    let told = summary(&out);
    assert_eq!((code, &told["bars"], &told["calls"]), (0, &json!(500), &json!(2)));
}

#[test]
fn without_a_store_nothing_is_fetched() {
    let fake = Fake::start();
    fake.store("off");
    let (code, out, err) = run(&args(&fake.listen(), &[]));
    let expected = format!(
        "tidegate: the gateway at {} has no store: set store.path and start it again\n",
        fake.listen()
    );
    assert_eq!((code, out.as_str(), err), (2, "", expected));
    assert_eq!((fake.pages().len(), fake.trials().len()), (0, 0));

    let (code, out, err) = run(&args("127.0.0.1:0", &[]));
    let expected = "tidegate: no store is configured, so nothing would be kept: set store.path\n";
    assert_eq!((code, out.as_str(), err.as_str()), (2, "", expected));
}

#[test]
fn pages_that_lead_nowhere_are_told() {
    let fake = Fake::start();
    fake.is_of_another_version();
    let (code, _, err) = run(&args(&fake.listen(), &[]));
    assert_eq!(code, 1);
    assert!(err.ends_with(": does not name the next page; it is of another version\n"), "{err}");
    assert_eq!(fake.pages().len(), 1);

    let fake = Fake::start();
    fake.turns_in_circles();
    let (code, _, err) = run(&args(&fake.listen(), &[]));
    assert_eq!(code, 1);
    assert!(err.ends_with(" is not behind it\n"), "{err}");
    assert_eq!(fake.pages().len(), 1);
}

#[test]
fn times_that_cannot_be_are_told_before_anything_is_asked() {
    let asked = |times: &[&str]| {
        let base = ["backfill", "--symbol", "BTC/USD", "--timeframe", "1m"];
        run(&[&base, times].concat())
    };
    let (code, _, err) = asked(&["--since", "2124-01-01"]);
    let future = "tidegate: --since 2124-01-01T00:00:00.000Z is in the future\n";
    assert_eq!((code, err.as_str()), (2, future));
    let (code, _, err) = asked(&["--since", "2024-01-02", "--until", "2024-01-01"]);
    let crossed = "tidegate: --since 2024-01-02T00:00:00.000Z is not before --until \
                   2024-01-01T00:00:00.000Z\n";
    assert_eq!((code, err.as_str()), (2, crossed));
}
