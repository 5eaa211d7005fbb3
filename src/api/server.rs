//! The listener: connections in, bounded in number, size and time.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, Response, header},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{
    Gateway, Payload, Surface, Tls,
    admission::{self, Admission},
    cors::Cors,
    demand::demand,
    explain::X_TIDEGATE_EXPLAIN,
    faults::{Failing, Reason},
    middleware,
    problem::{Code, Problem},
    request_id::{X_REQUEST_ID, request_id},
    router,
    upgrade::Lifeline,
};
use crate::{
    cache::Demand,
    tasks::Tasks,
    telemetry::{ClientId, Endpoint, Outcome, traces},
};

/// Headers of one request.
const MAX_HEADERS: usize = 64;
/// hyper's least buffer for a request's head.
const MIN_BUFFER: usize = 8192;
/// A pause after an error of accepting that is the machine's, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What may wait in the kernel to be sent for the first time.
const MAX_UNSENT: u32 = 128 * 1024;
/// What a client too many gets to take his refusal.
const FAREWELL: Duration = Duration::from_millis(250);
/// What TLS begins with: the content type of a handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// Serves a gateway on a listener.
#[derive(Clone)]
pub struct Server {
    gateway: Gateway,
    router: Router,
    open: Arc<AtomicUsize>,
    tls: Option<Tls>,
    is_admin: bool,
}

/// Counts a connection for as long as it lives.
struct Connected {
    server: Server,
}

impl Connected {
    fn new(server: &Server) -> Option<Self> {
        let config = server.gateway.reader().config.glance();
        let max = match server.is_admin {
            true => config.server.admin.max_connections,
            false => config.server.limits.max_connections,
        };
        let open = server.open.fetch_add(1, Ordering::Relaxed) + 1;
        let connected = Self { server: server.clone() };
        connected.tell(open);
        (open <= max).then_some(connected)
    }

    /// Those of operators have a limit of their own, and are not told of.
    fn tell(&self, open: usize) {
        if !self.server.is_admin {
            self.server.gateway.metrics().connections(open);
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let open = self.server.open.fetch_sub(1, Ordering::Relaxed) - 1;
        self.tell(open);
    }
}

impl Server {
    /// A server of everything that `gateway` has, without TLS.
    pub fn new(gateway: Gateway) -> Self {
        Self::of(gateway, Surface::Whole, None)
    }

    /// A server of a part of `gateway`, with TLS where there is a certificate.
    pub fn of(gateway: Gateway, surface: Surface, tls: Option<Tls>) -> Self {
        let router = router(gateway.clone(), surface);
        Self { router, gateway, open: Arc::default(), tls, is_admin: false }
    }

    /// The same of everything, with the connection limit of operators.
    pub fn admin(gateway: Gateway, tls: Option<Tls>) -> Self {
        Self { is_admin: true, ..Self::of(gateway, Surface::Whole, tls) }
    }

    /// Accepts connections until `stop`; then each ends after the answer that it is giving.
    /// Connections are tasks of `tasks`, which waits for them.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken, tasks: Tasks) {
        // On a listener that others reach, a peer on the loopback may well be a proxy before them.
        let is_loopback =
            listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let is_near = is_loopback && peer.ip().to_canonical().is_loopback();
                    self.connect(stream, is_near, &stop, &tasks);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn connect(&self, stream: TcpStream, is_near: bool, stop: &CancellationToken, tasks: &Tasks) {
        let Some(connected) = Connected::new(self) else {
            self.gateway.metrics().connection_refused();
            // In TLS, as many handshakes would be owed as there are too many connections.
            if self.tls.is_none() {
                tasks.spawn("refusal", refuse(stream, too_many()));
            }
            return;
        };
        let (server, stop) = (self.clone(), stop.clone());
        tasks.spawn("connection", async move {
            let _connected = connected;
            server.prepare(&stream);
            match server.tls.clone() {
                None => server.converse(stream, is_near, stop).await,
                // Apart, so that connections without it take no memory for it.
                Some(tls) => Box::pin(server.converse_in(tls, stream, is_near, stop)).await,
            }
        });
    }

    fn prepare(&self, stream: &TcpStream) {
        let patience = self.gateway.reader().config.glance().server.limits.header_timeout;
        // Small answers are not to wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        // A client that takes nothing of its answer is cut by the kernel after as long.
        let _ = SockRef::from(stream).set_tcp_user_timeout(Some(patience));
        // Nor is much of a stream to wait in the kernel, where it only grows old.
        let _ = SockRef::from(stream).set_tcp_notsent_lowat(MAX_UNSENT);
    }

