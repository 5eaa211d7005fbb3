//! Counting, limits, bans, and what a connection may expect.

use std::time::Duration;

use tidegate::sim::{Family, Limits, Refusal, SimConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::support::{calm, start};

const REFUSED: &str = r#"["error",11010,"ratelimit: error"]"#;

#[tokio::test]
async fn documented_limits_hold_by_default_and_apart_for_each_family() {
    let bench = start(SimConfig { enforce: true, ..calm() }).await;
    for (path, limit) in [
        ("/v2/candles/trade:1m:tBTCUSD/last", 30),
        ("/v2/trades/tBTCUSD/hist?limit=1", 15),
        ("/v2/tickers?symbols=tBTCUSD", 30),
        ("/v2/stats1/pos.size:1m:tBTCUSD:long/last", 15),
        ("/v2/platform/status", 30),
    ] {
        for call in 0..limit {
            assert_eq!(bench.get(path).await.status, 200, "{path} {call}");
        }
        for _ in 0..3 {
            assert_eq!(bench.answer(path).await, (429, REFUSED.to_owned()), "{path}");
        }
    }
    assert_eq!(bench.get("/v2/ticker/tBTCUSD").await.status, 200, "another family is open");
    let counts = bench.sim.counts();
    assert_eq!(counts.of(Family::Candles), 33);
    assert_eq!(counts.peak_of(Family::Candles), 33);
    assert_eq!(counts.refused[&Family::Trades], 3);
    assert_eq!(counts.total(), 30 + 15 + 30 + 15 + 30 + 15 + 1);
    assert_eq!(counts.refused_total(), 15);
    let log = bench.sim.log();
    assert_eq!(log.len() as u64, counts.total());
    assert_eq!(
        (log[30].path.as_str(), log[30].status),
        ("/v2/candles/trade:1m:tBTCUSD/last", Some(429))
    );
    bench.sim.reset_counts();
    assert_eq!(bench.sim.counts().total(), 0);
    assert_eq!(bench.get("/v2/platform/status").await.status, 429, "the ban goes on");
}

#[tokio::test]
async fn a_ban_lasts_its_time_and_asking_on_does_not_prolong_it() {
    // Longer than four calls take.
    let time = Duration::from_secs(6);
    let limits = Some(Limits { book: 3, ..Limits::DOCUMENTED });
    let bench = start(SimConfig { enforce: true, limits, window: time, ban: time, ..calm() }).await;
    let path = "/v2/book/tBTCUSD/P0?len=1";
    for _ in 0..3 {
        assert_eq!(bench.get(path).await.status, 200);
    }
    let before = Instant::now();
    assert_eq!(bench.answer(path).await, (429, REFUSED.to_owned()));
    let mut refused = 0;
    let let_in = async {
        while bench.get(path).await.status == 429 {
            refused += 1;
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), let_in).await.expect("the ban ends");
    assert!(before.elapsed() >= time, "{refused} calls were refused on the way");
    assert!(refused > 5, "{refused}");
    assert_eq!(bench.sim.counts().refused_total(), refused + 1);
}

#[tokio::test]
async fn the_other_refusal_and_no_refusal() {
    let limits = Some(Limits::all(1));
    let refusal = Refusal::Object;
    let bench = start(SimConfig { enforce: true, limits, refusal, ..calm() }).await;
    assert_eq!(bench.get("/v2/ticker/tBTCUSD").await.status, 200);
    let expected = (429, r#"{"error":"ERR_RATE_LIMIT"}"#.to_owned());
    assert_eq!(bench.answer("/v2/ticker/tETHUSD").await, expected);

    let bench = start(SimConfig { limits, ..calm() }).await;
    for _ in 0..40 {
        assert_eq!(bench.get("/v2/ticker/tBTCUSD").await.status, 200);
    }
    assert_eq!(bench.sim.counts().peak_of(Family::Ticker), 40, "counted all the same");
}

#[tokio::test]
async fn latency_is_added_to_each_answer() {
    let latency = Duration::from_millis(120);
    let bench = start(SimConfig { latency, ..calm() }).await;
    for _ in 0..2 {
        let before = Instant::now();
        bench.get("/v2/platform/status").await;
        assert!(before.elapsed() >= latency);
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let bench = start(calm()).await;
    let mut socket = TcpStream::connect(bench.sim.addr()).await.unwrap();
    let request = "GET /v2/platform/status HTTP/1.1\r\nhost: sim\r\n\r\n";
    // The second and third are sent without waiting for an answer.
    socket.write_all(request.as_bytes()).await.unwrap();
    socket.write_all(request.repeat(2).as_bytes()).await.unwrap();
    let mut seen = String::new();
    while seen.matches("\r\n\r\n[1]").count() < 3 {
        let mut piece = [0; 4_096];
        let read = socket.read(&mut piece).await.unwrap();
        assert!(read > 0, "the connection stays open: {seen}");
        seen.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    assert_eq!(seen.matches("HTTP/1.1 200 OK\r\n").count(), 3);
    assert_eq!(bench.sim.counts().total(), 3);
}

#[tokio::test]
async fn it_stops_with_its_tasks_even_while_a_call_hangs() {
    let bench = start(calm()).await;
    bench.sim.fault(tidegate::sim::Fault::Hang.always());
    let mut socket = TcpStream::connect(bench.sim.addr()).await.unwrap();
    socket.write_all(b"GET /v2/platform/status HTTP/1.1\r\nhost: sim\r\n\r\n").await.unwrap();
    while bench.sim.counts().total() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(bench.tasks.drain(Duration::from_secs(60)).await);
    assert_eq!(socket.read(&mut [0; 16]).await.unwrap_or(0), 0, "closed without an answer");
    assert!(TcpStream::connect(bench.sim.addr()).await.is_err());
}
