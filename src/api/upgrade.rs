//! From a request to a WebSocket or a stream of events: the places of those who stay.

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts},
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    admission::Admission,
    payload::Payload,
    problem::{Code, Problem},
};
use crate::{access::Grant, config, tasks::Tasks};

/// A client's WebSocket.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// What is read and written at once. A client's messages are short; a larger buffer would only be
/// memory, times the number of clients.
const BUFFER: usize = 4 * 1024;
/// What may wait to be written before writing waits for the client.
const MAX_WRITE_BUFFER: usize = 1024 * 1024;

/// Places for clients that follow streams, and the tasks that serve them.
#[derive(Clone)]
pub struct Streams {
    places: Arc<Semaphore>,
    tasks: Tasks,
    max_message_bytes: usize,
}

impl Streams {
    /// As many places as the settings say.
    pub fn new(settings: &config::Stream, tasks: Tasks) -> Self {
        Self {
            places: Arc::new(Semaphore::new(settings.max_clients)),
            tasks,
            max_message_bytes: settings.max_message_bytes,
        }
    }

    /// The tasks that serve clients.
    pub(super) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// A place for as long as it is held.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.places.clone().try_acquire_owned().map_err(|_| {
            let mut problem = Problem::new(Code::Overloaded, "too many clients follow streams");
            problem.retry_after = Some(Duration::from_secs(1));
            problem
        })
    }
}

/// The connection that a request came on, as far as one who answers without an end can see it.
#[derive(Clone, Debug, Default)]
pub(super) struct Lifeline {
    cut: CancellationToken,
    over: CancellationToken,
}

impl Lifeline {
    /// Ends the connection at once, whatever is still to be sent.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    /// Waits until somebody does. Cancel-safe.
    pub(super) async fn is_cut(&self) {
        self.cut.cancelled().await;
    }

    /// Waits until the connection has ended. Cancel-safe.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }

    /// The connection ends when this is dropped.
    pub(super) fn hold(&self) -> DropGuard {
        self.over.clone().drop_guard()
    }
}

/// How long one who follows a stream may go on doing so.
#[derive(Clone, Debug, Default)]
pub(super) struct Stay(Option<Grant>);

impl Stay {
    /// Does `work` until it is done, or until what it was let in by is taken back: then it is
    /// dropped where it stands.
    pub(super) async fn through(self, work: impl Future<Output = ()>) {
        match self.0 {
            None => work.await,
            Some(grant) => tokio::select! {
                () = work => {}
                () = grant.revoked() => {}
            },
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Stay {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let admission = parts.extensions.get::<Box<Admission>>();
        Ok(Self(admission.map(|admission| admission.grant.clone())))
    }
}

/// A request to become a WebSocket (RFC 6455, section 4.2.1).
pub(super) struct Upgrade {
    on_upgrade: OnUpgrade,
    accept: HeaderValue,
    stay: Stay,
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(stay) = Stay::from_request_parts(parts, state).await;
        let headers = &parts.headers;
        let refused = |why: &str| Problem::new(Code::UpgradeRequired, why);
        if parts.method != Method::GET
            || !has_token(headers, header::CONNECTION, "upgrade")
            || !has_token(headers, header::UPGRADE, "websocket")
        {
            return Err(refused("this is a WebSocket; ask for an upgrade to it"));
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(refused("Sec-WebSocket-Version must be 13"));
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY);
        let key = key.ok_or_else(|| refused("Sec-WebSocket-Key is missing"))?;
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
            .map_err(|_| refused("Sec-WebSocket-Key is invalid"))?;
        let on_upgrade = parts.extensions.remove::<OnUpgrade>();
        let on_upgrade = on_upgrade.ok_or_else(|| refused("the connection cannot be upgraded"))?;
        Ok(Self { on_upgrade, accept, stay })
    }
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        let text = value.to_str().unwrap_or_default();
        text.split(',').any(|part| part.trim().eq_ignore_ascii_case(token))
    })
}

impl Upgrade {
    /// Switches protocols; `converse` then has the socket, in a task of its own.
    pub(super) fn accept<F>(
        self,
        streams: &Streams,
        converse: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Result<Response<Payload>, Problem>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let place = streams.place()?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_write_buffer_size(MAX_WRITE_BUFFER)
            .max_message_size(Some(streams.max_message_bytes))
            .max_frame_size(Some(streams.max_message_bytes));
        let (on_upgrade, stay) = (self.on_upgrade, self.stay);
        streams.tasks.spawn("stream", async move {
            let _place = place;
            // A client that hangs up now is none.
            let Ok(upgraded) = on_upgrade.await else { return };
            let io = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
            stay.through(converse(socket)).await;
        });
        let mut response = Response::new(Payload::Shared(None));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        Ok(response)
    }
}