    async fn converse_in(
        self,
        tls: Tls,
        stream: TcpStream,
        is_near: bool,
        stop: CancellationToken,
    ) {
        let patience = self.gateway.reader().config.glance().server.limits.header_timeout;
        let agreed = timeout(patience, agree(&tls, stream));
        let agreed = stop.run_until_cancelled(agreed).await;
        match agreed {
            Some(Ok(Ok(stream))) => self.converse(stream, is_near, stop).await,
            Some(_) => self.gateway.metrics().tls().handshake_failed(),
            None => {}
        }
    }

    async fn converse<S>(self, stream: S, is_near: bool, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = self.gateway.reader().config.now().server.limits.clone();
        let lifeline = Lifeline::default();
        let _held = lifeline.hold();
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .writev(false)
            .header_read_timeout(limits.header_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(limits.max_header_bytes.max(MIN_BUFFER));
        let service = service_fn(|request| self.respond(request, is_near, &lifeline));
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        tokio::pin!(connection);
        // An error here is the client's: it hung up, was too slow, or sent no HTTP.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = lifeline.is_cut() => return,
            () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            _ = connection => {}
            () = lifeline.is_cut() => {}
        }
    }

    /// The answer with what browsers have to be told; without TLS and configured origins this
    /// adds nothing.
    async fn respond(
        &self,
        request: Request<Incoming>,
        is_near: bool,
        lifeline: &Lifeline,
    ) -> Result<Response<Payload>, Infallible> {
        let cors = Cors::of(&self.gateway.reader().config.glance().server.cors, request.headers());
        if let Some(cors) = &cors
            && let Some(response) = cors.preflight(request.method(), request.headers())
        {
            return Ok(response);
        }
        let mut response = self.answer(request, is_near, lifeline).await?;
        if let Some(cors) = cors {
            cors.mark(response.headers_mut());
        }
        if self.tls.is_some() {
            let config = self.gateway.reader().config.glance();
            insist_on_tls(response.headers_mut(), config.server.tls.hsts);
        }
        Ok(response)
    }

    /// The fast path where it leads to an answer, else the router.
    async fn answer(
        &self,
        mut request: Request<Incoming>,
        is_near: bool,
        lifeline: &Lifeline,
    ) -> Result<Response<Payload>, Infallible> {
        let admission = match self.hit_as(&request, is_near) {
            Ok(response) => return Ok(response),
            Err(admission) => admission,
        };
        let max = self.gateway.reader().config.glance().server.limits.max_uri_bytes;
        let uri = request.uri().path_and_query().map_or("", |uri| uri.as_str());
        if uri.len() > max {
            let id = request_id(request.headers());
            let detail = format!("path and query may have {max} bytes");
            let problem = Problem::new(Code::UriTooLong, detail);
            let name = id.to_str().unwrap_or_default();
            let failing = Failing {
                id: name,
                client: admission.grant.client().id(),
                method: request.method(),
                path: request.uri().path(),
                query: None,
                endpoint: Endpoint::Unknown,
            };
            let status = problem.code.status();
            failing.note(self.gateway.reader(), status, Reason::from(&problem));
            // A path too long to be echoed still tells by its beginning who reads the answer.
            let path = match request.uri().path() {
                path if path.len() <= max => path,
                path if path.starts_with("/v2/") => "/v2/",
                _ => "",
            };
            let mut response = middleware::refuse(&problem, request.method(), path, name, None)
                .map(Payload::Handler);
            response.headers_mut().insert(X_REQUEST_ID, id);
            return Ok(response);
        }
        request.extensions_mut().insert(lifeline.clone());
        request.extensions_mut().insert(admission.caller());
        request.extensions_mut().insert(admission);
        let response = self.router.clone().oneshot(request.map(Body::new)).await;
        Ok(response?.map(Payload::Handler))
    }

    /// The fast path for a request that is let in, or what the router is to know of who sent it.
    /// `is_near`: it came over the loopback.
    ///
    /// # Errors
    /// The router has to be asked.
    fn hit_as<B>(
        &self,
        request: &Request<B>,
        is_near: bool,
    ) -> Result<Response<Payload>, Box<Admission>> {
        let access = self.gateway.access();
        admission::admit(access, request, is_near, |grant, verdict| {
            let hit = match &verdict {
                Ok(allowance) => {
                    self.hit(request, grant.client().id()).map(|hit| (hit, *allowance))
                }
                Err(_) => None,
            };
            let Some((mut response, allowance)) = hit else {
                return Err(Box::new(Admission::new(access, grant, verdict)));
            };
            admission::tell(grant, allowance, response.headers_mut());
            let outcome = Outcome::of_status(response.status().as_u16());
            grant.client().metrics().answered(outcome);
            Ok(response)
        })
    }

