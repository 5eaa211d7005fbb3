//! A gateway whose exchange answers nothing but its list of markets, and clients.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use reqwest::{Client, Response};
use serde_json::Value;
use tidegate::{
    app::App,
    config::Config,
    exchange::{
        Data, Exchange, Fetch, MarketList, NativeQuery, Profile, Report, TickerList, UpstreamError,
        bitfinex::{PROFILE, wire},
    },
    feed::{Line, Mode},
    market::{
        Book, BookQuery, BookSide, Bound, Candle, CandleQuery, Change, Channel, Identity, Kind,
        Listing, Raw, Side, Symbol, Ticker, Trade, TradeQuery, UnixMs,
    },
    service::Desk,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, protocol::frame::coding::CloseCode},
};

/// Beyond this a test is stuck, not slow.
pub(crate) const STUCK: Duration = Duration::from_secs(60);
/// As little as a kernel offers; a client that does not read is felt at once.
const SMALL: u32 = 4096;

/// How a topic is fed is told beside what is tested.
const MODES: [&str; 4] = ["starting", "live", "polled", "stale"];

struct Quiet;

fn no<'a, T: Send + 'a>() -> Fetch<'a, T> {
    async { Err(UpstreamError::Unavailable { status: 503 }) }.boxed()
}

impl Exchange for Quiet {
    fn profile(&self) -> &Profile {
        &PROFILE
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        let listing = |base: CompactString| Listing {
            symbol: Symbol::spot(&base, "USD"),
            id: format_compact!("t{base}USD"),
            base,
            quote: CompactString::const_new("USD"),
            settle: None,
            kind: Kind::Spot,
            margin: None,
            amount: Bound::default(),
            amount_decimals: None,
            price_significant_digits: None,
            listed_as: None,
            amount_step: None,
            price_step: None,
            aliases: Vec::new(),
        };
        let listings = ["BTC", "ETH", "XRP"].map(|base| listing(base.into())).into();
        async move { Ok(MarketList { listings, documents: Vec::new() }) }.boxed()
    }

    fn ticker<'a>(&'a self, _: &'a Listing) -> Fetch<'a, Ticker> {
        no()
    }

    fn tickers<'a>(&'a self, _: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        no()
    }

    fn book<'a>(&'a self, _: &'a BookQuery) -> Fetch<'a, Book> {
        no()
    }

    fn candles<'a>(&'a self, _: &'a CandleQuery) -> Fetch<'a, Vec<Candle>> {
        no()
    }

    fn trades<'a>(&'a self, _: &'a TradeQuery) -> Fetch<'a, Vec<Trade>> {
        no()
    }

    fn documents<'a>(&'a self, _: &'a [String]) -> Fetch<'a, Vec<Bytes>> {
        no()
    }

    fn native<'a>(&'a self, _: &'a NativeQuery) -> Fetch<'a, Bytes> {
        no()
    }
}

/// The gateway.
pub(crate) struct Rig {
    pub(crate) app: App,
    pub(crate) client: Client,
}

impl Rig {
    pub(crate) async fn start(adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.feed.enabled = false;
        config.server.drain_delay = Duration::from_millis(1);
        // None comes between what a test hears, however slow the machine is.
        config.stream.heartbeat = 10 * STUCK;
        adjust(&mut config);
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app = App::with_exchange(config, Arc::new(Quiet), listener).await.unwrap();
        Self { app, client: Client::builder().no_proxy().build().unwrap() }
    }

    fn desk(&self) -> &Desk {
        &self.app.gateway().reader().desks.all()[0]
    }

    /// The topic of a channel, to be fed.
    pub(crate) async fn line(&self, symbol: &str, channel: &str) -> Feeding {
        let deadline = Instant::now() + STUCK;
        let ask = tidegate::cache::Ask::by(deadline);
        let market = self.desk().markets.resolve(symbol, ask).await.unwrap();
        let channel: Channel = channel.parse().unwrap();
        let topic = self.desk().live.topic(&market, channel).unwrap();
        Feeding(self.desk().live.hub().open(&topic, Some(&market), Identity::Price))
    }

    /// Topics that are followed, counted by client.
    pub(crate) fn followers(&self) -> usize {
        self.desk().live.hub().all().iter().map(|line| line.followers()).sum()
    }

    pub(crate) fn hub(&self) -> &tidegate::feed::Hub {
        self.desk().live.hub()
    }

