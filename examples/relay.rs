//! What one writes first: a relay that reads the exchange once, gives each client a queue, and
//! encodes each update for each client.
//!
//!     relay UPSTREAM_WS SYMBOL...

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tidegate::tasks::Tasks;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast,
};
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};

type Updates = broadcast::Sender<(String, Value)>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let upstream = args.next().expect("the exchange's WebSocket");
    let symbols: Vec<String> = args.collect();
    let (updates, _) = broadcast::channel(1024);
    let tasks = Tasks::new(|_| {});
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    let reader = updates.clone();
    tasks.spawn("reader", async move { read(&upstream, &symbols, &reader).await.unwrap() });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let updates = updates.clone();
        tasks.spawn("client", async move {
            let _hung_up = serve(stream, &updates).await;
        });
    }
}

async fn read(upstream: &str, symbols: &[String], updates: &Updates) -> anyhow::Result<()> {
    let (mut socket, _) = tokio_tungstenite::connect_async(upstream).await?;
    for symbol in symbols {
        let ask = json!({"event": "subscribe", "channel": "book", "symbol": symbol});
        socket.send(Message::text(ask.to_string())).await?;
    }
    let mut channels = std::collections::HashMap::new();
    while let Some(message) = socket.next().await {
        let message: Value = serde_json::from_slice(&message?.into_data())?;
        if message["event"] == "subscribed" {
            let symbol = message["symbol"].as_str().unwrap_or_default().to_owned();
            channels.insert(message["chanId"].as_u64(), symbol);
        } else if let Some(symbol) = channels.get(&message[0].as_u64()) {
            // Nobody may be listening.
            let _ = updates.send((symbol.clone(), message[1].clone()));
        }
    }
    Ok(())
}

async fn serve(stream: TcpStream, updates: &Updates) -> anyhow::Result<()> {
    let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
    let mut socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
    let Some(ask) = socket.next().await else { return Ok(()) };
    let ask: Value = serde_json::from_slice(&ask?.into_data())?;
    let wanted: Vec<String> = serde_json::from_value(ask["symbols"].clone())?;
    let mut updates = updates.subscribe();
    loop {
        let (symbol, row) = updates.recv().await?;
        if !wanted.contains(&symbol) || !row[0].is_number() {
            continue;
        }
        let bid = row[2].as_f64().unwrap_or(0.0) > 0.0;
        let level = json!([[row[0], row[2].as_f64().unwrap_or(0.0).abs()]]);
        let (bids, asks) = if bid { (level, json!([])) } else { (json!([]), level) };
        let text = json!({
            "type": "update", "channel": "orderbook", "symbol": symbol,
            "data": {"bids": bids, "asks": asks},
        });
        socket.send(Message::text(text.to_string())).await?;
    }
}
