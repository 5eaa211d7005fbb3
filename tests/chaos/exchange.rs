//! The simulated exchange without sockets, as the gateway's exchange: under a paused clock minutes
//! of the market pass in a moment, and the same seed brings the same minutes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use tidegate::{
    exchange::{
        Exchange, Fetch, MarketList, NativeQuery, Profile, Session, SessionSettings, TickerList,
        UpstreamError,
        bitfinex::{self, Bitfinex, PROFILE, wire},
    },
    feed::{ConnectError, Connector, Wire, WireError},
    market::{
        Book, BookQuery, Candle, CandleQuery, Listing, Ticker, Timeframe, Trade, TradeQuery, UnixMs,
    },
    sim::{Conversation, Frame, Venue},
};

/// The venue's REST and WebSocket, in process.
#[derive(Clone)]
pub(crate) struct InProcess {
    pub(crate) venue: Venue,
    sessions: Arc<Bitfinex>,
    tick: Duration,
}

impl InProcess {
    /// `tick`: how often its sockets look whether they have something to say.
    pub(crate) fn new(venue: Venue, tick: Duration) -> Self {
        let nowhere = Bitfinex::new("http://127.0.0.1:1", Duration::from_secs(1));
        Self { venue, sessions: Arc::new(nowhere.expect("a URL")), tick }
    }

    fn get(&self, path: &str) -> Result<Bytes, UpstreamError> {
        let (status, body) = self.venue.rest(&format!("/v2/{path}"));
        match status {
            200 => Ok(body.into()),
            429 => Err(UpstreamError::RateLimited { retry_after: None }),
            status => Err(UpstreamError::Unavailable { status }),
        }
    }
}

/// `&name=value` for what is given.
fn times(since: Option<UnixMs>, until: Option<UnixMs>) -> String {
    let start = since.map(|at| format!("&start={}&sort=1", at.millis())).unwrap_or_default();
    let end = until.map(|at| format!("&end={}", at.millis())).unwrap_or_default();
    start + &end
}

impl Exchange for InProcess {
    fn profile(&self) -> &Profile {
        &PROFILE
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        let path = format!("conf/{}", bitfinex::CONF_KEYS.join(","));
        async move { bitfinex::market_list(&self.get(&path)?) }.boxed()
    }

    fn ticker<'a>(&'a self, market: &'a Listing) -> Fetch<'a, Ticker> {
        async move { wire::ticker(&self.get(&format!("ticker/{}", market.id))?) }.boxed()
    }

    fn tickers<'a>(&'a self, markets: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        let names = |markets: &[Arc<Listing>]| {
            markets.iter().map(|market| market.id.as_str()).collect::<Vec<_>>().join(",")
        };
        let names = markets.map_or_else(|| "ALL".to_owned(), names);
        async move {
            let body = self.get(&format!("tickers?symbols={names}"))?;
            Ok(TickerList { rows: wire::tickers(&body)?, body })
        }
        .boxed()
    }

    fn book<'a>(&'a self, query: &'a BookQuery) -> Fetch<'a, Book> {
        let BookQuery { market, precision, depth } = query;
        let path = format!("book/{}/{precision}?len={depth}", market.id);
        async move { wire::book(&self.get(&path)?, query.depth) }.boxed()
    }

    fn candles<'a>(&'a self, query: &'a CandleQuery) -> Fetch<'a, Vec<Candle>> {
        let CandleQuery { market, timeframe, limit, since, until } = query;
        // Days and weeks have names of their own there, and nobody asks for them here.
        let width = timeframe.as_str();
        assert!(timeframe.divides(Timeframe::D1), "{width}");
        let span = times(*since, *until);
        let path = format!("candles/trade:{width}:{}/hist?limit={limit}{span}", market.id);
        async move { wire::candles(&self.get(&path)?, *timeframe) }.boxed()
    }

    fn trades<'a>(&'a self, query: &'a TradeQuery) -> Fetch<'a, Vec<Trade>> {
        let TradeQuery { market, limit, since, until } = query;
        let path = format!("trades/{}/hist?limit={limit}{}", market.id, times(*since, *until));
        async move { wire::trades(&self.get(&path)?) }.boxed()
    }

    fn documents<'a>(&'a self, _: &'a [String]) -> Fetch<'a, Vec<Bytes>> {
        async move { Err(UpstreamError::Unavailable { status: 501 }) }.boxed()
    }

    fn native<'a>(&'a self, _: &'a NativeQuery) -> Fetch<'a, Bytes> {
        async move { Err(UpstreamError::Unavailable { status: 501 }) }.boxed()
    }

    fn session(&self, settings: SessionSettings) -> Option<Box<dyn Session>> {
        self.sessions.session(settings)
    }
}

impl Connector for InProcess {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Wire>, ConnectError>> {
        async move {
            let refused = |refused: tidegate::sim::Refused| match refused.status() {
                429 => ConnectError::Blocked,
                status => ConnectError::Failed(status.to_string()),
            };
            let mut talk = self.venue.connect().map_err(refused)?;
            let mut frames = Vec::new();
            talk.open(&mut frames);
            let frames = frames.into_iter().collect();
            let (venue, tick) = (self.venue.clone(), self.tick);
            Ok(Box::new(Line { venue, talk, frames, tick }) as Box<dyn Wire>)
        }
        .boxed()
    }
}

/// One connection. Time passes for the exchange's side while the gateway waits for a frame.
struct Line {
    venue: Venue,
    talk: Conversation,
    frames: std::collections::VecDeque<Frame>,
    tick: Duration,
}

impl Wire for Line {
    fn next(&mut self) -> BoxFuture<'_, Result<Bytes, WireError>> {
        async move {
            loop {
                match self.frames.pop_front() {
                    Some(Frame::Text(text)) => return Ok(text.into()),
                    Some(Frame::Close(code)) => return Err(WireError(format!("closed: {code}"))),
                    Some(Frame::Drop) => return Err(WireError("dropped".to_owned())),
                    Some(Frame::Ping(_)) => continue,
                    None => {}
                }
                // On the grid of ticks, so that waiting anew does not put off what is due.
                let now = self.venue.now().millis();
                let tick = i64::try_from(self.tick.as_millis()).expect("short");
                let wait = tick - now.rem_euclid(tick);
                tokio::time::sleep(Duration::from_millis(wait.unsigned_abs())).await;
                let mut due = Vec::new();
                self.talk.on_time(self.venue.now(), &mut due);
                self.frames.extend(due);
            }
        }
        .boxed()
    }

    fn send(&mut self, text: String) -> BoxFuture<'_, Result<(), WireError>> {
        let mut said = Vec::new();
        self.talk.on_text(&text, self.venue.now(), &mut said);
        self.frames.extend(said);
        async { Ok(()) }.boxed()
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}