    pub(crate) fn metric(&self, name: &str, kind: &str) -> f64 {
        let text = self.app.gateway().reader().metrics.render();
        let series = format!("tidegate_stream_{name}{{kind=\"{kind}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&series));
        value.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
    }

    pub(crate) async fn get(&self, query: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.get(format!("{}/api/market-data/{query}", self.app.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        timeout(STUCK, request.send()).await.unwrap().unwrap()
    }

    /// A stream of events after its welcome.
    pub(crate) async fn events(&self, query: &str) -> Events {
        let mut events = self.events_with(query, &[]).await;
        assert_eq!(events.next().await.event, "welcome");
        events
    }

    /// A stream of events from its first.
    pub(crate) async fn events_with(&self, query: &str, headers: &[(&str, &str)]) -> Events {
        let response = self.get(&format!("stream?{query}"), headers).await;
        assert_eq!(response.status(), 200);
        Events { response, buffer: String::new() }
    }

    /// A WebSocket after its welcome.
    pub(crate) async fn socket(&self) -> Socket {
        let url = format!("ws://{}/api/market-data/ws", self.app.address());
        let stream = self.narrow().await;
        let (socket, _) = timeout(STUCK, client_async(url, stream)).await.unwrap().unwrap();
        let mut socket = Socket(socket);
        assert_eq!(socket.json().await["type"], "welcome");
        socket
    }

    /// A connection that holds little.
    pub(crate) async fn narrow(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(SMALL).unwrap();
        timeout(STUCK, socket.connect(self.app.address())).await.unwrap().unwrap()
    }
}

/// The body of an answer.
pub(crate) async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// Looks again and again until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + STUCK;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {STUCK:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A topic that a test feeds.
pub(crate) struct Feeding(pub(crate) Arc<Line>);

impl Feeding {
    pub(crate) fn put(&self, data: &Data) {
        self.0.data(data, Instant::now());
    }

    pub(crate) fn live(&self) {
        self.0.feed_by(Mode::Live, Instant::now());
    }
}

pub(crate) fn ticker(last: &str) -> Data {
    let row = format!("[99.9,5,100.1,5,1,0.01,{last},1234,101,98]");
    Data::Ticker(wire::ticker(&Bytes::from(row)).unwrap())
}

/// A trade whose row has so many characters beside its fields.
pub(crate) fn trade(id: i64, padding: usize) -> Data {
    let padding = match padding {
        0 => String::new(),
        count => format!(",\"{}\"", "x".repeat(count)),
    };
    let row = format!("[{id},{},1.5,100.10{padding}]", 1_000 + id);
    let raw = Raw::copy_of(serde_json::from_str(&row).unwrap());
    let (at, side) = (UnixMs::from_millis(1_000 + id), Side::Buy);
    let (price, amount) = ("100.10".parse().unwrap(), "1.5".parse().unwrap());
    Data::Trade(Trade { id, at, side, price, amount, raw }, Report::Executed)
}

pub(crate) fn confirmed(id: i64) -> Data {
    let Data::Trade(trade, _) = trade(id, 0) else { unreachable!("a trade") };
    Data::Trade(trade, Report::Confirmed)
}

pub(crate) fn level(side: BookSide, price: &str, amount: Option<&str>) -> Change {
    let raw = Raw::copy_of(serde_json::from_str("[]").unwrap());
    let amount = amount.map(|amount| amount.parse().unwrap());
    Change { side, price: price.parse().unwrap(), number: 0, amount, raw }
}

pub(crate) fn book() -> Data {
    Data::Book(vec![
        level(BookSide::Bid, "99.90", Some("1")),
        level(BookSide::Ask, "100.10", Some("2.50")),
    ])
}

pub(crate) fn candle(minute: i64, close: &str) -> Candle {
    let number = |text: &str| text.parse().unwrap();
    Candle {
        open_time: UnixMs::from_millis(minute * 60_000),
        open: number("1.10"),
        high: number("2"),
        low: number("1"),
        close: number(close),
        volume: number("7e-7"),
    }
}

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) event: String,
    pub(crate) id: Option<String>,
    pub(crate) text: String,
}

impl Event {
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let (event, data) = (field("event: ")?.to_owned(), field("data: ")?.to_owned());
        Some(Self { event, id: field("id: ").map(str::to_owned), text: data })
    }

    pub(crate) fn data(&self) -> Value {
        let data: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(data["type"], self.event.as_str());
        data
    }
}

/// A stream of events.
pub(crate) struct Events {
    response: Response,
    buffer: String,
}

impl Events {
    /// The next event but those of modes; `None` at the end.
    pub(crate) async fn maybe(&mut self) -> Option<Event> {
        loop {
            while let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let event = Event::parse(event);
                self.buffer = rest.to_owned();
                if let Some(event) = event.filter(|it| !MODES.contains(&it.event.as_str())) {
                    return Some(event);
                }
            }
            let chunk = timeout(STUCK, self.response.chunk()).await.expect("an event");
            self.buffer.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }

    pub(crate) async fn next(&mut self) -> Event {
        self.maybe().await.expect("an event before the end")
    }
}

/// A client's WebSocket.
pub(crate) struct Socket(pub(crate) WebSocketStream<TcpStream>);

impl Socket {
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message but pings.
    pub(crate) async fn message(&mut self) -> Message {
        let deadline = Instant::now() + STUCK;
        loop {
            let message = timeout_at(deadline, self.0.next()).await.expect("a message");
            match message.expect("a message before the end").unwrap() {
                Message::Ping(_) => {}
                message => return message,
            }
        }
    }

    /// The next text but those of modes.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            let message = self.message().await;
            let Message::Text(text) = message else { panic!("{message:?}") };
            let value: Value = serde_json::from_str(&text).unwrap();
            if !MODES.contains(&value["type"].as_str().unwrap()) {
                return text.as_str().to_owned();
            }
        }
    }

    pub(crate) async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    pub(crate) async fn ask(&mut self, text: &str) -> Value {
        self.say(text).await;
        self.json().await
    }

    /// Reads texts until the socket is closed; gives the code.
    pub(crate) async fn closed(mut self) -> CloseCode {
        let deadline = Instant::now() + STUCK;
        loop {
            assert!(Instant::now() < deadline, "it is not closed");
            match self.message().await {
                Message::Close(frame) => break frame.expect("a reason").code,
                message => assert!(message.is_text(), "{message:?}"),
            }
        }
    }
}
