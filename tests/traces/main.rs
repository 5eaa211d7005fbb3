//! Traces as a collector gets them, from the built program in front of a simulated exchange.

#[path = "../explain/valve.rs"]
mod valve;

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::{Router, body::Bytes, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{Span, span::SpanKind},
};
use prost::Message as _;
use tidegate::{
    sim::{Family, Sim, SimConfig},
    tasks::Tasks,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    time::{sleep, timeout},
};

use valve::Valve;

const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(5);
const BOOK: &str = "/api/market-data/orderbook/BTC-USD";
const FIRST: &str = "0af7651916cd43dd8448eb211c80319c";
const SECOND: &str = "1bf7651916cd43dd8448eb211c80319d";
const PARENT: &str = "b7ad6b7169203331";

/// A collector, and what it was sent.
struct Collector {
    root: String,
    spans: mpsc::UnboundedReceiver<Span>,
    seen: Vec<Span>,
}

impl Collector {
    async fn start(tasks: &Tasks) -> Self {
        let (into, spans) = mpsc::unbounded_channel();
        let take = move |body: Bytes| async move {
            let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
            for spans in request.resource_spans {
                let resource = spans.resource.expect("a resource");
                assert!(resource.attributes.iter().any(|one| one.key == "service.name"));
                for span in spans.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    let _unheard = into.send(span);
                }
            }
            Bytes::new()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(take));
        tasks.spawn("collector", async move { axum::serve(listener, router).await.unwrap() });
        Self { root, spans, seen: Vec::new() }
    }

    /// Waits until `find` finds something among all spans that came.
    async fn until<T>(&mut self, what: &str, find: impl Fn(&[Span]) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = find(&self.seen) {
                    return found;
                }
                self.seen.push(self.spans.recv().await.expect("the collector runs"));
            }
        };
        timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{what} did not come"))
    }
}

/// The built program; it ends with the test.
struct Process(Child, String);

