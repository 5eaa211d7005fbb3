//! `/stream`: server-sent events (WHATWG HTML, section 9.2).

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, Response, header},
};
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    FAREWELL,
    following::{Telling, too_many},
    message::Subject,
    refuse_draining, reply,
    reply::TopicBody,
    session::{Session, Wake},
};
use crate::{
    api::{
        Payload, Problem, Reader, Streams,
        params::{EXCHANGE, Kind, Param, Params},
        reader::Asked,
        router::Phase,
        upgrade::{Lifeline, Stay},
    },
    market::{BadChannel, Channel},
    telemetry::StreamKind,
};

/// What is written at once.
const CHUNK: usize = 64 * 1024;
/// How long a browser waits before it connects anew.
const RETRY_MS: u32 = 1000;
/// Whatever a browser that connects anew has seen last.
pub(crate) const LAST_EVENT_ID: &str = "last-event-id";

/// The query parameters.
pub(crate) const PARAMS: [Param; 4] = [
    Param::new("symbols", "Which markets, separated by commas.", Kind::Symbols { required: true }),
    Param::new(
        "channels",
        "What of each market, separated by commas: `ticker`, `trades`, `orderbook`, \
         `ohlcv:TIMEFRAME`; `ticker` where none is named. Candles only in timeframes that the \
         exchange itself offers (`streams.channels` of `/exchanges`); any other is a 501.",
        Kind::Channels,
    ),
    Param::new(
        "last_event_id",
        "Goes on after the event of this `id`, as the header `Last-Event-ID` does, which goes \
         before it.",
        Kind::Token,
    ),
    EXCHANGE,
];

/// Market data as it comes, as server-sent events: of each topic first a snapshot, then what
/// changes. `data` is the JSON that `/asyncapi.json` describes.
#[utoipa::path(
    get,
    path = "/api/market-data/stream",
    operation_id = "stream",
    tag = "Streams",
    responses((
        status = 200,
        description = "Events, until the client hangs up or the gateway stops",
        content((String = "text/event-stream"))
    ))
)]
pub(crate) async fn stream(
    State(reader): State<Arc<Reader>>,
    State(streams): State<Streams>,
    State(phase): State<Arc<Phase>>,
    (lifeline, stay): (Option<Extension<Lifeline>>, Stay),
    method: Method,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    let params = asked.params(&PARAMS)?;
    refuse_draining(&phase)?;
    let desk = reader.desk(&params)?;
    let most = reader.config.now().stream.max_topics;
    let channels = channels(&params, most)?;
    let symbols = params
        .list("symbols", reader.config.now().server.limits.max_symbols)?
        .ok_or_else(|| Problem::parameter("symbols", "", "must name at least one market"))?;
    if symbols.len() * channels.len() > most {
        let allowed = format!("{} (symbols times channels)", too_many(most).detail);
        return Err(Problem::parameter("channels", params.text("channels").unwrap_or(""), allowed));
    }
    let mut subjects = Vec::with_capacity(symbols.len() * channels.len());
    for symbol in symbols {
        let market = desk.markets.resolve(symbol, asked.ask).await?;
        let exchange = desk.shelf.name();
        let subject =
            |channel: &Channel| Subject { exchange, market: market.clone(), channel: *channel };
        subjects.extend(channels.iter().map(subject));
    }
    if method == Method::HEAD {
        return Ok(response(Body::empty()));
    }
    let place = streams.place()?;
    let header = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default());
    let after = header.or_else(|| params.text("last_event_id")).filter(|token| !token.is_empty());
    let client = asked.ask.payer.client;
    let mut session = Session::new(&reader, (StreamKind::Sse, client), &streams, phase);
    let mut topics = Vec::with_capacity(subjects.len());
    for subject in &subjects {
        let joined = session.following.follow(desk, subject, after)?;
        topics.push(TopicBody::joined(subject, &joined));
    }
    let mut hello = format!("retry: {RETRY_MS}\n\n").into_bytes();
    write(&mut hello, "welcome", None, &reply::welcome(session.heartbeat(), &topics));
    if let Some(after) = after {
        write(&mut hello, "resume", None, &reply::resume(after, &topics));
    }
    let (chunks, events) = mpsc::channel(1);
    let pump = Pump {
        pipe: Pipe { chunks, patience: session.patience(), stopping: session.stopping().clone() },
        session,
        hello,
        is_first: true,
    };
    let lifeline = lifeline.map(|Extension(lifeline)| lifeline).unwrap_or_default();
    streams.tasks().spawn("stream", stay.through(pump.run(lifeline, place)));
    Ok(response(Body::new(Events(events))))
}

