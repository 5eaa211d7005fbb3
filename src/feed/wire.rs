//! A connection to an exchange's WebSocket, and its only implementation over a network.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _, future::BoxFuture};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest as _,
        handshake::client::Request,
        http::{HeaderValue, StatusCode, header::USER_AGENT},
        protocol::WebSocketConfig,
    },
};

/// The longest message that is read. The largest genuine one, a snapshot of candles, stays under
/// 1 MiB.
const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;
/// How long the goodbye to a server may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// An open connection: text messages in and out. Pings are answered inside.
///
/// Dropping it ends the connection without a goodbye.
pub trait Wire: Send {
    /// The next text message. Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// The connection is gone, or brought what is no text.
    fn next(&mut self) -> BoxFuture<'_, Result<Bytes, WireError>>;

    /// Sends a text. It is not cancel-safe: a text may be sent in part.
    ///
    /// # Errors
    /// The connection is gone.
    fn send(&mut self, text: String) -> BoxFuture<'_, Result<(), WireError>>;

    /// Says goodbye. Takes a second at most.
    fn close(&mut self) -> BoxFuture<'_, ()>;
}

/// Opens connections to one address. One call is one attempt; it neither waits nor repeats.
pub trait Connector: Send + Sync + 'static {
    /// Opens one. Dropping the future gives the attempt up.
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Wire>, ConnectError>>;
}

/// A connection is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection is gone: {0}")]
pub struct WireError(pub String);

/// A connection could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The exchange refuses because there were too many attempts (HTTP 429).
    #[error("the exchange refuses further connections (429)")]
    Blocked,
    /// Anything else.
    #[error("no connection could be made: {0}")]
    Failed(String),
}

/// What is no address of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a ws or wss URL: {0:?}")]
pub struct BadUrl(String);

/// Opens connections over TCP, with TLS where the URL says `wss`; never through a proxy.
#[derive(Clone, Debug)]
pub struct WebSocket {
    request: Request,
}

impl WebSocket {
    /// For connections to `url` (`wss://api-pub.bitfinex.com/ws/2`); none is made yet.
    ///
    /// # Errors
    /// It is not an absolute `ws` or `wss` URL.
    pub fn new(url: &str) -> Result<Self, BadUrl> {
        let bad = || BadUrl(url.chars().take(200).collect());
        let mut request = url.into_client_request().map_err(|_| bad())?;
        if !matches!(request.uri().scheme_str(), Some("ws" | "wss")) {
            return Err(bad());
        }
        let agent = HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        // Only the first install of a process succeeds; a later one finds ring in place.
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { request })
    }
}

impl Connector for WebSocket {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Wire>, ConnectError>> {
        async move {
            let config = WebSocketConfig::default()
                .max_message_size(Some(MAX_MESSAGE_BYTES))
                .max_frame_size(Some(MAX_MESSAGE_BYTES));
            let nodelay = true;
            match connect_async_with_config(self.request.clone(), Some(config), nodelay).await {
                Ok((stream, _)) => Ok(Box::new(Stream(stream)) as Box<dyn Wire>),
                Err(Error::Http(answer)) if answer.status() == StatusCode::TOO_MANY_REQUESTS => {
                    Err(ConnectError::Blocked)
                }
                Err(error) => Err(ConnectError::Failed(error.to_string())),
            }
        }
        .boxed()
    }
}

struct Stream(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Wire for Stream {
    fn next(&mut self) -> BoxFuture<'_, Result<Bytes, WireError>> {
        async move {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => return Ok(text.into()),
                    // Reading on answers a ping.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Binary(_))) => {
                        return Err(WireError("it sent a binary message".to_owned()));
                    }
                    Some(Ok(Message::Close(frame))) => {
                        let why = frame.map_or_else(String::new, |frame| frame.to_string());
                        return Err(WireError(format!("closed by the exchange {why}")));
                    }
                    Some(Err(error)) => return Err(gone(&error)),
                    None => return Err(WireError("ended".to_owned())),
                }
            }
        }
        .boxed()
    }

    fn send(&mut self, text: String) -> BoxFuture<'_, Result<(), WireError>> {
        async move { self.0.send(Message::text(text)).await.map_err(|error| gone(&error)) }.boxed()
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        async move {
            let _too_slow_or_gone = tokio::time::timeout(GOODBYE, self.0.close(None)).await;
        }
        .boxed()
    }
}

fn gone(error: &Error) -> WireError {
    WireError(error.to_string())
}
