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
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{
    Gateway, Payload,
    demand::demand,
    explain::X_TIDEGATE_EXPLAIN,
    middleware,
    problem::{Code, Problem},
    request_id::{X_REQUEST_ID, request_id},
    router,
    upgrade::Lifeline,
};
use crate::{cache::Demand, tasks::Tasks, telemetry::Outcome};

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

/// Serves a gateway on a listener.
#[derive(Clone)]
pub struct Server {
    gateway: Gateway,
    router: Router,
    open: Arc<AtomicUsize>,
}

/// Counts a connection for as long as it lives.
struct Connected {
    server: Server,
}

impl Connected {
    fn new(server: &Server) -> Option<Self> {
        let max = server.gateway.reader().config.server.limits.max_connections;
        let open = server.open.fetch_add(1, Ordering::Relaxed) + 1;
        let connected = Self { server: server.clone() };
        connected.server.gateway.metrics().connections(open);
        (open <= max).then_some(connected)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let open = self.server.open.fetch_sub(1, Ordering::Relaxed) - 1;
        self.server.gateway.metrics().connections(open);
    }
}

impl Server {
    /// A server for `gateway`.
    pub fn new(gateway: Gateway) -> Self {
        Self { router: router(gateway.clone()), gateway, open: Arc::default() }
    }

    /// Accepts connections until `stop`; then each ends after the answer that it is giving.
    /// Connections are tasks of `tasks`, which waits for them.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken, tasks: Tasks) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _peer)) => self.connect(stream, &stop, &tasks),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn connect(&self, stream: TcpStream, stop: &CancellationToken, tasks: &Tasks) {
        let Some(connected) = Connected::new(self) else {
            self.gateway.metrics().connection_refused();
            tasks.spawn("refusal", refuse(stream));
            return;
        };
        let (server, stop) = (self.clone(), stop.clone());
        tasks.spawn("connection", async move {
            let _connected = connected;
            server.converse(stream, stop).await;
        });
    }

    async fn converse(self, stream: TcpStream, stop: CancellationToken) {
        let limits = &self.gateway.reader().config.server.limits;
        // Small answers are not to wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        // A client that takes nothing of its answer is cut by the kernel after as long.
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(limits.header_timeout));
        // Nor is much of a stream to wait in the kernel, where it only grows old.
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(MAX_UNSENT);
        let lifeline = Lifeline::default();
        let _held = lifeline.hold();
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .writev(false)
            .header_read_timeout(limits.header_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(limits.max_header_bytes.max(MIN_BUFFER));
        let service = service_fn(|request| self.answer(request, &lifeline));
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

    /// The fast path where it leads to an answer, else the router.
    async fn answer(
        &self,
        mut request: Request<Incoming>,
        lifeline: &Lifeline,
    ) -> Result<Response<Payload>, Infallible> {
        if let Some(response) = self.hit(&request) {
            return Ok(response);
        }
        let max = self.gateway.reader().config.server.limits.max_uri_bytes;
        let uri = request.uri().path_and_query().map_or("", |uri| uri.as_str());
        if uri.len() > max {
            let id = request_id(request.headers());
            let detail = format!("path and query may have {max} bytes");
            let problem = Problem::new(Code::UriTooLong, detail);
            let name = id.to_str().unwrap_or_default();
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
        let response = self.router.clone().oneshot(request.map(Body::new)).await;
        Ok(response?.map(Payload::Handler))
    }

    /// The fast path: the answer to a GET that was encoded before and can be given as it is, or
    /// `None` where the router has to be asked. Neither parses, clones nor serialises market data.
    pub fn hit<B>(&self, request: &Request<B>) -> Option<Response<Payload>> {
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
        // Other requests have their span at level info; a hit costs less than one.
        tracing::debug_span!("request", id = id.to_str().unwrap_or_default(), method = "GET", uri)
            .in_scope(|| tracing::debug!("answered from memory"));
        response.headers_mut().insert(X_REQUEST_ID, id);
        reader.served(answer.stamps(), outcome, now);
        let metrics = self.gateway.metrics();
        for stamp in answer.stamps() {
            metrics.looked_up(stamp.kind, outcome);
        }
        let outcome = Outcome::of_status(response.status().as_u16());
        metrics.answered(answer.endpoint(), outcome, now.elapsed());
        Some(response)
    }
}

/// Tells one client too many that there is no room.
async fn refuse(mut stream: TcpStream) {
    let mut problem = Problem::new(Code::Overloaded, "too many connections");
    problem.retry_after = Some(Duration::from_secs(1));
    let id = request_id(&HeaderMap::new());
    let id = id.to_str().unwrap_or_default();
    let body = problem.body("", id);
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
         content-length: {}\r\ncache-control: no-store\r\nretry-after: 1\r\n\
         x-request-id: {id}\r\nconnection: close\r\n\r\n",
        body.len()
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
