//! The only user of reqwest.

use std::{error::Error as StdError, io, time::Duration};

use bytes::{Bytes, BytesMut};
use jiff::fmt::rfc2822;
use reqwest::{
    Client, Response, Url,
    header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect, retry,
};
use tracing::{Instrument as _, Span};

use super::{TransportFault, UpstreamError};
use crate::{clock::Clock, market::UnixMs, telemetry::traces};

/// The longest answer that is read, after decompression. The largest genuine one, 10,000 candles
/// or trades, stays under 1 MiB.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// The longest a connection may take to be made, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than the 60 s and more after which servers tend to close an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// The longest `Retry-After` that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Why no [`Transport`] can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTransport {
    /// The root is not an absolute `http` or `https` URL without query and fragment.
    #[error("not an http or https URL: {0:?}")]
    Root(String),
    /// TLS could not be set up, for example because the system has no certificates.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// A complete answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After` as a time from now, given in seconds or as a date.
    pub retry_after: Option<Duration>,
    /// The body, decompressed.
    pub body: Bytes,
}

/// A pool of connections to one exchange. Clones share it.
///
/// It follows no redirect and repeats no request: one call is one request on the wire.
#[derive(Clone, Debug)]
pub struct Transport {
    client: Client,
    root: String,
    request_timeout: Duration,
    sent: Vec<(HeaderName, HeaderValue)>,
    clock: Clock,
}

impl Transport {
    /// A pool for the server at `root` (`https://api-pub.bitfinex.com`); no connection is made
    /// yet. `request_timeout` bounds one request from its start to the last byte of its answer.
    pub fn new(root: &str, request_timeout: Duration) -> Result<Self, BadTransport> {
        let bad_root = || BadTransport::Root(root.chars().take(200).collect());
        let url = Url::parse(root).map_err(|_| bad_root())?;
        let plain = url.scheme() == "http";
        let usable = (plain || url.scheme() == "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none();
        if !usable {
            return Err(bad_root());
        }
        // Only the first install of a process succeeds; a later one finds ring in place.
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .connect_timeout(CONNECT_TIMEOUT.min(request_timeout))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_nodelay(true);
        if plain {
            // Without TLS there is no need for the system's certificates, which a minimal
            // container may lack.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&url) {
            // No proxy can reach this machine's loopback.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| BadTransport::Tls(innermost(&error)))?;
        let root = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { client, root, request_timeout, sent: Vec::new(), clock: Clock::system() })
    }

    /// The same, with a further header in every request. `name` is in lower case.
    #[must_use]
    pub fn sending(mut self, name: &'static str, value: &'static str) -> Self {
        self.sent.push((HeaderName::from_static(name), HeaderValue::from_static(value)));
        self
    }

    /// Sends one GET for `path_and_query`, relative to the root and without a leading slash. It
    /// goes out as given: colons and commas are not encoded.
    ///
    /// An answer of any status is `Ok`. Dropping the future abandons the request.
    pub async fn get(&self, path_and_query: &str) -> Result<Answer, UpstreamError> {
        let span = match traces::are_on() {
            true => tracing::info_span!("GET", path = path_and_query, otel.kind = "client"),
            false => Span::none(),
        };
        let exchange = self.exchange(format!("{}/{path_and_query}", self.root));
        tokio::time::timeout(self.request_timeout, exchange.instrument(span))
            .await
            .unwrap_or(Err(UpstreamError::Transport(TransportFault::Timeout)))
    }

    async fn exchange(&self, url: String) -> Result<Answer, UpstreamError> {
        let mut request = self.client.get(url);
        for (name, value) in &self.sent {
            request = request.header(name, value);
        }
        if traces::are_on() {
            let mut headers = HeaderMap::new();
            traces::pass_on(&mut headers);
            request = request.headers(headers);
        }
        let response = request.send().await.map_err(|error| fault(&error))?;
        let status = response.status().as_u16();
        if traces::are_on() {
            traces::note(&Span::current(), "http.response.status_code", i64::from(status));
        }
        let retry_after = retry_after(response.headers(), self.clock.now());
        let body = read(response).await?;
        Ok(Answer { status, retry_after, body })
    }
}

async fn read(mut response: Response) -> Result<Bytes, UpstreamError> {
    let too_long = || UpstreamError::Invalid(format!("answer over {MAX_BODY_BYTES} bytes"));
    let announced = response.content_length().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > MAX_BODY_BYTES {
        return Err(too_long());
    }
    let mut body = BytesMut::with_capacity(announced);
    while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn fault(error: &reqwest::Error) -> UpstreamError {
    let corrupt = || {
        causes(error).any(|cause| {
            let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
            matches!(kind, Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput))
        })
    };
    // A connection that could not be made in time is told apart from a slow answer.
    if error.is_connect() {
        UpstreamError::Transport(TransportFault::Connect)
    } else if error.is_timeout() {
        UpstreamError::Transport(TransportFault::Timeout)
    } else if error.is_builder() {
        UpstreamError::Invalid("the request has no valid URL".to_owned())
    } else if corrupt() {
        UpstreamError::Invalid("the answer's compression is corrupt".to_owned())
    } else {
        UpstreamError::Transport(TransportFault::Cut)
    }
}

fn causes<'a>(error: &'a dyn StdError) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// RFC 9110 section 10.2.3. A date is taken relative to the answer's own `Date`, so that a wrong
/// clock on either side does not matter.
fn retry_after(headers: &HeaderMap, now: UnixMs) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => date(text)?.since(date_of(headers, DATE).unwrap_or(now)),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn date_of(headers: &HeaderMap<HeaderValue>, name: HeaderName) -> Option<UnixMs> {
    date(headers.get(name)?.to_str().ok()?)
}

fn date(text: &str) -> Option<UnixMs> {
    let when = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(UnixMs::from_millis(when.as_millisecond()))
}

#[cfg(test)]
pub(super) mod tests;
