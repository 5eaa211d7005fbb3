//! Sockets: accept, serve HTTP/1.1, reset on demand.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::tasks::Tasks;

use super::{State, admin, respond};

/// Accepts connections until dropped.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>, tasks: Tasks) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tasks.spawn_until_stop("sim connection", connection(stream, state.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "the simulated exchange cannot accept");
                // Out of file descriptors: some may be free again soon.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    // Answers are small and clients wait for them.
    let _best_effort = stream.set_nodelay(true);
    let reset = Arc::new(Notify::new());
    let service = service_fn(|request: Request<Incoming>| {
        let (state, reset) = (state.clone(), reset.clone());
        async move {
            let path = request.uri().path();
            Ok::<_, Infallible>(if path == "/sim" || path.starts_with("/sim/") {
                admin::answer(&state, request).await
            } else {
                respond::respond(state, request.into_parts().0, reset).await
            })
        }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = &mut connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection to the simulated exchange ended early");
            }
        }
        () = reset.notified() => {
            let stream = connection.into_parts().io.into_inner();
            // Closing without lingering sends RST instead of FIN.
            let _best_effort = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    }
}
