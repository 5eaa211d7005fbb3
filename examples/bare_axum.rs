//! Serves constant bytes from memory with axum and nothing else: what `make bench` holds the
//! gateway's CPU per request against.
//!
//! `bare_axum PORT PATH=FILE...`

use std::{env, fs};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    extract::State,
    http::{HeaderValue, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
    serve::ListenerExt as _,
};
use bytes::Bytes;
use tokio::net::TcpListener;

async fn constant(State(body): State<Bytes>) -> impl IntoResponse {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body)
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let port: u16 = arguments.next().context("the port is missing")?.parse()?;
    let mut router = Router::new();
    for argument in arguments {
        let (path, file) = argument.split_once('=').context("want PATH=FILE")?;
        let body = Bytes::from(fs::read(file).with_context(|| file.to_owned())?);
        router = router.route(path, get(constant).with_state(body));
    }
    let listener = TcpListener::bind(("127.0.0.1", port)).await?.tap_io(|connection| {
        // As the gateway does; an answer is one write either way.
        let _best_effort = connection.set_nodelay(true);
    });
    axum::serve(listener, router).await?;
    Ok(())
}
