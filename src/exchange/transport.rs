//! The only user of reqwest.

use std::{error::Error as StdError, io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use jiff::fmt::rfc2822;
use reqwest::{
    Client, RequestBuilder, Response, Url,
    header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect, retry,
};
use tracing::{Instrument as _, Span};

use super::{Fetch, Meter, TransportFault, UpstreamError};
use crate::{clock::Clock, market::UnixMs, telemetry::traces};

/// The longest answer that is read, after decompression. The largest genuine one is Binance's list
/// of markets: 1.9 MB in 2021, twice as many markets since.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// The longest a connection may take to be made, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than the 60 s and more after which servers tend to close an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// The longest `Retry-After` that is believed: bans last for days (binance/binance-spot-api-docs,
/// rest-api.md, 2026-07: "from 2 minutes to 3 days").
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(3 * 86_400);

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

/// Answers GETs in place of a server, for an exchange in the same process.
pub trait Source: Send + Sync + 'static {
    /// The answer to a GET for `path_and_query`, which has no leading slash.
    fn get<'a>(&'a self, path_and_query: &'a str) -> Fetch<'a, Answer>;
}

/// A pool of connections to one exchange. Clones share it.
///
/// It follows no redirect and repeats no request: one call is one request on the wire.
#[derive(Clone)]
pub struct Transport {
    way: Way,
    clock: Clock,
    sent: HeaderMap,
    metered: Option<(HeaderName, Meter)>,
}

#[derive(Clone)]
enum Way {
    Server { client: Client, root: String, request_timeout: Duration },
    Source(Arc<dyn Source>),
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
        Ok(Self::by(Way::Server { client, root, request_timeout }, Clock::system()))
    }

    /// One that asks `source`, in whose exchange it is what `clock` says.
    pub fn local(source: Arc<dyn Source>, clock: Clock) -> Self {
        Self::by(Way::Source(source), clock)
    }

    fn by(way: Way, clock: Clock) -> Self {
        Self { way, clock, sent: HeaderMap::new(), metered: None }
    }

    /// What time it is for those who ask the exchange.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The same, with a further header in every request. `name` is in lower case.
    #[must_use]
    pub fn sending(mut self, name: &'static str, value: &'static str) -> Self {
        let value = HeaderValue::from_static(value);
        self.sent.insert(HeaderName::from_static(name), value);
        self
    }

    /// The same, telling `meter` the number that answers bear in `header` (in lower case): the
    /// units that the exchange has counted.
    #[must_use]
    pub fn metered(mut self, header: &'static str, meter: Meter) -> Self {
        self.metered = Some((HeaderName::from_static(header), meter));
        self
    }

    /// Sends one GET for `path_and_query`, relative to the root and without a leading slash. It
    /// goes out as given: colons and commas are not encoded.
    ///
    /// An answer of any status is `Ok`. Dropping the future abandons the request.
    pub async fn get(&self, path_and_query: &str) -> Result<Answer, UpstreamError> {
        let (client, root, request_timeout) = match &self.way {
            Way::Source(source) => return source.get(path_and_query).await,
            Way::Server { client, root, request_timeout } => (client, root, *request_timeout),
        };
        let span = match traces::are_on() {
            true => tracing::info_span!("GET", path = path_and_query, otel.kind = "client"),
            false => Span::none(),
        };
        let exchange = self.exchange(client.get(format!("{root}/{path_and_query}")));
        tokio::time::timeout(request_timeout, exchange.instrument(span))
            .await
            .unwrap_or(Err(UpstreamError::Transport(TransportFault::Timeout)))
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<Answer, UpstreamError> {
        let mut headers = self.sent.clone();
        if traces::are_on() {
            traces::pass_on(&mut headers);
        }
        let response = request.headers(headers).send().await.map_err(|error| fault(&error))?;
        let status = response.status().as_u16();
        if traces::are_on() {
            traces::note(&Span::current(), "http.response.status_code", i64::from(status));
        }
        let retry_after = retry_after(response.headers(), self.clock.now());
        if let Some((header, meter)) = &self.metered
            && let Some(used) = response.headers().get(header)
            && let Some(used) = used.to_str().ok().and_then(|used| used.trim().parse().ok())
        {
            meter.used(used);
        }
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
