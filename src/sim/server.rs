//! Sockets: accept, serve HTTP/1.1, hand over to WebSockets, reset on demand.

use std::{
    convert::Infallible,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::tasks::Tasks;

use super::{State, admin, respond, ws};

/// Accepts connections until dropped.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>, tasks: Tasks) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tasks.spawn_until_stop(
                    "sim connection",
                    connection(stream, state.clone(), tasks.clone()),
                );
            }
            Err(error) => {
                tracing::warn!(%error, "the simulated exchange cannot accept");
                // Out of file descriptors: some may be free again soon.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, state: Arc<State>, tasks: Tasks) {
    // Answers are small and clients wait for them.
    let _best_effort = stream.set_nodelay(true);
    let asked_to_reset = Arc::new(Notify::new());
    let line = Line { stream, reset: Arc::default() };
    let reset = line.reset.clone();
    let service = service_fn(|request: Request<Incoming>| {
        let (state, asked_to_reset) = (state.clone(), asked_to_reset.clone());
        let tasks = &tasks;
        async move {
            let path = request.uri().path();
            Ok::<_, Infallible>(if path == "/sim" || path.starts_with("/sim/") {
                admin::answer(&state, request).await
            } else if state.dialect.is_ws(path) {
                ws::socket::upgrade(&state, tasks, request)
            } else {
                respond::respond(state, request.into_parts().0, asked_to_reset).await
            })
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(line), service);
    tokio::select! {
        ended = connection.with_upgrades() => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection to the simulated exchange ended early");
            }
        }
        () = async {
            asked_to_reset.notified().await;
            // Before the other branch, and the line with it, is dropped.
            reset.store(true, Ordering::Relaxed);
        } => {}
    }
}

/// A stream that is reset instead of closed where that was asked for. The connection that owns it
/// is out of reach once it may be upgraded.
struct Line {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // Closing without lingering sends RST instead of FIN.
            let _best_effort = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
