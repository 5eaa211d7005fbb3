//! Clients over loopback, each with a connection of its own that is kept.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{self, SendRequest},
    header::HOST,
};
use hyper_util::rt::TokioIo;
use tidegate::tasks::Tasks;
use tokio::net::TcpStream;

/// One connection.
pub(crate) struct Line {
    address: String,
    sender: SendRequest<Empty<Bytes>>,
}

/// An answer with data.
pub(crate) struct Reply {
    pub(crate) cache_status: String,
    pub(crate) body: Bytes,
}

impl Line {
    pub(crate) async fn connect(address: &str, tasks: &Tasks) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its errors are those of the requests.
        tasks.spawn_until_stop("connection", async move { drop(connection.await) });
        Ok(Self { address: address.to_owned(), sender })
    }

    /// Answers that are no 200 are errors: what is measured is data.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Reply> {
        let request = Request::get(path).header(HOST, &self.address).body(Empty::new())?;
        let response = self.sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        let text = || String::from_utf8_lossy(&body).chars().take(300).collect::<String>();
        ensure!(head.status == StatusCode::OK, "{} {path}: {}", head.status, text());
        let status = head.headers.get("cache-status").context("an answer tells its source")?;
        Ok(Reply { cache_status: status.to_str()?.to_owned(), body })
    }
}
