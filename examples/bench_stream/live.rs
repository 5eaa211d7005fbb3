//! What the feed costs and saves: decoding in messages a second, and how much stays fresh without
//! asking the exchange.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use tidegate::{
    exchange::{Output, Session as _, SessionSettings, Stream, Topic, bitfinex::Conversation},
    market::Precision,
    sim::Sim,
};
use tokio::time::Instant;

use crate::{clients::Dialect, server::Server};

/// Messages of one round of decoding.
const MESSAGES: usize = 20_000;

/// Prints how many updates of a book are read and applied in a second on one core.
pub(crate) fn decoding() {
    let settings = SessionSettings { ack_timeout: Duration::from_secs(10) };
    let mut session = Conversation::new(settings);
    let stream = Stream::Book { precision: Precision::P0, depth: 25 };
    let topic = Arc::new(Topic { id: "tBTCUSD".into(), stream });
    let (now, mut out) = (Instant::now(), Vec::<Output>::new());
    session.on_open(now, &mut out);
    session.subscribe(&topic, now, &mut out);
    out.clear();
    let mut tell = |text: Bytes| {
        session.on_text(&text, now, &mut out).expect("a good message");
        out.clear();
    };
    tell(Bytes::from(
        r#"{"event":"subscribed","channel":"book","chanId":7,"symbol":"tBTCUSD","prec":"P0","freq":"F0","len":"25","subId":1,"pair":"BTCUSD"}"#,
    ));
    let levels = (0..25).flat_map(|n| [(41_000 - n, 1), (41_001 + n, -1)]);
    let rows: Vec<String> = levels.map(|(price, amount)| format!("[{price},1,{amount}]")).collect();
    tell(Bytes::from(format!("[7,[{}]]", rows.join(","))));
    let updates: Vec<Bytes> = (0..MESSAGES)
        .map(|n| {
            let (depth, bid) = (n % 25, n % 2 == 0);
            let price = if bid { 41_000 - depth } else { 41_001 + depth };
            let sign = if bid { "" } else { "-" };
            Bytes::from(format!("[7,[{price},2,{sign}{}.{:06}]]", n % 7, n + 1))
        })
        .collect();
    let begin = Instant::now();
    let mut told = 0_usize;
    while begin.elapsed() < Duration::from_secs(2) {
        updates.iter().cloned().for_each(&mut tell);
        told += updates.len();
    }
    let rate = told as f64 / begin.elapsed().as_secs_f64();
    println!("updates of a book, read and applied on one core: {rate:.0} a second");
}

/// How long the gateway is watched.
const WATCHED: Duration = Duration::from_secs(60);
/// How many markets are live.
const PINNED: usize = 50;
/// What of each is asked for.
const ENDPOINTS: [&str; 4] =
    ["ticker/{}", "orderbook/{}", "trades/{}?limit=20", "ohlcv/{}?timeframe=5m"];

/// Pins markets and asks for all of each, once a second.
pub(crate) async fn freshness(program: &str, sim: &Sim) -> anyhow::Result<()> {
    let now = sim.now();
    let market = sim.market();
    let mut pairs: Vec<_> = market
        .instruments()
        .iter()
        .filter(|pair| pair.symbol().starts_with('t') && !pair.symbol().contains("TEST"))
        .map(|pair| {
            let ticker = market.ticker(pair, now);
            (ticker.volume * ticker.last, pair)
        })
        .collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let ids: Vec<String> =
        pairs.iter().take(PINNED).map(|(_, pair)| pair.symbol().to_owned()).collect();
    let settings = [
        ("TIDEGATE__SERVER__LISTEN", "127.0.0.1:0".to_owned()),
        ("TIDEGATE__FEED__CONNECT_INTERVAL", "3s".to_owned()),
        ("TIDEGATE__FEED__PINNED", ids.join(",")),
        ("TIDEGATE__EXCHANGES__BITFINEX__REST_URL", sim.rest_url()),
        ("TIDEGATE__EXCHANGES__BITFINEX__WS_URL", sim.ws_url()),
    ];
    let dialect = Dialect { path: "" };
    let args = ["serve".to_owned()];
    let server = Server::start("tidegate", dialect, program, &args, &settings).await?;
    // Eight sockets, three seconds apart, and what is not live yet is asked for meanwhile.
    tokio::time::sleep(Duration::from_secs(40)).await;
    let mut found: BTreeMap<&str, Found> = BTreeMap::new();
    sim.reset_counts();
    let begin = Instant::now();
    while begin.elapsed() < WATCHED {
        let round = Instant::now();
        for (endpoint, id) in ENDPOINTS.iter().flat_map(|it| ids.iter().map(move |id| (it, id))) {
            let path = format!("/api/market-data/{}", endpoint.replace("{}", id));
            let head = head(&server.address, &path).await?;
            found.entry(endpoint.split('/').next().unwrap_or_default()).or_default().count(&head);
        }
        tokio::time::sleep(Duration::from_secs(1).saturating_sub(round.elapsed())).await;
    }
    println!("\n{PINNED} markets live, each asked for once a second for {} s:", WATCHED.as_secs());
    for (endpoint, Found { asked, streamed, oldest }) in &found {
        let share = 100.0 * f64::from(*streamed) / f64::from(*asked);
        println!(
            "  {endpoint:<10} {share:>5.1} % of {asked} answers from streams, oldest {oldest} s"
        );
    }
    let counts = sim.counts();
    println!("  calls to the exchange's REST meanwhile: {} {:?}", counts.total(), counts.received);
    server.stop().await;
    Ok(())
}

/// What the answers of an endpoint said.
#[derive(Default)]
struct Found {
    asked: u32,
    streamed: u32,
    oldest: u64,
}

impl Found {
    fn count(&mut self, head: &str) {
        self.asked += 1;
        self.streamed += u32::from(head.contains("; hit; ") && head.contains("detail=stream"));
        let age = head.lines().find_map(|line| line.strip_prefix("age: "));
        self.oldest = self.oldest.max(age.and_then(|age| age.trim().parse().ok()).unwrap_or(0));
    }
}

/// The head of the answer to a GET.
async fn head(address: &str, path: &str) -> anyhow::Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    Ok(text.split("\r\n\r\n").next().unwrap_or_default().to_owned())
}
