//! The upgrade of a request, and the socket that a conversation speaks through.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
};
use hyper::{Request, body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::time::MissedTickBehavior;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use crate::{
    sim::{
        answer::Answer,
        respond::{Body, plain},
        venue::State,
    },
    tasks::Tasks,
};

use super::{Conversation, Frame};

/// How often the market is looked at for what is due.
const TICK: Duration = Duration::from_millis(50);
/// A client that does not read for so long is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time for the client's part in closing.
const FAREWELL: Duration = Duration::from_secs(1);
/// Requests are short.
const MOST_BYTES: usize = 64 * 1024;

/// Answers a request to upgrade.
pub(in crate::sim) fn upgrade(
    state: &Arc<State>,
    tasks: &Tasks,
    mut request: Request<Incoming>,
) -> Response<Body> {
    let asked = request.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
    let websocket = asked.is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let key = request.headers().get(SEC_WEBSOCKET_KEY).filter(|_| websocket);
    let Some(accept) = key.map(|key| derive_accept_key(key.as_bytes())) else {
        let body = "Upgrade Required".to_owned();
        return plain(Answer::new(426, "text/plain", body));
    };
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let conversation = match Conversation::new(state.clone(), target) {
        Ok(conversation) => conversation,
        Err(refused) => {
            let body = format!("{refused}\n");
            return plain(Answer::new(refused.status(), "text/plain", body));
        }
    };
    let upgraded = hyper::upgrade::on(&mut request);
    tasks.spawn_until_stop("sim websocket", serve(upgraded, conversation, state.clone()));
    let mut response = plain(Answer::new(101, "text/plain", String::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.clear();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

async fn serve(upgraded: OnUpgrade, mut conversation: Conversation, state: Arc<State>) {
    let upgraded = match upgraded.await {
        Ok(upgraded) => TokioIo::new(upgraded),
        Err(error) => return tracing::debug!(%error, "an upgrade came to nothing"),
    };
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MOST_BYTES))
        .max_frame_size(Some(MOST_BYTES));
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(limits)).await;
    if let Err(error) = speak(&mut socket, &mut conversation, &state).await {
        tracing::debug!(%error, "a WebSocket of the simulated exchange ended early");
    }
}

async fn speak(
    socket: &mut Socket,
    conversation: &mut Conversation,
    state: &State,
) -> Result<(), tungstenite::Error> {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut frames = Vec::new();
    conversation.open(&mut frames);
    loop {
        for frame in frames.drain(..) {
            match frame {
                Frame::Text(text) => patiently(socket.feed(Message::text(text))).await?,
                Frame::Ping(payload) => {
                    patiently(socket.feed(Message::Ping(payload.into()))).await?;
                }
                Frame::Close(code) => return close(socket, code).await,
                Frame::Drop => {
                    // What was said before is heard.
                    return patiently(socket.flush()).await;
                }
            }
        }
        patiently(socket.flush()).await?;
        tokio::select! {
            message = socket.next() => match message.transpose()? {
                Some(Message::Text(text)) => {
                    conversation.on_text(&text, state.clock.now(), &mut frames);
                }
                Some(Message::Close(_)) => {
                    // Reading on sends the answer to it.
                    farewell(socket).await;
                    return Ok(());
                }
                None => return Ok(()),
                Some(_) => conversation.heard(state.clock.now()),
            },
            _ = ticks.tick() => conversation.on_time(state.clock.now(), &mut frames),
        }
    }
}

async fn close(socket: &mut Socket, code: u16) -> Result<(), tungstenite::Error> {
    let frame = CloseFrame { code: code.into(), reason: "".into() };
    patiently(socket.close(Some(frame))).await?;
    farewell(socket).await;
    Ok(())
}

/// Reads until both sides have closed, if the client does its part.
async fn farewell(socket: &mut Socket) {
    let closed = async { while let Some(Ok(_)) = socket.next().await {} };
    let _in_time = tokio::time::timeout(FAREWELL, closed).await;
}

async fn patiently(
    writing: impl Future<Output = Result<(), tungstenite::Error>>,
) -> Result<(), tungstenite::Error> {
    match tokio::time::timeout(PATIENCE, writing).await {
        Ok(written) => written,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}
