//! Opens many connections, sends one GET on each at the same moment, and says when the last answer
//! was complete. `make bench` uses it for many clients on one cold key.
//!
//! `stampede HOST:PORT PATH CONNECTIONS` prints one JSON object:
//! `{"first_ms", "median_ms", "last_ms", "statuses": {STATUS: COUNT}}`, where the status 0 stands
//! for a connection that ended without an answer.

use std::{collections::BTreeMap, env, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Barrier,
    task::JoinSet,
    time::Instant,
};

/// Reads to the end of the connection; the moment of the last byte, and the status.
async fn read_answer(connection: &mut TcpStream, mut answer: Vec<u8>) -> (Instant, u16) {
    let mut last_byte = Instant::now();
    while let Ok(1..) = connection.read_buf(&mut answer).await {
        last_byte = Instant::now();
    }
    let status = answer
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    (last_byte, status.unwrap_or(0))
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().context("want HOST:PORT PATH CONNECTIONS")?;
    let path = arguments.next().context("want HOST:PORT PATH CONNECTIONS")?;
    let connections: usize =
        arguments.next().context("want HOST:PORT PATH CONNECTIONS")?.parse()?;

    // `Connection: close` lets the end of an answer be the end of its connection.
    let request: Arc<[u8]> =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
            .into_bytes()
            .into();
    let start = Arc::new(Barrier::new(connections + 1));
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let mut connection = TcpStream::connect(&address).await?;
        connection.set_nodelay(true)?;
        let (request, start) = (request.clone(), start.clone());
        let room = Vec::with_capacity(8192);
        clients.spawn(async move {
            start.wait().await;
            connection.write_all(&request).await?;
            anyhow::Ok(read_answer(&mut connection, room).await)
        });
    }
    start.wait().await;
    let started = Instant::now();

    let mut took = Vec::with_capacity(connections);
    let mut statuses = BTreeMap::<u16, usize>::new();
    while let Some(client) = clients.join_next().await {
        let (last_byte, status) = client?.unwrap_or((started, 0));
        took.push(last_byte.saturating_duration_since(started));
        *statuses.entry(status).or_default() += 1;
    }
    took.sort_unstable();
    let ms = |index: usize| took.get(index).map(Duration::as_secs_f64).map(|seconds| seconds * 1e3);
    println!(
        "{}",
        json!({
            "first_ms": ms(0),
            "median_ms": ms(connections / 2),
            "last_ms": ms(connections.saturating_sub(1)),
            "statuses": statuses,
        })
    );
    Ok(())
}
