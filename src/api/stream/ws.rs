//! `/ws`: a WebSocket on which topics are subscribed to and left again.

use std::sync::Arc;

use axum::{extract::State, http::Response};
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use super::{
    message::Subject,
    refuse_draining, reply,
    reply::{ProblemBody, TopicBody},
    request::{self, Name, Request, Selection},
    session::{Session, Wake},
    wire::{AWAY, End, Wire},
};
use crate::{
    api::{
        Payload, Problem, Reader, Streams,
        params::Param,
        reader::Asked,
        router::Phase,
        upgrade::{Socket, Upgrade},
    },
    cache::Ask,
    market::{Channel, Listing},
    service::Desk,
    telemetry::StreamKind,
};

/// A client that makes so many mistakes in a row will not stop making them.
const MOST_MISTAKES: u32 = 20;
/// Pings without any sign of life, after which a client is given up.
const MOST_UNANSWERED: u32 = 3;

/// It takes no query parameters.
pub(crate) const PARAMS: [Param; 0] = [];

/// Market data over a WebSocket: topics are subscribed to and left again by messages, which
/// `/asyncapi.json` describes.
#[utoipa::path(
    get,
    path = "/api/market-data/ws",
    operation_id = "ws",
    tag = "Streams",
    responses((status = 101, description = "The connection is a WebSocket now"))
)]
pub(crate) async fn ws(
    State(reader): State<Arc<Reader>>,
    State(streams): State<Streams>,
    State(phase): State<Arc<Phase>>,
    asked: Asked,
    upgrade: Result<Upgrade, Problem>,
) -> Result<Response<Payload>, Problem> {
    asked.params(&PARAMS)?;
    let upgrade = upgrade?;
    refuse_draining(&phase)?;
    let client = asked.ask.payer.client;
    let session = Session::new(&reader, (StreamKind::Ws, client), &streams, phase);
    upgrade.accept(&streams, move |socket| converse(socket, session, reader))
}

async fn converse(socket: Socket, session: Session, reader: Arc<Reader>) {
    let wire = Wire::new(socket, session.patience(), session.stopping().clone());
    let now = Instant::now();
    let ping_at = now + session.heartbeat();
    let mut conversation =
        Conversation { wire, session, reader, work: None, mistakes: 0, heard_at: now, ping_at };
    let Err(end) = conversation.run().await;
    // His topics are not kept live for a farewell.
    let Conversation { wire, session, .. } = conversation;
    drop(session);
    wire.end(end).await;
}

/// One client.
struct Conversation {
    wire: Wire,
    session: Session,
    reader: Arc<Reader>,
    /// A request that waits for the list of markets. Until it is done no other is read, but the
    /// client is told what he follows already.
    work: Option<BoxFuture<'static, Box<Resolved>>>,
    mistakes: u32,
    heard_at: Instant,
    ping_at: Instant,
}

enum Step {
    Woken(Wake),
    Resolved(Box<Resolved>),
    Read(Message),
    Ping,
}

/// What a client wants of topics.
enum Wish {
    Follow { after: Option<String> },
    Leave,
}

/// A request with the markets that it names.
struct Resolved {
    name: Option<Name>,
    wish: Wish,
    desk: Desk,
    /// Each with what the client wrote.
    markets: Vec<(String, Result<Arc<Listing>, Problem>)>,
    channels: Vec<String>,
}

impl Conversation {
    async fn run(&mut self) -> Result<std::convert::Infallible, End> {
        self.say(reply::welcome(self.session.heartbeat(), &[])).await?;
        loop {
            let is_busy = self.work.is_some();
            let work = async {
                match &mut self.work {
                    Some(work) => work.await,
                    None => std::future::pending().await,
                }
            };
            let step = tokio::select! {
                wake = self.session.wake() => Step::Woken(wake),
                resolved = work => Step::Resolved(resolved),
                message = self.wire.read(), if !is_busy => Step::Read(message?),
                () = sleep_until(self.ping_at) => Step::Ping,
            };
            match step {
                Step::Woken(Wake::News) => self.tell().await?,
                Step::Woken(Wake::Quiet) => self.say(self.session.heartbeat_text()).await?,
                Step::Woken(Wake::GoAway) => {
                    let text = self.session.go_away_text();
                    self.say(text).await?;
                }
                Step::Woken(Wake::Stop) => return Err(AWAY),
                Step::Resolved(resolved) => {
                    self.work = None;
                    self.heard_at = Instant::now();
                    let text = self.fulfil(&resolved);
                    self.say(text).await?;
                }
                Step::Read(message) => self.hear(message).await?,
                Step::Ping => self.ping().await?,
            }
        }
    }

    /// Sends all that is new.
    async fn tell(&mut self) -> Result<(), End> {
        let (mut messages, mut bytes) = (0, 0);
        for telling in self.session.following.take() {
            messages += 1;
            bytes += telling.text.len() as u64;
            self.wire.feed(telling.text).await?;
        }
        if messages > 0 {
            self.wire.flush().await?;
            self.session.sent(messages, bytes);
        }
        Ok(())
    }

