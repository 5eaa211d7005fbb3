use std::{io::Read as _, time::Duration};

use tidegate::{
    app::App,
    clock::Clock,
    config::Config,
    exchange::{Endpoints, spec},
    feed::Feed,
    sim::{Family, Sim, SimClock, SimConfig},
    tasks::Tasks,
};
use tokio::net::{TcpListener, TcpSocket};

use crate::{run, tidegate};

/// Longer than the exchange takes for any answer, on the busiest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The same day whenever the tests run: there are candles of the year before it, and its month does
/// not end meanwhile.
fn clock() -> Clock {
    Clock::anchored("2026-11-22T14:00:00Z".parse().unwrap())
}

/// A simulated exchange, and what time it is there.
pub(crate) async fn exchange() -> (Sim, Clock, Tasks) {
    let tasks = Tasks::new(|name| panic!("the simulated exchange's task {name} panicked"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clock = clock();
    let config = SimConfig { clock: SimClock::Wall(clock.clone()), ..SimConfig::default() };
    let sim = Sim::start(config, listener, &tasks).await.unwrap();
    (sim, clock, tasks)
}

/// An address at which nobody listens, nor comes to while this is held.
pub(crate) fn nowhere() -> TcpSocket {
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    taken
}

/// The command in a thread of its own, since the exchange lives in this one.
async fn candles(args: &[&str]) -> (i32, String, String) {
    let args: Vec<String> = ["candles"].iter().chain(args).map(ToString::to_string).collect();
    let run = move || run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_the_command_asks_the_exchange_itself() {
    let (sim, _clock, _tasks) = exchange().await;
    let nowhere = nowhere();
    let (listen, rest_url) = (nowhere.local_addr().unwrap().to_string(), sim.rest_url());
    let past = ["--since", "2026-01-05T00:00:00Z", "--until", "2026-01-05T03:00:00Z"];
    let base = ["BTC/USD", "--listen", &listen, "--rest-url", &rest_url];
    let args = [&base, &past[..]].concat();

    let (code, csv, err) = candles(&[&args, &["--format", "csv"][..]].concat()).await;
    assert_eq!((code, err.as_str()), (0, ""));
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["timestamp", "open", "high", "low", "close", "volume", "closed"]);
    assert_eq!(rows.len(), 5, "{csv}");
    assert_eq!(sim.counts().of(Family::Candles), 1);

    let (code, table, _) = candles(&args).await;
    assert_eq!(code, 0);
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["time", "UTC", "open", "high", "low", "close", "volume"]);
    for (line, row) in lines[1..].iter().zip(&rows[1..]) {
        assert_eq!(line[2..], row[1..6], "the exchange's own digits");
    }
    assert_eq!(lines[4][..2], ["2026-01-05", "03:00"]);

    let (code, json, _) = candles(&[&args, &["--format", "json"][..]].concat()).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, json["candles"].as_array().unwrap().len()), (0, 4));

    let (code, chart, _) = candles(&[&args, &["--format", "chart"][..]].concat()).await;
    assert_eq!(code, 0);
    let title = "BTC/USD 1h  bitfinex  2026-01-05 00:00 to 2026-01-05 03:00 UTC   ┃ up █ down\n";
    assert!(chart.starts_with(title), "{chart}");
    assert!(!chart.contains('\u{1b}'), "no colours where there is no terminal");
    assert!(chart.lines().count() <= 24 && chart.lines().all(|it| it.chars().count() <= 80));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_runs_is_asked() {
    let (sim, clock, _tasks) = exchange().await;
    let mut config = Config::default();
    config.feed.enabled = false;
    config.cache.ohlcv.ttl = Duration::from_secs(600);
    // The exchange takes a while for months of candles.
    config.server.request_deadline = PATIENCE;
    let at = Endpoints { rest_url: sim.rest_url(), request_timeout: PATIENCE };
    let exchange = spec("bitfinex").unwrap().open(&at).unwrap();
    let no_feed = |_, _: &_, _: &_| Feed::disabled();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = App::with_parts(config, exchange, no_feed, clock, listener).await.unwrap();
    let listen = app.address().to_string();
    // This command knows no exchange.
    let base = ["BTC/USD", "--rest-url", "http://127.0.0.1:9", "--timeframe", "1M", "--limit", "3"];
    for place in [["--listen", &listen], ["--url", &app.url()]] {
        let (code, out, err) = candles(&[&base[..], &place].concat()).await;
        assert_eq!((code, out.lines().count()), (0, 5), "{out}{err}");
        assert!(out.lines().nth(3).unwrap().ends_with(" *"), "{out}");
        assert!(out.ends_with("\n* is not closed yet\n"), "{out}");
    }
    assert_eq!(sim.counts().of(Family::Candles), 1, "the gateway's cache is used");

    let (code, out, err) = candles(&["BTC/USX", "--url", &app.url()]).await;
    let told = "tidegate: no market \"BTC/USX\" on bitfinex; did you mean BTC/USD, BTC/USDT, \
                BTT/USD?\n";
    assert_eq!((code, out.as_str(), err.as_str()), (1, "", told));
    let (code, _, err) = candles(&["BTC/USD", "--url", &sim.rest_url()]).await;
    assert_eq!(code, 1);
    assert!(err.ends_with(" is no Tidegate gateway\n"), "{err}");

    // Whoever reads only the beginning has seen enough.
    let (url, many) = (app.url(), ["candles", "BTC/USD", "--limit", "10000"]);
    let mut running = tidegate(&[&many[..], &["--url", &url]].concat()).spawn().unwrap();
    drop(running.stdout.take());
    let wait = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        running.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (running.wait().unwrap().code(), said)
    });
    assert_eq!(wait.await.unwrap(), (Some(0), String::new()));
}
