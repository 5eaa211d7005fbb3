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
    max_message_bytes: usize,
}

impl WebSocket {
    /// For connections to `url` (`wss://api-pub.bitfinex.com/ws/2`), none of which is made yet. A
    /// message that is longer than `max_message_bytes` ends its connection.
    ///
    /// # Errors
    /// It is not an absolute `ws` or `wss` URL.
    pub fn new(url: &str, max_message_bytes: usize) -> Result<Self, BadUrl> {
        let bad = || BadUrl(url.chars().take(200).collect());
        let mut request = url.into_client_request().map_err(|_| bad())?;
        if !matches!(request.uri().scheme_str(), Some("ws" | "wss")) {
            return Err(bad());
        }
        let agent = HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        // Only the first install of a process succeeds; a later one finds ring in place.
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { request, max_message_bytes })
    }
}

impl Connector for WebSocket {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Wire>, ConnectError>> {
        async move {
            let config = WebSocketConfig::default()
                .max_message_size(Some(self.max_message_bytes))
                .max_frame_size(Some(self.max_message_bytes));
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpSocket},
    };
    use tokio_tungstenite::accept_async;

    use super::*;

    const MAX_MESSAGE_BYTES: usize = 2 * 1024 * 1024;

    async fn listener() -> (TcpListener, WebSocket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws/2", listener.local_addr().unwrap());
        (listener, WebSocket::new(&url, MAX_MESSAGE_BYTES).unwrap())
    }

    async fn connected() -> (Box<dyn Wire>, WebSocketStream<TcpStream>) {
        let (listener, connector) = listener().await;
        let server = async { accept_async(listener.accept().await.unwrap().0).await.unwrap() };
        let (wire, server) = tokio::join!(connector.connect(), server);
        (wire.unwrap(), server)
    }

    #[tokio::test]
    async fn texts_go_both_ways_and_pings_are_answered() {
        let (mut wire, mut server) = connected().await;
        wire.send("{\"event\":\"conf\"}".to_owned()).await.unwrap();
        let heard = server.next().await.unwrap().unwrap();
        assert_eq!(heard, Message::text("{\"event\":\"conf\"}"));

        server.send(Message::Ping("are you there".into())).await.unwrap();
        server.send(Message::text("[1,\"hb\"]")).await.unwrap();
        assert_eq!(wire.next().await.unwrap(), "[1,\"hb\"]");
        let (pong, end) = tokio::join!(
            async {
                let pong = server.next().await.unwrap().unwrap();
                server.close(None).await.unwrap();
                pong
            },
            wire.next()
        );
        assert_eq!(pong, Message::Pong("are you there".into()));
        assert!(end.unwrap_err().to_string().starts_with("the connection is gone: closed"));
    }

    #[tokio::test]
    async fn what_is_too_long_or_no_text_ends_the_connection() {
        let (mut wire, mut server) = connected().await;
        server.send(Message::text("x".repeat(1024 * 1024))).await.unwrap();
        assert_eq!(wire.next().await.unwrap().len(), 1024 * 1024);
        server.send(Message::binary(vec![1, 2])).await.unwrap();
        assert_eq!(wire.next().await, Err(WireError("it sent a binary message".to_owned())));

        let (mut wire, mut server) = connected().await;
        let long = Message::text("x".repeat(MAX_MESSAGE_BYTES + 1));
        let (_cut_off, end) = tokio::join!(server.send(long), async move {
            let end = wire.next().await;
            drop(wire);
            end
        });
        assert!(end.unwrap_err().0.contains("Space limit exceeded"));
    }

    #[tokio::test]
    async fn a_goodbye_is_said() {
        let (mut wire, mut server) = connected().await;
        let ((), heard) = tokio::join!(wire.close(), server.next());
        assert_eq!(heard.unwrap().unwrap(), Message::Close(None));
    }

    /// What becomes of an attempt that is answered with this status, and what was asked.
    async fn refused(status: &str) -> (ConnectError, String) {
        let (listener, connector) = listener().await;
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(head[..length].to_vec()).unwrap()
        };
        let (attempt, head) = tokio::join!(connector.connect(), server);
        (attempt.err().unwrap(), head)
    }

    #[tokio::test]
    async fn a_429_is_told_from_other_failures() {
        let (error, head) = refused("429 Too Many Requests").await;
        assert_eq!(error, ConnectError::Blocked);
        assert!(head.starts_with("GET /ws/2 HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("user-agent: tidegate/"), "{head}");
        let (error, _) = refused("503 Service Unavailable").await;
        assert_eq!(error, ConnectError::Failed("HTTP error: 503 Service Unavailable".to_owned()));
    }

    #[tokio::test]
    async fn nobody_at_the_address_is_a_failure() {
        // Bound and not listening: nobody else is given the port meanwhile.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("ws://{}/ws/2", socket.local_addr().unwrap());
        let connector = WebSocket::new(&url, MAX_MESSAGE_BYTES).unwrap();
        let error = connector.connect().await.err().unwrap();
        assert!(matches!(error, ConnectError::Failed(_)), "{error}");
    }

    #[test]
    fn only_web_sockets_are_addresses() {
        assert!(WebSocket::new("wss://api-pub.bitfinex.com/ws/2", 1).is_ok());
        for bad in ["", "https://api-pub.bitfinex.com/ws/2", "ws/2", "ws://"] {
            assert_eq!(WebSocket::new(bad, 1).err(), Some(BadUrl(bad.to_owned())), "{bad:?}");
        }
    }
}