fn channels(params: &Params, most: usize) -> Result<Vec<Channel>, Problem> {
    let Some(names) = params.list("channels", most)? else { return Ok(vec![Channel::Ticker]) };
    let channel = |name: &&str| {
        name.parse()
            .map_err(|bad: BadChannel| Problem::parameter("channels", name, bad.to_string()))
    };
    names.iter().map(channel).collect()
}

fn response(body: Body) -> Response<Payload> {
    let mut response = Response::new(Payload::Handler(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would collect events until it has a buffer full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// One event.
fn write(out: &mut Vec<u8>, event: &str, id: Option<&str>, data: &[u8]) {
    let fields = [("id: ", id.unwrap_or_default()), ("event: ", event)];
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

/// A response's body, made when the connection is ready for it.
struct Events(mpsc::Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// Why a stream ends.
enum End {
    /// The client hung up.
    Gone,
    /// He takes nothing.
    Stalled,
    /// The gateway stops.
    Stop,
}

/// Holds one chunk that the connection has not taken yet.
struct Pipe {
    chunks: mpsc::Sender<Bytes>,
    patience: Duration,
    stopping: CancellationToken,
}

impl Pipe {
    /// Waits until the connection has taken what it was given.
    async fn room(&self) -> Result<mpsc::Permit<'_, Bytes>, End> {
        tokio::select! {
            biased;
            permit = self.chunks.reserve() => permit.map_err(|_| End::Gone),
            () = self.stopping.cancelled() => Err(End::Stop),
            () = tokio::time::sleep(self.patience) => Err(End::Stalled),
        }
    }
}

/// Moves what is new to one client.
struct Pump {
    pipe: Pipe,
    session: Session,
    hello: Vec<u8>,
    is_first: bool,
}

impl Pump {
    async fn run(mut self, lifeline: Lifeline, place: OwnedSemaphorePermit) {
        let Err(end) = self.follow().await;
        // Ends the body, and what he follows.
        drop(self);
        match end {
            End::Gone => {}
            End::Stalled => lifeline.cut(),
            End::Stop => {
                let ended = tokio::time::timeout(FAREWELL, lifeline.over()).await;
                if ended.is_err() {
                    lifeline.cut();
                }
            }
        }
        drop(place);
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, End> {
        let hello = std::mem::take(&mut self.hello);
        self.send(hello, 1).await?;
        loop {
            drop(self.pipe.room().await?);
            let wake = tokio::select! {
                wake = self.session.wake() => wake,
                () = self.pipe.chunks.closed() => return Err(End::Gone),
            };
            let mut event = Vec::new();
            match wake {
                Wake::News => {
                    self.tell().await?;
                    continue;
                }
                Wake::Quiet => {
                    let id = self.session.following.token();
                    write(&mut event, "heartbeat", id.as_deref(), &self.session.heartbeat_text());
                }
                Wake::GoAway => write(&mut event, "goaway", None, &self.session.go_away_text()),
                Wake::Stop => return Err(End::Stop),
            }
            self.send(event, 1).await?;
        }
    }

    /// Sends all that is new.
    async fn tell(&mut self) -> Result<(), End> {
        let told = self.session.following.take();
        let last = told.len().saturating_sub(1);
        let (mut chunk, mut messages) = (Vec::new(), 0);
        let is_first = std::mem::take(&mut self.is_first);
        for (index, Telling { event, id, text }) in told.iter().enumerate() {
            // Among the first snapshots, an id would promise those that have not arrived yet.
            let id = (!is_first || index == last).then_some(id.as_str());
            write(&mut chunk, event, id, text);
            messages += 1;
            if chunk.len() >= CHUNK || index == last {
                self.send(std::mem::take(&mut chunk), std::mem::take(&mut messages)).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, chunk: Vec<u8>, messages: u64) -> Result<(), End> {
        let bytes = chunk.len() as u64;
        self.pipe.room().await?.send(chunk.into());
        self.session.sent(messages, bytes);
        Ok(())
    }
}
