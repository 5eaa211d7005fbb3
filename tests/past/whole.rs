//! Backfill through real gateways into a real store: one in process, one that runs, one that is
//! killed in the middle.

use std::{fs, net::SocketAddr, path::PathBuf, process::Stdio, time::Duration};

use serde_json::Value;
use tidegate::{
    app::App,
    config::Config,
    sim::{Family, Fault, FaultRule, Sim},
    tasks::Tasks,
};
use tokio::{
    net::TcpSocket,
    time::{sleep, timeout},
};

use crate::{
    candles::{PATIENCE, exchange, nowhere},
    run, tidegate,
};

/// Two pages of minutes.
const PAST: [&str; 4] = ["--since", "2026-01-01T00:00:00Z", "--until", "2026-01-18T23:59:00Z"];

struct Bench {
    sim: Sim,
    folder: PathBuf,
    /// Nobody listens there, unless it is given to somebody.
    socket: TcpSocket,
    listen: SocketAddr,
    _tasks: Tasks,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Bench {
    async fn new(name: &str) -> Self {
        let (sim, _clock, _tasks) = exchange().await;
        let folder = std::env::temp_dir().join(format!("tidegate-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let socket = nowhere();
        let listen = socket.local_addr().unwrap();
        Self { sim, folder, socket, listen, _tasks }
    }

    fn args(&self) -> Vec<String> {
        let path = format!("store.path={}", self.folder.join("store.sqlite").display());
        let fixed = ["backfill", "--symbol", "BTC/USD", "--timeframe", "1m", "--json"];
        let patience = PATIENCE.as_secs();
        let settings = [
            ("--set", path),
            ("--set", format!("server.request_deadline={patience}s")),
            ("--set", format!("exchanges.bitfinex.request_timeout={patience}s")),
            ("--rest-url", self.sim.rest_url()),
            ("--listen", self.listen.to_string()),
        ];
        let settings = settings.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        fixed.iter().chain(&PAST).map(ToString::to_string).chain(settings).collect()
    }

    /// The command to its end; its exit code and its summary.
    async fn backfill(&self) -> (i32, Value) {
        let args = self.args();
        let run = move || run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let (code, out, err) = tokio::task::spawn_blocking(run).await.unwrap();
        (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out} {err}")))
    }

    fn calls(&self) -> u64 {
        self.sim.counts().of(Family::Candles)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_fetched_costs_nothing_again_whoever_asks() {
    let mut bench = Bench::new("backfill").await;
    let (code, first) = bench.backfill().await;
    assert_eq!((code, &first["outcome"]), (0, &"done".into()), "{first}");
    let calls = bench.calls();
    assert_eq!(calls, first["calls"].as_u64().unwrap(), "{first}");
    assert!((2..=4).contains(&calls), "{first}");
    let bars = first["bars"].as_u64().unwrap();
    assert!(bars > 10_000, "{first}");
    let (code, second) = bench.backfill().await;
    assert_eq!((code, second["calls"].as_u64(), second["bars"].as_u64()), (0, Some(0), Some(bars)));
    assert_eq!(bench.calls(), calls);

    // A gateway with the same store answers from it, and the command asks that one.
    let mut config = Config::default();
    config.exchanges["bitfinex"].rest_url = bench.sim.rest_url();
    config.feed.enabled = false;
    config.store.path = Some(bench.folder.join("store.sqlite"));
    config.server.listen = bench.listen;
    let socket = std::mem::replace(&mut bench.socket, nowhere());
    let listener = socket.listen(128).unwrap();
    let app = App::start(config, listener).await.unwrap();
    let (code, third) = bench.backfill().await;
    assert_eq!((code, third["calls"].as_u64(), third["bars"].as_u64()), (0, Some(0), Some(bars)));
    assert_eq!(bench.calls(), calls);
    assert!(app.drain().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_run_had_stored_is_not_fetched_again() {
    let reference = Bench::new("reference").await;
    let (_, whole) = reference.backfill().await;
    let calls = reference.sim.log().into_iter().filter(|call| call.family == Family::Candles);
    let second = calls.map(|call| call.path).nth(1).expect("there are two pages");

    let bench = Bench::new("killed").await;
    let never = Fault::Hang.times(Family::Candles, 1);
    bench.sim.fault(FaultRule { path: Some(second), ..never });
    let mut child = {
        let args = bench.args();
        tidegate(&args.iter().map(String::as_str).collect::<Vec<_>>())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    // The second page has been asked for, so that the first one is stored, and does not come; then
    // it dies.
    let asked = async {
        while bench.calls() < 2 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, asked).await.expect("two pages are asked for");
    child.kill().unwrap();
    child.wait().unwrap();
    let before = bench.calls();
    let (code, rest) = bench.backfill().await;
    assert_eq!((code, &rest["outcome"]), (0, &"done".into()), "{rest}");
    let (again, in_all) = (bench.calls() - before, bench.calls());
    assert!(again <= 3 && in_all <= 5, "{again} of {in_all}: {rest}");
    assert_eq!(rest["bars"], whole["bars"], "not a bar is missing or twice");
    assert_eq!(again, reference.calls() - 1, "the first page was kept");
}
