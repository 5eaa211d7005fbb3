//! A client of one gateway.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::future::join;
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::{
    connection::{Stream, Trust, secure},
    endpoint::Endpoint,
};
use crate::access::Key;

/// A page of 10,000 candles takes about 1.5 MB.
const LARGEST: usize = 32 * 1024 * 1024;

/// A connection to a gateway that is there takes no longer.
const CONNECT: Duration = Duration::from_secs(3);

/// Asks one gateway. Each request has a connection of its own: the way is short, and there are
/// few requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    endpoint: Endpoint,
    key: Option<Key>,
    trust: Trust,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its HTTP status.
    pub status: u16,
    /// Its `Cache-Status`; empty if it has none.
    pub cache_status: String,
    /// Everything behind its headers.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody accepts a connection there.
    #[error("no gateway at {endpoint}: {error}")]
    Absent {
        /// Who was asked.
        endpoint: Endpoint,
        /// What the system says.
        error: io::Error,
    },
    /// There is no TLS, or a certificate that is not accepted.
    #[error("{endpoint}: {error}")]
    Tls {
        /// Who was asked.
        endpoint: Endpoint,
        /// What is wrong.
        error: io::Error,
    },
    /// The connection was cut, or what came over it is not HTTP.
    #[error("{endpoint}: {error}")]
    Cut {
        /// Who was asked.
        endpoint: Endpoint,
        /// What was seen.
        error: hyper::Error,
    },
    /// It took too long.
    #[error("{endpoint}: no answer in {} s", patience.as_secs())]
    Late {
        /// Who was asked.
        endpoint: Endpoint,
        /// How long the answer was waited for.
        patience: Duration,
    },
    /// The answer is larger than any that is expected, or breaks off.
    #[error("{endpoint}: {reason}")]
    Body {
        /// Who was asked.
        endpoint: Endpoint,
        /// What is wrong with it.
        reason: String,
    },
    /// What was to be asked is no path.
    #[error("not a path that can be asked: {0:?}")]
    Path(String),
    /// The key is none. It is not repeated.
    #[error("the key has characters that no header can carry")]
    Key,
}

impl Client {
    /// A client of the gateway there; nothing is sent yet.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, key: None, trust: Trust::default() }
    }

    /// The same with a key that it shows.
    #[must_use]
    pub fn with_key(self, key: Option<Key>) -> Self {
        Self { key, ..self }
    }

    /// The same, which accepts these certificates.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Who is asked.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks for a path with its query, and waits no longer than `patience` for the whole answer.
    /// Dropping it hangs up.
    ///
    /// # Errors
    /// There is no complete HTTP answer, of whatever status.
    pub async fn get(
        &self,
        path: &str,
        headers: &[(HeaderName, &str)],
        patience: Duration,
    ) -> Result<Reply, ClientError> {
        let endpoint = || self.endpoint.clone();
        match timeout(patience, self.exchange(path, headers)).await {
            Ok(reply) => reply,
            Err(_) => Err(ClientError::Late { endpoint: endpoint(), patience }),
        }
    }

    async fn exchange(
        &self,
        path: &str,
        headers: &[(HeaderName, &str)],
    ) -> Result<Reply, ClientError> {
        let mut request = Request::get(path)
            .header(header::HOST, self.endpoint.authority())
            .header(header::USER_AGENT, concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close");
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        if let Some(key) = &self.key {
            let value = HeaderValue::try_from(format!("Bearer {}", key.reveal()));
            let mut value = value.map_err(|_| ClientError::Key)?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Empty::<Bytes>::new()).ok();
        let request = request.filter(|_| path.starts_with('/'));
        let request = request.ok_or_else(|| ClientError::Path(path.chars().take(200).collect()))?;
        let stream = self.connect().await?;
        let cut = |error| ClientError::Cut { endpoint: self.endpoint.clone(), error };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(cut)?;
        let answer = async {
            // Owned here, so that the connection ends with the answer.
            let response = sender.send_request(request).await.map_err(cut)?;
            drop(sender);
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LARGEST).collect().await;
            let body = body.map_err(|error| self.broken(error.as_ref()))?.to_bytes();
            let cache_status = head.headers.get("cache-status").and_then(|it| it.to_str().ok());
            let cache_status = cache_status.unwrap_or_default().to_owned();
            Ok(Reply { status: head.status.as_u16(), cache_status, body })
        };
        // What goes wrong on the connection is told by the request as well.
        let (answer, _told_above) = join(answer, connection).await;
        answer
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, ClientError> {
        let endpoint = || self.endpoint.clone();
        let connecting = timeout(CONNECT, TcpStream::connect(self.endpoint.authority())).await;
        let connected = connecting.unwrap_or_else(|late| Err(late.into()));
        let stream =
            connected.map_err(|error| ClientError::Absent { endpoint: endpoint(), error })?;
        let agreeing = timeout(CONNECT, secure(stream, &self.endpoint, &self.trust)).await;
        let agreed = agreeing.unwrap_or_else(|late| Err(late.into()));
        agreed.map_err(|error| ClientError::Tls { endpoint: endpoint(), error })
    }

    fn broken(&self, error: &(dyn std::error::Error + Send + Sync + 'static)) -> ClientError {
        let reason = if error.is::<LengthLimitError>() {
            format!("the answer is larger than {LARGEST} bytes")
        } else {
            format!("the answer breaks off: {error}")
        };
        ClientError::Body { endpoint: self.endpoint.clone(), reason }
    }
}
