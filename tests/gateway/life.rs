//! The life of the process: start, panics, two in one process, and the end in order.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::join;
use tidegate::{
    app::App,
    sim::{Family, Fault, Sim},
    tasks::Tasks,
};
use tokio::{net::TcpStream, time::Instant};

use crate::{
    client::ask,
    fake::{Fake, candles},
    rig::{Rig, SOON, before, eventually, lenient, metric, ms, port, settings},
    valve::Valve,
};

const BOOK: &str = "/api/market-data/orderbook/BTC-USD";
const CANDLES: &str = "/api/market-data/ohlcv/BTC-USD?limit=5";
const TICKER: &str = "/api/market-data/ticker/BTC-USD";

/// The built program; it ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn serve(listen: &str, rest_url: &str, settings: &[(&str, &str)]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(["serve", "--listen", listen]);
    command.env("TIDEGATE__EXCHANGES__BITFINEX__REST_URL", rest_url);
    command.env("TIDEGATE__FEED__ENABLED", "false");
    command.envs(settings.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Process(command.spawn().expect("the program starts"))
}

impl Process {
    /// Where it says that it listens.
    fn address(&mut self) -> SocketAddr {
        let mut lines = BufReader::new(self.0.stdout.take().expect("piped")).lines();
        let said = lines
            .find_map(|line| Some(line.ok()?.split_once("listening on http://")?.1.to_owned()));
        let address = said.expect("it says where it listens").parse().expect("an address");
        // Whatever else it says is read, so that it never waits for a reader.
        let _reader = std::thread::spawn(move || lines.count());
        address
    }

    fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    async fn exit_code(&mut self, within: Duration) -> Option<i32> {
        let child = std::cell::RefCell::new(&mut self.0);
        let ended = async || child.borrow_mut().try_wait().expect("a child");
        eventually(within, "the program ends", ended).await.code()
    }
}

async fn exchange() -> (Sim, Tasks) {
    let tasks = Tasks::new(|_| {});
    (Sim::start(lenient(), port().await, &tasks).await.expect("a simulated exchange"), tasks)
}

/// SIGTERM: `/readyz` says so, connections are taken for as long as was promised, a request in
/// flight is answered, the exit code is 0. SIGINT does the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_it_in_order() {
    join(ends_in_order("TERM"), ends_in_order("INT")).await;
}

async fn ends_in_order(signal: &str) {
    // Time enough, on the busiest machine, for all that is asked before connections are refused.
    const DELAY: Duration = ms(10_000);
    let (sim, _tasks) = exchange().await;
    let valve = Valve::before(&sim.rest_url()).await;
    let times = [
        ("TIDEGATE__SERVER__DRAIN_DELAY", "10s"),
        ("TIDEGATE__SERVER__DRAIN_GRACE", "70s"),
        ("TIDEGATE__SERVER__REQUEST_DEADLINE", "60s"),
        ("TIDEGATE__EXCHANGES__BITFINEX__REQUEST_TIMEOUT", "60s"),
        ("TIDEGATE__CACHE__TICKER__TTL", "10m"),
    ];
    let mut process = serve("127.0.0.1:0", &valve.rest_url(), &times);
    let address = process.address();
    assert_eq!(ask(address, "GET", "/readyz", &[]).await.status, 200);
    assert_eq!(ask(address, "GET", TICKER, &[]).await.status, 200);
    sim.reset_counts();
    valve.close();
    let in_flight = ask(address, "GET", BOOK, &[]);
    let the_rest = async {
        let under_way = async || (sim.counts().of(Family::Book) == 1).then_some(());
        eventually(SOON, "a request in flight", under_way).await;
        let signalled = Instant::now();
        process.signal(signal);
        let draining = async || {
            let reply = ask(address, "GET", "/readyz", &[]).await;
            (reply.status == 503).then_some(reply)
        };
        let reply = eventually(DELAY, "/readyz says that it is draining", draining).await;
        reply.problem("/readyz", 503, "draining");
        assert_eq!(ask(address, "GET", "/livez", &[]).await.status, 200);
        assert_eq!(ask(address, "GET", TICKER, &[]).await.status, 200, "still served");
        let refused = async || TcpStream::connect(address).await.err();
        eventually(SOON, "connections are refused", refused).await;
        let lasted = signalled.elapsed();
        assert!(lasted >= DELAY - ms(10), "refused after {lasted:?}");
        valve.open();
    };
    let (reply, ()) = tokio::join!(in_flight, the_rest);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["symbol"], "BTC/USD");
    assert_eq!(process.exit_code(SOON).await, Some(0), "{signal}");
}

