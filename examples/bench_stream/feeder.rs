//! An exchange that does nothing but send: books of twenty markets, each update numbered.
//!
//! It speaks as much of Bitfinex's WebSocket as a client needs that follows books
//! (docs.bitfinex.com/docs/ws-general, 2025-11). An update's amount is its number, which the text
//! carries unchanged to whoever gets it, so that the time it took can be told there.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tidegate::tasks::Tasks;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_tungstenite::tungstenite::Message;

/// Books that have their turn.
const BOOKS: usize = 20;
/// Heartbeats come this often.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// When each update was sent, by its number.
#[derive(Clone, Default)]
pub(crate) struct Sent(Arc<Mutex<Vec<Instant>>>);

impl Sent {
    fn next(&self) -> usize {
        let mut times = self.0.lock().unwrap();
        times.push(Instant::now());
        times.len() - 1
    }

    /// How long ago the update was sent.
    pub(crate) fn ago(&self, number: usize, now: Instant) -> Option<Duration> {
        self.0.lock().unwrap().get(number).map(|sent| now.saturating_duration_since(*sent))
    }
}

/// Serves until the tasks stop. Each socket gets `rate` updates a second of each book.
pub(crate) async fn start(tasks: &Tasks, rate: u32, sent: Sent) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws/2", listener.local_addr().unwrap());
    let (owner, tasks) = (tasks.clone(), tasks.clone());
    owner.spawn_until_stop("feeder", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sent = sent.clone();
            tasks.spawn_until_stop("feeder socket", async move {
                // The other side is gone, and with it the reason to send.
                let _ = serve(stream, rate, sent).await;
            });
        }
    });
    url
}

struct Book {
    channel: usize,
    side: i64,
}

async fn serve(stream: TcpStream, rate: u32, sent: Sent) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    let info = r#"{"event":"info","version":2,"serverId":"feeder","platform":{"status":1}}"#;
    socket.send(Message::text(info)).await?;
    let mut books: Vec<Book> = Vec::new();
    let (mut numbered, mut seq, mut turn) = (false, 0_u64, 0_usize);
    let mut number = move |numbered: bool, frame: String| {
        if !numbered {
            return Message::text(frame);
        }
        seq += 1;
        Message::text(format!("{},{seq}]", &frame[..frame.len() - 1]))
    };
    let mut tick = interval(Duration::from_secs(1) / rate / BOOKS as u32);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heartbeat = interval(HEARTBEAT);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                turn = (turn + 1) % BOOKS;
                let Some(book) = books.get_mut(turn) else { continue };
                book.side = -book.side;
                let price = 100 + (if book.side > 0 { -1 } else { 1 });
                let id = sent.next();
                // Amount 0 would be no level, hence the half.
                let amount = (id as f64 + 0.5) * book.side as f64;
                let frame = format!("[{},[{price},1,{amount}]]", book.channel);
                socket.send(number(numbered, frame)).await?;
            }
            _ = heartbeat.tick() => {
                for book in &books {
                    let frame = format!("[{},\"hb\"]", book.channel);
                    socket.send(number(numbered, frame)).await?;
                }
            }
            text = socket.next() => {
                let Some(text) = text else { return Ok(()) };
                let Ok(mut ask) = serde_json::from_slice::<Value>(&text?.into_data()) else {
                    continue
                };
                match ask["event"].as_str() {
                    Some("conf") => {
                        numbered = ask["flags"].as_u64().unwrap_or(0) & 65_536 != 0;
                        ask["status"] = "OK".into();
                        socket.send(Message::text(ask.to_string())).await?;
                    }
                    Some("subscribe") => {
                        let channel = books.len() + 1;
                        ask["event"] = "subscribed".into();
                        ask["chanId"] = channel.into();
                        let symbol = ask["symbol"].as_str().unwrap_or_default();
                        ask["pair"] = symbol.trim_start_matches('t').into();
                        let shape = [("prec", "P0"), ("freq", "F0"), ("len", "25")];
                        for (name, default) in shape {
                            let given = ask.get(name).filter(|it| it.is_string()).cloned();
                            ask[name] = given.unwrap_or_else(|| default.into());
                        }
                        socket.send(Message::text(ask.to_string())).await?;
                        let levels = (0..25).flat_map(|n| [(99 - n, 1.0), (101 + n, -1.0)]);
                        let rows: Vec<_> = levels
                            .map(|(price, amount)| format!("[{price},1,{amount}]"))
                            .collect();
                        let frame = format!("[{channel},[{}]]", rows.join(","));
                        socket.send(number(numbered, frame)).await?;
                        books.push(Book { channel, side: 1 });
                    }
                    _ => {}
                }
            }
        }
    }
}