    /// The fast path: the answer to a GET that was encoded before and can be given as it is, or
    /// `None` where the router has to be asked. Neither parses, clones nor serialises market data.
    pub fn hit<B>(&self, request: &Request<B>, client: ClientId) -> Option<Response<Payload>> {
        let headers = request.headers();
        // Who wants to be told how it was answered needs more than the answer.
        if request.method() != Method::GET || headers.contains_key(&X_TIDEGATE_EXPLAIN) {
            return None;
        }
        let now = Instant::now();
        let demand = match headers.contains_key(header::CACHE_CONTROL) {
            true => demand(headers).ok()?,
            false => Demand::default(),
        };
        let uri = request.uri().path_and_query()?.as_str();
        let reader = self.gateway.reader();
        let (answer, outcome) = reader.answers.ready(uri, &demand, now)?;
        let mut response = answer.respond(headers, outcome, now);
        let id = request_id(headers);
        let name = id.to_str().unwrap_or_default();
        if traces::are_on() {
            let kind = "server";
            let span =
                tracing::info_span!("request", id = name, method = "GET", uri, otel.kind = kind);
            traces::continue_from(&span, headers);
            let status = response.status().as_u16();
            traces::note(&span, "http.response.status_code", i64::from(status));
            traces::note(&span, "http.route", answer.endpoint().as_str());
            traces::note(&span, "tidegate.cache", outcome.as_str());
        } else {
            // Other requests have their span at level info; a hit costs less than one.
            tracing::debug_span!("request", id = name, method = "GET", uri)
                .in_scope(|| tracing::debug!("answered from memory"));
        }
        response.headers_mut().insert(X_REQUEST_ID, id);
        reader.served(client, (answer.stamps(), outcome), now);
        let metrics = self.gateway.metrics();
        for stamp in answer.stamps() {
            metrics.looked_up(stamp.kind, outcome);
        }
        let outcome = Outcome::of_status(response.status().as_u16());
        metrics.answered(answer.endpoint(), outcome, now.elapsed());
        Some(response)
    }
}

/// Keeps browsers from asking for pages without TLS (RFC 6797).
fn insist_on_tls(headers: &mut HeaderMap, max_age: Duration) {
    let kind = headers.get(header::CONTENT_TYPE);
    if max_age.is_zero() || !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        return;
    }
    if let Ok(value) = format!("max-age={}", max_age.as_secs()).parse() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
}

/// Agrees upon TLS with a client; one that speaks plain HTTP is told what is spoken here.
async fn agree(tls: &Tls, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first != [HANDSHAKE] {
        let detail = "this port speaks TLS only: ask for https://";
        refuse(stream, Problem::new(Code::UpgradeRequired, detail)).await;
        return Err(io::ErrorKind::InvalidData.into());
    }
    tls.acceptor().accept(stream).await
}

/// What one client too many is told.
fn too_many() -> Problem {
    let mut problem = Problem::new(Code::Overloaded, "too many connections");
    problem.retry_after = Some(Duration::from_secs(1));
    problem
}

/// Answers a connection with a problem and ends it.
async fn refuse(mut stream: TcpStream, problem: Problem) {
    let id = request_id(&HeaderMap::new());
    let id = id.to_str().unwrap_or_default();
    let body = problem.body("", id);
    let (status, length) = (problem.code.status(), body.len());
    let own = match problem.code {
        // RFC 9110, section 15.5.22.
        Code::UpgradeRequired => "upgrade: TLS/1.2\r\nconnection: upgrade, close",
        _ => "retry-after: 1\r\nconnection: close",
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\n\
         content-length: {length}\r\ncache-control: no-store\r\n\
         x-request-id: {id}\r\n{own}\r\n\r\n"
    );
    let answer = [head.as_bytes(), &body].concat();
    let farewell = async {
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        // Closed with a request unread, the connection would be reset, which may cost the client
        // the answer.
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

/// Errors of accepting that concern the one connection only.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused | Kind::ConnectionAborted | Kind::ConnectionReset
    )
}