impl Process {
    fn start(exchange: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--rest-url", exchange]);
        command.env("TIDEGATE__FEED__ENABLED", "false").env("TIDEGATE__LOG__FILTER", "warn");
        command.envs(settings.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let root =
            lines.find_map(|line| Some(line.ok()?.split_once("listening on ")?.1.to_owned()));
        Self(child, root.expect("it says where it listens"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn client() -> reqwest::Client {
    // Another test of this process may have installed it already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn get(client: &reqwest::Client, url: &str, trace: &str) -> u16 {
    let parent = format!("00-{trace}-{PARENT}-01");
    let request = client.get(url).header("traceparent", parent).send();
    timeout(PATIENCE, request).await.expect("in time").expect("an answer").status().as_u16()
}

/// Sends a request over a connection of its own.
async fn send(root: &str, path: &str, trace: &str) -> TcpStream {
    let mut stream = TcpStream::connect(root.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: tidegate\r\nconnection: close\r\n\
         traceparent: 00-{trace}-{PARENT}-01\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The status of its answer.
async fn status(mut stream: TcpStream) -> u16 {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_trace(trace: &str, name: &str, spans: &[Span]) -> Option<Span> {
    spans.iter().find(|span| span.name == name && hex(&span.trace_id) == trace).cloned()
}

/// Two requests for the same book, the second while the first one's fetch is under way: one flight
/// in the trace of the first, to which the second is linked; the trace goes on to the exchange.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_are_linked_to_the_one_flight_and_the_exchange_is_told_the_trace() {
    let tasks = Tasks::new(|_| {});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sim = Sim::start(SimConfig::default(), listener, &tasks).await.unwrap();
    let valve = Valve::before(&sim.rest_url()).await;
    let mut collector = Collector::start(&tasks).await;
    let settings = [
        ("TIDEGATE__TRACES__ENDPOINT", collector.root.as_str()),
        ("TIDEGATE__TRACES__INTERVAL", "100ms"),
        ("TIDEGATE__CACHE__ORDERBOOK__TTL", "1h"),
        ("TIDEGATE__SERVER__REQUEST_DEADLINE", "60s"),
        ("TIDEGATE__EXCHANGES__BITFINEX__REQUEST_TIMEOUT", "60s"),
        // One after the other takes its connections in their order.
        ("TOKIO_WORKER_THREADS", "1"),
    ];
    let process = Process::start(&valve.rest_url(), &settings);
    let url = format!("{}{BOOK}", process.1);
    let warm = format!("{}/api/market-data/markets", process.1);
    let other = "2cf7651916cd43dd8448eb211c80319e";
    assert_eq!(get(&client(), &warm, other).await, 200);

    valve.close();
    let counts = || sim.counts().of(Family::Book);
    let joined = async {
        while counts() == 0 {
            sleep(LOOK).await;
        }
        let second = send(&process.1, BOOK, SECOND).await;
        // Whoever comes later is answered when the second waits for the flight.
        for _ in 0..2 {
            assert_eq!(get(&client(), &warm, other).await, 200);
        }
        valve.open();
        timeout(PATIENCE, status(second)).await.expect("in time")
    };
    let client = client();
    let answers = tokio::join!(get(&client, &url, FIRST), joined);
    assert_eq!((answers, counts()), ((200, 200), 1));

    let first = collector.until("the first request", |it| of_trace(FIRST, "request", it)).await;
    let second = collector.until("the second request", |it| of_trace(SECOND, "request", it)).await;
    let flight = collector.until("the flight", |it| of_trace(FIRST, "flight", it)).await;
    let call = collector.until("the call", |it| of_trace(FIRST, "GET", it)).await;
    assert_eq!([&first, &second].map(|span| hex(&span.parent_span_id)), [PARENT, PARENT]);
    assert_eq!([&first, &call].map(|span| span.kind()), [SpanKind::Server, SpanKind::Client]);
    assert_eq!(flight.parent_span_id, first.span_id);
    assert_eq!(call.parent_span_id, flight.span_id);
    let links: Vec<_> = second.links.iter().map(|link| link.span_id.clone()).collect();
    assert_eq!(links, std::slice::from_ref(&flight.span_id));
    let flights = collector.seen.iter().filter(|span| {
        let key = span.attributes.iter().find(|one| one.key == "key");
        span.name == "flight" && format!("{key:?}").contains("book")
    });
    assert_eq!(flights.count(), 1);

    let told = valve.asked().to_lowercase();
    let expected = format!("traceparent: 00-{FIRST}-{}-01", hex(&call.span_id));
    assert!(told.contains(&expected), "{expected} is not in {told}");

    // An answer from memory is a part of its sender's trace as well.
    let third = "3df7651916cd43dd8448eb211c80319f";
    assert_eq!((get(&client, &url, third).await, counts()), (200, 1));
    let hit = collector.until("the hit", |it| of_trace(third, "request", it)).await;
    assert_eq!(hex(&hit.parent_span_id), PARENT);
}

/// A collector that is not there costs clients nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_gone_keeps_nobody_waiting() {
    let tasks = Tasks::new(|_| {});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sim = Sim::start(SimConfig::default(), listener, &tasks).await.unwrap();
    // It is taken, so that nobody else comes to listen there.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    let settings = [
        ("TIDEGATE__TRACES__ENDPOINT", endpoint.as_str()),
        ("TIDEGATE__TRACES__INTERVAL", "100ms"),
        ("TIDEGATE__CACHE__ORDERBOOK__TTL", "1h"),
    ];
    let process = Process::start(&sim.rest_url(), &settings);
    let client = client();
    let url = format!("{}{BOOK}", process.1);
    for _ in 0..50 {
        assert_eq!(get(&client, &url, FIRST).await, 200);
    }
    assert_eq!(sim.counts().of(Family::Book), 1);
}
