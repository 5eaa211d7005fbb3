//! Everything that may go wrong, on demand.

use std::{io::ErrorKind, time::Duration};

use serde_json::{Value, json};
use tidegate::sim::{Family, Fault, FaultRule};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

use crate::support::{Bench, calm, start};

const TICKER: &str = "/v2/ticker/tBTCUSD";

/// All that a connection yields for one request, and how it ended.
async fn raw(bench: &Bench, path: &str) -> (String, std::io::Result<()>) {
    let mut socket = TcpStream::connect(bench.sim.addr()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: sim\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let ended = loop {
        let mut piece = [0; 4_096];
        match socket.read(&mut piece).await {
            Ok(0) => break Ok(()),
            Ok(read) => seen.extend_from_slice(&piece[..read]),
            Err(error) => break Err(error),
        }
    };
    (String::from_utf8(seen).unwrap(), ended)
}

#[tokio::test]
async fn answers_of_the_wrong_status() {
    let bench = start(calm()).await;
    let body = |text: &str| Some(text.to_owned());
    for (fault, status, text) in [
        (Fault::RateLimited { retry_after: None }, 429, r#"["error",11010,"ratelimit: error"]"#),
        (Fault::RateLimitedObject { retry_after: None }, 429, r#"{"error":"ERR_RATE_LIMIT"}"#),
        (Fault::Maintenance, 500, r#"["error",20060,"maintenance"]"#),
        (Fault::NotReady, 500, r#"["error",11000,"ready: invalid"]"#),
        (Fault::Status { status: 502, body: body("bad gateway") }, 502, "bad gateway"),
        (
            Fault::ErrorArray { code: 10_001, message: "text".to_owned() },
            200,
            r#"["error",10001,"text"]"#,
        ),
        (Fault::Empty, 200, "[]"),
    ] {
        bench.sim.fault(fault.times(Family::Ticker, 1));
        assert_eq!(bench.answer(TICKER).await, (status, text.to_owned()));
        assert_eq!(bench.get(TICKER).await.status, 200, "once only");
    }
    bench.sim.fault(Fault::Status { status: 503, body: None }.times(Family::Ticker, 1));
    let down = bench.get(TICKER).await;
    assert_eq!((down.status.as_u16(), &down.json()["code"]), (503, &json!(503)));
    assert_eq!(down.json()["error"], "temporarily_unavailable");

    bench.sim.fault(Fault::RateLimited { retry_after: Some(7) }.times(Family::Ticker, 1));
    assert_eq!(bench.get(TICKER).await.headers["retry-after"], "7");
    bench.sim.fault(Fault::RateLimitedObject { retry_after: Some(9) }.times(Family::Ticker, 1));
    assert_eq!(bench.get(TICKER).await.headers["retry-after"], "9");

    for status in [200, 502, 520] {
        bench.sim.fault(Fault::Html { status }.times(Family::Ticker, 1));
        let page = bench.get(TICKER).await;
        assert_eq!(page.status, status);
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert!(page.text.starts_with("<!DOCTYPE html>"), "{}", page.text);
    }
    bench.sim.fault(Fault::Maintenance.always());
    assert_eq!(bench.answer("/v2/platform/status").await, (200, "[0]".to_owned()));
    bench.sim.clear_faults();
    assert_eq!(bench.answer("/v2/platform/status").await, (200, "[1]".to_owned()));
    assert_eq!(bench.sim.counts().refused_total(), 0, "no limit was broken");
    assert_eq!(bench.sim.counts().total(), bench.sim.log().len() as u64);
}

#[tokio::test]
async fn answers_of_the_wrong_content() {
    let bench = start(calm()).await;
    let path = "/v2/candles/trade:1m:tBTCUSD/hist?limit=3";
    let truth = bench.get(path).await;
    let wrong = async |fault: Fault| {
        bench.sim.fault(fault.times(Family::Candles, 1));
        bench.get(path).await
    };
    let strings = wrong(Fault::Strings).await.json();
    let first = truth.json()[0][0].to_string();
    assert_eq!(strings[0][0], first);
    assert!(
        strings
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|row| row.as_array().unwrap())
            .all(Value::is_string)
    );
    let nulls = wrong(Fault::Nulls).await.json();
    assert_eq!(nulls[2][0], truth.json()[2][0]);
    assert!(nulls[2].as_array().unwrap()[1..].iter().all(Value::is_null));
    let nan = wrong(Fault::NotANumber).await.text;
    assert!(nan.ends_with(",NaN]]") && serde_json::from_str::<Value>(&nan).is_err(), "{nan}");
    let short = wrong(Fault::TruncatedRows).await.json();
    assert!(short.as_array().unwrap().iter().all(|row| row.as_array().unwrap().len() == 2));
    assert_eq!(bench.get(path).await.text, truth.text);

    for path in ["/v2/book/tBTCUSD/P0", "/v2/book/tBTCUSD/R0"] {
        let price = usize::from(path.ends_with("R0"));
        let honest = bench.get(path).await.rows();
        bench.sim.fault(Fault::Crossed.times(Family::Book, 1));
        let crossed = bench.get(path).await.rows();
        let ask = crossed.iter().position(|row| row[2] < 0.0).unwrap();
        assert!(crossed[0][price] > crossed[ask][price], "{path}");
        assert_eq!(crossed[0][price], honest[ask][price]);
        assert_eq!(crossed.len(), honest.len());
    }
}

#[tokio::test]
async fn late_slow_and_endless_answers() {
    let bench = start(calm()).await;
    let truth = bench.get(TICKER).await.text;
    let timed = async |fault: Fault| {
        bench.sim.fault(fault.times(Family::Ticker, 1));
        let before = Instant::now();
        (bench.get(TICKER).await.text, before.elapsed())
    };
    let (text, took) = timed(Fault::delay(Duration::from_millis(150))).await;
    assert!(text == truth && took >= Duration::from_millis(150), "{took:?}");
    let (text, took) = timed(Fault::Drip { chunk: 20, ms: 30 }).await;
    let pieces = u32::try_from(truth.len().div_ceil(20)).unwrap();
    assert!(text == truth && took >= pieces * Duration::from_millis(30), "{took:?}");
    let (text, _) = timed(Fault::Oversized { bytes: Some(3_000_000) }).await;
    assert_eq!(text.len(), 3_000_000);

    bench.sim.fault(Fault::Oversized { bytes: None }.times(Family::Ticker, 1));
    let url = format!("{}{TICKER}", bench.sim.rest_url());
    let mut endless = bench.client.get(url).send().await.unwrap();
    assert_eq!(endless.content_length(), None);
    let mut read = 0;
    while read < 20_000_000 {
        read += endless.chunk().await.unwrap().expect("it has no end").len();
    }
    drop(endless);
    assert_eq!(bench.get(TICKER).await.text, truth, "the next call is served");
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_cut_is_not() {
    let bench = start(calm()).await;
    bench.sim.fault(Fault::Reset.times(Family::Ticker, 2));
    for _ in 0..2 {
        let (seen, ended) = raw(&bench, TICKER).await;
        assert_eq!((seen.as_str(), ended.unwrap_err().kind()), ("", ErrorKind::ConnectionReset));
    }
    let body = bench.get(TICKER).await.text;
    for (bytes, sent) in [(Some(10), 10), (None, body.len() / 2), (Some(9_999), body.len() - 1)] {
        bench.sim.fault(Fault::Cut { bytes }.times(Family::Ticker, 1));
        let (seen, ended) = raw(&bench, TICKER).await;
        assert!(ended.is_ok(), "closed in order");
        let (head, part) = seen.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        assert_eq!(part, &body[..sent]);
    }
    let path = "/v2/candles/trade:1m:tBTCUSD/hist?limit=1000";
    bench.sim.fault(Fault::Cut { bytes: None }.times(Family::Candles, 1));
    assert!(bench.try_get(path).await.unwrap_err().is_decode(), "the client notices");
    let statuses: Vec<_> = bench.sim.log().iter().map(|call| call.status).collect();
    assert_eq!(statuses[..3], [None, None, Some(200)], "a reset call has no status");
}

#[tokio::test]
async fn a_hanging_call_is_counted_and_hangs_alone() {
    let bench = start(calm()).await;
    bench.sim.fault(Fault::Hang.times(Family::Ticker, 1));
    let mut hanging = std::pin::pin!(bench.get(TICKER));
    tokio::select! {
        biased;
        reply = &mut hanging => panic!("answered: {reply:?}"),
        () = async {
            while bench.sim.counts().of(Family::Ticker) == 0 {
                tokio::task::yield_now().await;
            }
            for _ in 0..20 {
                assert_eq!(bench.get(TICKER).await.status, 200);
            }
        } => {}
    }
    let log = bench.sim.log();
    assert_eq!((log.len(), log[0].status, log[20].status), (21, None, Some(200)));
}

#[tokio::test]
async fn rules_are_set_and_read_over_http() {
    let bench = start(calm()).await;
    let at = |path: &str| format!("{}{path}", bench.sim.rest_url());
    let post = async |text: &'static str| {
        let reply = bench.client.post(at("/sim/faults")).body(text).send().await.unwrap();
        (
            reply.status().as_u16(),
            serde_json::from_str::<Value>(&reply.text().await.unwrap()).unwrap(),
        )
    };
    let (status, rules) = post(r#"{"kind":"empty","path":"ETH","times":1}"#).await;
    assert_eq!((status, rules.as_array().unwrap().len()), (200, 1));
    let (_, rules) =
        post(r#"[{"kind":"html","status":520,"family":"book"},{"kind":"hang","probability":0}]"#)
            .await;
    assert_eq!(rules.as_array().unwrap().len(), 3);
    assert_eq!(rules[1]["kind"], "html");
    let (status, complaint) = post(r#"{"kind":"nonsense"}"#).await;
    assert_eq!(status, 400);
    assert!(complaint.as_str().unwrap().contains("nonsense"), "{complaint}");

    assert_ne!(bench.get(TICKER).await.text, "[]", "neither path nor chance fits");
    assert_eq!(bench.answer("/v2/ticker/tETHUSD").await, (200, "[]".to_owned()));
    assert_eq!(bench.get("/v2/book/tETHUSD/P0").await.status, 520);
    let counts = bench.get("/sim/counts").await.json();
    assert_eq!(counts["received"], json!({"ticker": 2, "book": 1}), "the script is not counted");
    let log = bench.get("/sim/log").await.json();
    assert_eq!((&log[2]["status"], &log[2]["path"]), (&json!(520), &json!("/v2/book/tETHUSD/P0")));
    let rules: Vec<FaultRule> = serde_json::from_str(&bench.get("/sim/faults").await.text).unwrap();
    assert_eq!(rules[0], Fault::Html { status: 520 }.on(Family::Book), "a used rule is gone");
    for path in ["/sim/faults", "/sim/counts"] {
        assert_eq!(bench.client.delete(at(path)).send().await.unwrap().status(), 200);
    }
    assert_eq!(bench.get("/sim/faults").await.text, "[]");
    assert_eq!(bench.sim.counts().total(), 0);
    assert_eq!(bench.get("/sim/nope").await.status, 404);
}
