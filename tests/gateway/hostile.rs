//! Clients that are slow, greedy, malformed or malicious: each is bounded, and no other suffers.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use tidegate::config::Config;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    client::{Reply, ask, drain, head, send},
    rig::{Rig, SOON, eventually, for_each_product, ms, policy, settings},
    time::passes,
};

const TICKER: &str = "/api/market-data/ticker/BTC-USD";

async fn rig(change: impl FnOnce(&mut Config)) -> Rig {
    let mut config = settings();
    change(&mut config);
    Rig::start(config).await
}

async fn is_well(rig: &Rig) {
    let reply = rig.get(TICKER).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// The status of whatever is sent as is; `None` if the connection ends without an answer.
async fn status_of(address: SocketAddr, bytes: &[u8]) -> Option<u16> {
    let mut stream = send(address, bytes).await.unwrap();
    let _half = stream.shutdown().await;
    let answer = drain(&mut stream).await;
    Reply::parse(&answer, true).map(|(reply, _)| reply.status)
}

/// Sends many requests over one connection and gives the answers, in the order asked.
async fn pipelined(address: SocketAddr, paths: &[String]) -> Vec<Reply> {
    let requests = paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
    let requests: String = requests.collect();
    let mut stream = send(address, requests.as_bytes()).await.unwrap();
    let (mut bytes, mut replies) = (Vec::new(), Vec::new());
    while replies.len() < paths.len() {
        let mut chunk = [0; 65_536];
        let read = timeout(SOON, stream.read(&mut chunk)).await.expect("an answer").unwrap();
        assert!(read > 0, "closed after {} answers", replies.len());
        bytes.extend_from_slice(&chunk[..read]);
        let mut used = 0;
        while let Some((reply, rest)) = Reply::parse(&bytes[used..], true) {
            used = bytes.len() - rest.len();
            replies.push(reply);
        }
        bytes.drain(..used);
    }
    assert!(bytes.is_empty(), "more than was asked for");
    replies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_and_uris_have_bounds() {
    let rig = rig(|_| {}).await;
    let address = rig.app.address();
    let long = "x".repeat(20_000);
    assert_eq!(rig.get_with(TICKER, "x-padding", &long).await.status, 431);
    let many: Vec<(String, &str)> = (0..100).map(|n| (format!("x-{n}"), "1")).collect();
    let many: Vec<(&str, &str)> =
        many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(ask(address, "GET", TICKER, &many).await.status, 431);
    let fitting = "x".repeat(7_000);
    assert_eq!(rig.get_with(TICKER, "x-padding", &fitting).await.status, 200);

    for (path, echoed) in [
        (format!("{TICKER}?exchange={}", "x".repeat(8_192)), TICKER),
        (format!("/{}", "x/".repeat(4_096)), ""),
    ] {
        let reply = rig.get(&path).await;
        let document = reply.problem(echoed, 414, "uri_too_long");
        assert!(document["detail"].as_str().unwrap().contains("4096"), "{document}");
    }
    let endless = format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000));
    assert!(matches!(status_of(address, endless.as_bytes()).await, Some(414 | 431)));
    is_well(&rig).await;
}