    async fn say(&mut self, text: Vec<u8>) -> Result<(), End> {
        let bytes = text.len() as u64;
        self.wire.feed(text.into()).await?;
        self.wire.flush().await?;
        self.session.sent(1, bytes);
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), End> {
        let silence = self.session.heartbeat() * MOST_UNANSWERED;
        if self.work.is_none() && self.heard_at.elapsed() > silence {
            return Err(End::Gone);
        }
        self.ping_at = Instant::now() + self.session.heartbeat();
        self.wire.ping().await
    }

    async fn hear(&mut self, message: Message) -> Result<(), End> {
        self.heard_at = Instant::now();
        match message {
            Message::Text(text) => self.obey(&text).await,
            Message::Binary(_) => {
                let detail = "messages are JSON in text frames";
                self.complain(None, ProblemBody::new("unsupported_data", detail)).await
            }
            Message::Close(_) => Err(End::Closed),
            // The answer to a ping waits to be written.
            Message::Ping(_) => self.wire.flush().await,
            Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    async fn obey(&mut self, text: &str) -> Result<(), End> {
        let (name, request) = request::read(text, self.reader.config.now().stream.max_topics);
        let (wish, selection) = match request {
            Err(problem) => return self.complain(name.as_ref(), problem).await,
            Ok(Request::Ping) => {
                self.mistakes = 0;
                return self.say(reply::pong(name.as_ref())).await;
            }
            Ok(Request::Subscribe { selection, after }) => (Wish::Follow { after }, selection),
            Ok(Request::Unsubscribe { selection }) => (Wish::Leave, selection),
        };
        let desk = match self.reader.desks.get(selection.exchange.as_deref()) {
            Ok(desk) => desk.clone(),
            Err(unknown) => {
                let problem = Problem::from(unknown).into();
                return self.complain(name.as_ref(), problem).await;
            }
        };
        self.mistakes = 0;
        let deadline = Instant::now() + self.reader.config.now().server.request_deadline;
        self.work = Some(resolve(name, wish, desk, selection, deadline).boxed());
        Ok(())
    }

    /// Tells a client what is wrong with his message; ends where it always is.
    async fn complain(&mut self, name: Option<&Name>, problem: ProblemBody) -> Result<(), End> {
        self.say(reply::error(name, problem)).await?;
        self.mistakes += 1;
        match self.mistakes {
            MOST_MISTAKES.. => Err(End::Close(CloseCode::Policy, "too many mistakes in a row")),
            _ => Ok(()),
        }
    }

    /// Follows or leaves each of the topics that can be; gives the answer.
    fn fulfil(&mut self, resolved: &Resolved) -> Vec<u8> {
        let Resolved { name, wish, desk, markets, channels } = resolved;
        let mut topics = Vec::with_capacity(markets.len() * channels.len());
        for (written, market) in markets {
            for channel in channels {
                let topic = self.topic(wish, desk, market, channel);
                topics.push(
                    topic.unwrap_or_else(|problem| TopicBody::failed(written, channel, problem)),
                );
            }
        }
        let op = match wish {
            Wish::Follow { .. } => "subscribe",
            Wish::Leave => "unsubscribe",
        };
        reply::ack(op, name.as_ref(), &topics)
    }

    fn topic(
        &mut self,
        wish: &Wish,
        desk: &Desk,
        market: &Result<Arc<Listing>, Problem>,
        channel: &str,
    ) -> Result<TopicBody, ProblemBody> {
        let market = market.clone()?;
        let channel: Channel = channel.parse().map_err(|bad: crate::market::BadChannel| {
            Problem::parameter("channels", channel, bad.to_string())
        })?;
        let subject = Subject { exchange: desk.shelf.name(), market, channel };
        let following = &mut self.session.following;
        match wish {
            Wish::Follow { after } => {
                let joined = following.follow(desk, &subject, after.as_deref())?;
                Ok(TopicBody::joined(&subject, &joined))
            }
            Wish::Leave if following.leave(desk, &subject)? => Ok(TopicBody::left(&subject)),
            Wish::Leave => Err(ProblemBody::new("not_subscribed", "it is not followed")),
        }
    }
}

async fn resolve(
    name: Option<Name>,
    wish: Wish,
    desk: Desk,
    selection: Selection,
    deadline: Instant,
) -> Box<Resolved> {
    let mut markets = Vec::with_capacity(selection.symbols.len());
    for symbol in selection.symbols {
        let ask = Ask::by(deadline);
        let market = desk.markets.resolve(&symbol, ask).await.map_err(Problem::from);
        markets.push((symbol, market));
    }
    Box::new(Resolved { name, wish, desk, markets, channels: selection.channels })
}
