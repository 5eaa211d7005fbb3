//! Serves constant bytes from memory with hyper and nothing else: the floor of a Rust HTTP server
//! in `make bench`, and the origin that fills the cache of its nginx.
//!
//! `bare_hyper PORT PATH=FILE...`

use std::{collections::HashMap, convert::Infallible, env, fs, sync::Arc};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

fn answer(bodies: &HashMap<String, Bytes>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let Some(body) = bodies.get(request.uri().path()) else {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let mut response = Response::new(Full::new(body.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    response
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let port: u16 = arguments.next().context("the port is missing")?.parse()?;
    let mut bodies = HashMap::new();
    for argument in arguments {
        let (path, file) = argument.split_once('=').context("want PATH=FILE")?;
        let body = Bytes::from(fs::read(file).with_context(|| file.to_owned())?);
        bodies.insert(path.to_owned(), body);
    }
    let bodies = Arc::new(bodies);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (connection, _peer) = listener.accept().await?;
        connection.set_nodelay(true)?;
        let bodies = bodies.clone();
        let service = service_fn(move |request| {
            let response = answer(&bodies, &request);
            async move { Ok::<_, Infallible>(response) }
        });
        let serving = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
        #[expect(clippy::disallowed_methods, reason = "a stand-alone server without crate::tasks")]
        tokio::spawn(serving);
    }
}