/// What is not done within the grace is given up, and the exit code tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_grace_has_an_end() {
    let (sim, _tasks) = exchange().await;
    let times = [
        ("TIDEGATE__SERVER__DRAIN_DELAY", "0s"),
        ("TIDEGATE__SERVER__DRAIN_GRACE", "300ms"),
        ("TIDEGATE__SERVER__REQUEST_DEADLINE", "60s"),
        ("TIDEGATE__EXCHANGES__BITFINEX__REQUEST_TIMEOUT", "60s"),
    ];
    let mut process = serve("127.0.0.1:0", &sim.rest_url(), &times);
    let address = process.address();
    assert_eq!(ask(address, "GET", TICKER, &[]).await.status, 200);
    sim.reset_counts();
    sim.fault(Fault::Hang.always());
    let request = crate::client::head("GET", BOOK, &[]);
    let _in_flight = crate::client::send(address, request.as_bytes()).await.unwrap();
    let under_way = async || (sim.counts().of(Family::Book) == 1).then_some(());
    eventually(SOON, "a request in flight", under_way).await;
    let signalled = Instant::now();
    process.signal("TERM");
    assert_eq!(process.exit_code(SOON).await, Some(1));
    assert!(signalled.elapsed() >= ms(300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_a_clear_error() {
    let taken = port().await;
    let address = taken.local_addr().unwrap().to_string();
    let mut process = serve(&address, "http://127.0.0.1:9", &[]);
    assert_eq!(process.exit_code(SOON).await, Some(1));
    let mut said = String::new();
    process.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
    assert!(said.contains("in use"), "{said}");
}

/// An exchange that is down does not make the gateway unready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_ready_without_its_exchange() {
    let mut process = serve("127.0.0.1:0", "http://127.0.0.1:9", &[]);
    let address = process.address();
    assert_eq!(ask(address, "GET", "/readyz", &[]).await.status, 200);
    ask(address, "GET", TICKER, &[]).await.problem(TICKER, 503, "exchange_unavailable");
    let started = Instant::now();
    process.signal("TERM");
    assert_eq!(process.exit_code(SOON).await, Some(0));
    assert!(started.elapsed() >= ms(1_000), "the delay is kept");
}

const PANICS: &str = "tidegate_task_panics_total";

/// Who waits for a task hears of its panic before that is counted.
async fn is_counted(app: &App, labels: &str) {
    let counted = async || (metric(app, PANICS, labels).await == 1.0).then_some(());
    eventually(SOON, "a panic is counted", counted).await;
}

/// A task that panics ends alone, is counted, and is an error for those who waited for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_counted_and_ends_alone() {
    let sick = AtomicBool::new(true);
    let panics_once =
        move |what: &str| assert!(!sick.swap(false, Ordering::SeqCst), "{what} panics");
    let fake = Fake {
        candles: Box::new(move |_| {
            panics_once("candles");
            Ok(candles(&[1.0, 2.0, 3.0]))
        }),
        ..Fake::default()
    };
    let app = before(fake, settings()).await;
    let reply = ask(app.address(), "GET", CANDLES, &[]).await;
    let document = reply.problem(CANDLES, 500, "internal");
    assert!(!document.to_string().contains("panics"), "the client is not told our secrets");
    is_counted(&app, "task=\"flight\"").await;
    assert_eq!(metric(&app, PANICS, "").await, 1.0);
    let reply = ask(app.address(), "GET", CANDLES, &[]).await;
    assert_eq!((reply.status, reply.json()["candles"][2]["close"].as_f64()), (200, Some(3.0)));

    let sick = AtomicBool::new(true);
    let ticker = Fake::default().ticker;
    let fake = Fake {
        ticker: Box::new(move |market| {
            assert!(!sick.swap(false, Ordering::SeqCst), "a ticker panics");
            ticker(market)
        }),
        ..Fake::default()
    };
    let app = before(fake, settings()).await;
    ask(app.address(), "GET", TICKER, &[]).await.problem(TICKER, 500, "internal");
    is_counted(&app, "task=\"merged load\"").await;
    let well = async || {
        Some(ask(app.address(), "GET", TICKER, &[]).await).filter(|reply| reply.status == 200)
    };
    eventually(SOON, "a ticker after the panic", well).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_in_one_process_share_nothing() {
    let (one, other) = (Rig::start(settings()).await, Rig::start(settings()).await);
    for _ in 0..3 {
        assert_eq!(one.get(TICKER).await.status, 200);
    }
    let tickers = "endpoint=\"ticker\"";
    assert_eq!(one.metric("tidegate_requests_total", tickers).await, 3.0);
    assert_eq!(other.metric("tidegate_requests_total", tickers).await, 0.0);
    assert_eq!((one.calls(Family::Ticker), other.calls(Family::Ticker)), (1, 0));
    let hot = async |rig: &Rig| rig.status().await["hot"].to_string().contains("ticker tBTCUSD");
    assert!(hot(&one).await && !hot(&other).await);
}