/// Whoever does not send his headers in time is cut off, even if he sends a little all the time;
/// so is who connects and says nothing, and who keeps a connection idle.
#[tokio::test(start_paused = true)]
async fn slow_headers_are_cut() {
    passes();
    let rig = rig(|config| config.server.limits.header_timeout = ms(500)).await;
    let address = rig.app.address();
    let within = |lasted: Duration| assert!((ms(450)..ms(2_500)).contains(&lasted), "{lasted:?}");

    let slow = async || {
        let (started, mut end) = (Instant::now(), [0; 256]);
        let (mut input, mut output) = TcpStream::connect(address).await.unwrap().into_split();
        let trickle = async {
            output.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
            while output.write_all(b"x-slow: 1\r\n").await.is_ok() {
                tokio::time::sleep(ms(50)).await;
            }
        };
        let cut = async { while matches!(input.read(&mut end).await, Ok(1..)) {} };
        let both = async {
            tokio::select! {
                () = trickle => {}
                () = cut => {}
            }
        };
        timeout(ms(10_000), both).await.expect("cut");
        within(started.elapsed());
    };
    let silent = async {
        let started = Instant::now();
        drain(&mut TcpStream::connect(address).await.unwrap()).await;
        within(started.elapsed());
    };
    let idle = async {
        let started = Instant::now();
        let mut stream = send(address, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let bytes = drain(&mut stream).await;
        assert_eq!(Reply::parse(&bytes, true).unwrap().0.status, 200);
        within(started.elapsed());
    };
    tokio::join!(join_all((0..20).map(|_| slow())), silent, idle);
    is_well(&rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_too_many_is_told_so() {
    let rig = rig(|config| config.server.limits.max_connections = 5).await;
    let address = rig.app.address();
    // A connection that was let in, which only an answer tells.
    let let_in = async || {
        let mut stream = send(address, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut bytes = Vec::new();
        while Reply::parse(&bytes, true).is_none() {
            let read = timeout(SOON, stream.read_buf(&mut bytes)).await.expect("an answer");
            assert!(read.unwrap() > 0, "closed without an answer");
        }
        Reply::parse(&bytes, true).filter(|(reply, _)| reply.status == 200).map(|_| stream)
    };
    let mut held = Vec::new();
    for _ in 0..5 {
        // The rig's own last connection may still be on its way out.
        held.push(eventually(SOON, "room for one more", &let_in).await);
    }
    for _ in 0..2 {
        let reply = rig.get(TICKER).await;
        reply.problem("", 503, "overloaded");
        assert_eq!(reply.header("connection"), Some("close"));
    }
    held.pop();
    rig.recovers(SOON, TICKER).await;
    drop(held);
    let free = async || (rig.metric("tidegate_connections_open", "").await <= 1.0).then_some(());
    eventually(SOON, "room again", free).await;
    assert!(rig.metric("tidegate_connections_refused_total", "").await >= 2.0);
}

#[tokio::test(start_paused = true)]
async fn too_many_who_wait_are_told_so() {
    passes();
    let rig = rig(|config| config.server.limits.max_waiting = 4).await;
    is_well(&rig).await;
    let book = "/api/market-data/orderbook/BTC-USD";
    rig.sim.fault(tidegate::sim::Fault::delay(ms(800)).always());
    let replies = rig.crowd(20, book).await;
    let (served, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!((served.len(), refused.len()), (4, 16));
    for reply in refused {
        reply.problem(book, 503, "overloaded");
        assert!(reply.took < ms(800), "told at once: {:?}", reply.took);
    }
    is_well(&rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_in_a_path_names_no_market_and_goes_nowhere() {
    let rig = rig(|_| {}).await;
    let rubbish = [
        "%00",
        "BTC%00USD",
        "%ff",
        "%ff%fe",
        "%c0%af",
        "%c0%ae%c0%ae%c0%af",
        "%e2%82%ac",
        "..%2f..%2fetc%2fpasswd",
        "../../../etc/passwd",
        "%2e%2e/%2e%2e",
        "BTC%252FUSD",
        "%",
        "%zz",
        "%2",
        "BTC%0d%0aX-Evil:1",
        "BTC%20USD",
        "tBTCUSD%3Fkeys=ALL",
        "tBTCUSD%23",
        "trade:1m:tBTCUSD",
        "%F0%9F%92%A9",
        "\u{e9}",
        ";BTC-USD",
        "BTC+USD",
        "'--",
        "%22%5c",
    ];
    for endpoint in ["ticker", "ohlcv", "orderbook", "trades", "market-context", "validate-market"]
    {
        for symbol in rubbish {
            let path = format!("/api/market-data/{endpoint}/{symbol}");
            let reply = rig.get(&path).await;
            assert!(
                matches!(reply.status, 400 | 404 | 422),
                "{path}: {} {}",
                reply.status,
                reply.text()
            );
            assert!(reply.header("x-evil").is_none());
            let code = if reply.status == 404 { "unknown_symbol" } else { "invalid_parameter" };
            if reply.status != 400 {
                reply.problem(&path, reply.status, code);
            }
        }
    }
    for query in [
        "limit=%00",
        "limit=%ff",
        "since=%c0%af",
        "timeframe=%0d%0a",
        "=",
        "&&&",
        "%00=1",
        "limit",
        "a[]=1",
        "limit=5%00",
    ] {
        let path = format!("/api/market-data/ohlcv/BTC-USD?{query}");
        let reply = rig.get(&path).await;
        if query != "&&&" {
            reply.problem(&path, 422, "invalid_parameter");
        }
    }
    let counts = rig.sim.counts();
    assert!(counts.total() <= 1, "only `&&&`, which says nothing, may ask: {:?}", rig.sim.log());
    is_well(&rig).await;
}

/// However many names and spellings are tried, what is held stays within its bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_whatever_is_asked() {
    const BOUND: u64 = 1024 * 1024;
    let rig = rig(|config| {
        config.cache.max_bytes = BOUND;
        // However long all of it takes, what is held is fresh.
        for_each_product(config, policy([3_600_000, 0, 0, 1_000]));
    })
    .await;
    let address = rig.app.address();
    is_well(&rig).await;
    assert_eq!(rig.get("/api/market-data/orderbook/BTC-USD?limit=250").await.status, 200);
    let (calls, before) =
        (rig.sim.counts().total(), rig.status().await["cache"]["entries"].as_u64().unwrap());

    let unknown: Vec<String> =
        (0..3_000).map(|n| format!("/api/market-data/ticker/X{n}-Y{n}")).collect();
    for chunk in unknown.chunks(500) {
        assert!(pipelined(address, chunk).await.iter().all(|reply| reply.status == 404));
    }
    let wrong: Vec<String> = (0..2_000).map(|n| format!("{TICKER}?x{n}={n}")).collect();
    for chunk in wrong.chunks(500) {
        assert!(pipelined(address, chunk).await.iter().all(|reply| reply.status == 422));
    }
    let status = rig.status().await;
    assert_eq!(status["cache"]["entries"], before, "nothing is kept of what does not exist");
    // Every spelling of the same thing is an answer of its own.
    let spelled = |n: usize| -> String {
        let letter = |(bit, letter): (usize, char)| {
            if n >> bit & 1 == 1 { letter.to_ascii_lowercase() } else { letter }
        };
        "BTCUSD".chars().enumerate().map(letter).collect()
    };
    let path =
        |n: usize| format!("/api/market-data/orderbook/{}?limit={}", spelled(n % 64), 200 + n / 64);
    let valid: Vec<String> = (0..1_500).map(path).collect();
    for chunk in valid.chunks(100) {
        assert!(pipelined(address, chunk).await.iter().all(|reply| reply.status == 200));
        let bytes = rig.status().await["cache"]["bytes"].as_u64().unwrap();
        assert!(bytes <= BOUND, "{bytes} bytes held");
    }
    let status = rig.status().await;
    assert!(status["cache"]["entries"].as_u64().unwrap() < 500, "{}", status["cache"]);
    assert_eq!(rig.sim.counts().total(), calls, "nothing of this asks the exchange");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_their_order() {
    let rig = rig(|_| {}).await;
    let paths = [
        "ticker/BTC-USD",
        "ticker/NO-PE",
        "orderbook/ETH-USD",
        "ticker/BTC-USD?x=1",
        "markets",
        "ticker/ETH-USD",
    ];
    let paths = paths.map(|path| format!("/api/market-data/{path}"));
    let replies = pipelined(rig.app.address(), &paths).await;
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 404, 200, 422, 200, 200]);
    assert_eq!(replies[2].json()["symbol"], "ETH/USD");
    assert_eq!(replies[5].json()["symbol"], "ETH/USD");
    assert_eq!(replies[0].json()["symbol"], "BTC/USD");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_http_is_sent_away() {
    let rig = rig(|_| {}).await;
    let address = rig.app.address();
    let garbage: [&[u8]; 8] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00\x00\x00\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /",
    ];
    for bytes in garbage {
        let status = status_of(address, bytes).await;
        assert!(matches!(status, None | Some(200 | 400 | 505)), "{bytes:?}: {status:?}");
    }
    let posted = [("content-type", "application/json"), ("content-length", "100000")];
    let mut post = head("POST", TICKER, &posted).into_bytes();
    post.resize(post.len() + 100_000, b'x');
    assert_eq!(status_of(address, &post).await, Some(405));
    let empty = status_of(address, b"").await;
    assert_eq!(empty, None);
    is_well(&rig).await;
    assert_eq!(rig.metric("tidegate_task_panics_total", "").await, 0.0);
}

/// Who asks and asks and never reads is no longer listened to, others are.
#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_hurts_nobody() {
    passes();
    let rig = rig(|_| {}).await;
    let book = "/api/market-data/orderbook/BTC-USD?limit=250";
    assert_eq!(rig.get(book).await.status, 200);
    let request = format!("GET {book} HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut stream = TcpStream::connect(rig.app.address()).await.unwrap();
    let mut sent = 0;
    // Until neither side's buffers take anything more.
    while timeout(ms(500), stream.write_all(request.as_bytes())).await.is_ok() {
        sent += 1;
        assert!(sent < 2_000_000, "answers pile up without bound");
    }
    assert!(sent > 100);
    for _ in 0..20 {
        is_well(&rig).await;
    }
    drop(stream);
    let gone = async || (rig.metric("tidegate_connections_open", "").await <= 1.0).then_some(());
    eventually(SOON, "its connection is given up", gone).await;
}
