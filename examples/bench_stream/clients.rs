//! Clients that follow books, and those that follow and never read.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _, future::join_all};
use socket2::{Domain, Socket, Type};
use tidegate::tasks::Tasks;
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::feeder::Sent;

/// How a server is asked for books.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    /// Path of its WebSocket.
    pub(crate) path: &'static str,
}

impl Dialect {
    fn subscription(self, symbols: &[String]) -> String {
        let symbols = serde_json::to_string(symbols).unwrap();
        format!(r#"{{"op":"subscribe","symbols":{symbols},"channels":["orderbook"]}}"#)
    }
}

/// What clients measured, in microseconds.
#[derive(Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    /// The value that a share of all stayed below, in milliseconds.
    pub(crate) fn quantile(&mut self, share: f64) -> f64 {
        self.0.sort_unstable();
        let at = ((self.0.len() as f64 * share) as usize).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
    }

    /// How many updates arrived.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// A crowd of clients that stay connected until it is dropped.
pub(crate) struct Crowd {
    /// True while what arrives is measured.
    measuring: watch::Sender<bool>,
    results: mpsc::UnboundedReceiver<Vec<u32>>,
    _stalled: Vec<WebSocketStream<TcpStream>>,
    readers: usize,
    tasks: Tasks,
}

/// Connections that are made at once.
const AT_ONCE: usize = 100;

impl Crowd {
    /// Connects `readers` clients, each on one of `symbols`, and `stalled` more that follow all of
    /// them and never read.
    pub(crate) async fn connect(
        address: &str,
        dialect: Dialect,
        symbols: &Arc<Vec<String>>,
        (readers, stalled): (usize, usize),
        sent: &Sent,
    ) -> anyhow::Result<Self> {
        let tasks = Tasks::new(|_| {});
        let (measuring, measured) = watch::channel(false);
        let (tell, results) = mpsc::unbounded_channel();
        let mut kept = Vec::with_capacity(stalled);
        for chunk in (0..stalled).collect::<Vec<_>>().chunks(AT_ONCE) {
            let sockets = chunk.iter().map(|_| connect(address, dialect, symbols, true));
            for socket in join_all(sockets).await {
                kept.push(socket?);
            }
        }
        for chunk in (0..readers).collect::<Vec<_>>().chunks(AT_ONCE) {
            let sockets = chunk.iter().map(|client| {
                let one = &symbols[client % symbols.len()..][..1];
                connect(address, dialect, one, false)
            });
            for socket in join_all(sockets).await {
                let (socket, sent) = (socket?, sent.clone());
                let (measured, tell) = (measured.clone(), tell.clone());
                tasks.spawn_until_stop("client", follow(socket, sent, measured, tell));
            }
        }
        Ok(Self { measuring, results, _stalled: kept, readers, tasks })
    }

    /// Measures for this long.
    pub(crate) async fn measure(&mut self, time: Duration) -> Latencies {
        self.measuring.send_replace(true);
        tokio::time::sleep(time).await;
        self.measuring.send_replace(false);
        let mut all = Latencies::default();
        for _ in 0..self.readers {
            let told = tokio::time::timeout(Duration::from_secs(20), self.results.recv());
            match told.await {
                Ok(Some(micros)) => all.0.extend(micros),
                _ => break,
            }
        }
        all
    }

    /// Hangs up.
    pub(crate) async fn leave(self) {
        self.tasks.drain(Duration::from_secs(5)).await;
    }
}

async fn connect(
    address: &str,
    dialect: Dialect,
    symbols: &[String],
    stalled: bool,
) -> anyhow::Result<WebSocketStream<TcpStream>> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if stalled {
        socket.set_recv_buffer_size(4096)?;
    }
    let address: std::net::SocketAddr = address.parse()?;
    socket.connect(&address.into())?;
    socket.set_nonblocking(true)?;
    let stream = TcpStream::from_std(socket.into())?;
    let url = format!("ws://{address}{}", dialect.path);
    let config = WebSocketConfig::default().read_buffer_size(4096);
    let (mut socket, _) = client_async_with_config(url, stream, Some(config)).await?;
    socket.send(Message::text(dialect.subscription(symbols))).await?;
    Ok(socket)
}

/// Tells the latencies of the time of measuring when that ends.
async fn follow(
    mut socket: WebSocketStream<TcpStream>,
    sent: Sent,
    mut measured: watch::Receiver<bool>,
    tell: mpsc::UnboundedSender<Vec<u32>>,
) {
    let mut micros = Vec::new();
    loop {
        tokio::select! {
            biased;
            changed = measured.changed() => {
                if changed.is_err() { return }
                if !*measured.borrow_and_update() {
                    let _ = tell.send(std::mem::take(&mut micros));
                }
            }
            message = socket.next() => {
                let Some(Ok(message)) = message else { return };
                let now = Instant::now();
                let Message::Text(text) = message else { continue };
                if !*measured.borrow() { continue }
                let Some(ago) = update_number(&text).and_then(|at| sent.ago(at, now)) else {
                    continue
                };
                micros.push(u32::try_from(ago.as_micros()).unwrap_or(u32::MAX));
            }
        }
    }
}

/// The number that an update of one level carries as its amount: `[[99,1234.5]]`.
fn update_number(text: &str) -> Option<usize> {
    if !text.contains("\"update\"") {
        return None;
    }
    let from = text.find("[[")? + 2;
    let row = &text[from..from + text[from..].find("]]")?];
    let amount: f64 = row.split(',').nth(1)?.parse().ok()?;
    Some(amount as usize)
}
