//! The simulated exchange without sockets, as the gateway's exchange: under a paused clock minutes
//! of the market pass in a moment, and the same seed brings the same minutes.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use tidegate::{
    clock::Clock,
    exchange::{Answer, Exchange, Fetch, Source, Transport, spec},
    feed::{ConnectError, Connector, Wire, WireError},
    sim::{Conversation, Frame, Kind, Venue},
};

/// The venue's REST and WebSocket, in process.
#[derive(Clone)]
pub(crate) struct InProcess {
    pub(crate) venue: Venue,
    tick: Duration,
    /// Whenever this grows, nothing more comes over the connections that are open, nor their end.
    pub(crate) cuts: Arc<AtomicU64>,
}

impl InProcess {
    /// `tick`: how often its sockets look whether they have something to say.
    pub(crate) fn new(venue: Venue, tick: Duration) -> Self {
        Self { venue, tick, cuts: Arc::default() }
    }

    /// The adapter of the exchange whose part the venue plays.
    pub(crate) fn adapter(&self, kind: Kind, clock: Clock) -> Arc<dyn Exchange> {
        let spec = spec(kind.as_str()).expect("an adapter for every simulated exchange");
        (spec.over)(Transport::local(Arc::new(self.clone()), clock))
    }
}

impl Source for InProcess {
    fn get<'a>(&'a self, path_and_query: &'a str) -> Fetch<'a, Answer> {
        async move {
            let (status, body) = self.venue.rest(&format!("/{path_and_query}"));
            Ok(Answer { status, retry_after: None, body: body.into() })
        }
        .boxed()
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
            let (way, cuts) = (self.clone(), self.cuts.load(Ordering::SeqCst));
            Ok(Box::new(Line { way, cuts, talk, frames }) as Box<dyn Wire>)
        }
        .boxed()
    }
}

/// One connection. Time passes for the exchange's side while the gateway waits for a frame.
struct Line {
    way: InProcess,
    /// Cuts before this connection.
    cuts: u64,
    talk: Conversation,
    frames: VecDeque<Frame>,
}

impl Wire for Line {
    fn next(&mut self) -> BoxFuture<'_, Result<Bytes, WireError>> {
        async move {
            loop {
                if self.way.cuts.load(Ordering::SeqCst) > self.cuts {
                    std::future::pending::<()>().await;
                }
                match self.frames.pop_front() {
                    Some(Frame::Text(text)) => return Ok(text.into()),
                    Some(Frame::Close(code)) => return Err(WireError(format!("closed: {code}"))),
                    Some(Frame::Drop) => return Err(WireError("dropped".to_owned())),
                    // The socket answers by itself.
                    Some(Frame::Ping(_)) => {
                        self.talk.heard(self.way.venue.now());
                        continue;
                    }
                    None => {}
                }
                // On the grid of ticks, so that waiting anew does not put off what is due.
                let now = self.way.venue.now().millis();
                let tick = i64::try_from(self.way.tick.as_millis()).expect("short");
                let wait = tick - now.rem_euclid(tick);
                tokio::time::sleep(Duration::from_millis(wait.unsigned_abs())).await;
                let mut due = Vec::new();
                self.talk.on_time(self.way.venue.now(), &mut due);
                self.frames.extend(due);
            }
        }
        .boxed()
    }

    fn send(&mut self, text: String) -> BoxFuture<'_, Result<(), WireError>> {
        let mut said = Vec::new();
        self.talk.on_text(&text, self.way.venue.now(), &mut said);
        self.frames.extend(said);
        async { Ok(()) }.boxed()
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}
