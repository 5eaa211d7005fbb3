//! Keys come and go while the gateway runs.

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Response;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::rig::{Rig, TICKER, client, eventually, soon};

const STREAM: &str = "/api/market-data/stream?symbols=BTC-USD";

async fn follow(rig: &Rig, key: &str) -> Response {
    let request = rig.client.get(rig.url(STREAM)).header("x-api-key", key);
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let hello = soon("the stream's beginning", response.chunk()).await.unwrap().unwrap();
    assert!(hello.starts_with(b"retry:"), "{hello:?}");
    response
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_taken_back_works_no_longer_and_its_streams_end() {
    let bots = client("bots", "bots key", "");
    let rig = Rig::far(&(bots.clone() + &client("gone", "gone key", ""))).await;
    let mut stays = follow(&rig, "bots key").await;
    let mut events = follow(&rig, "gone key").await;
    let mut sockets = Vec::new();
    for path in ["/api/market-data/ws", "/ws/2"] {
        let mut request = rig.url(path).replace("http", "ws").into_client_request().unwrap();
        request.headers_mut().insert("authorization", "Bearer gone key".parse().unwrap());
        let (mut socket, _) = connect_async(request).await.unwrap();
        let hello = soon("the first message", socket.next()).await.unwrap().unwrap();
        assert!(matches!(hello, Message::Text(_)), "{hello:?}");
        sockets.push(socket);
    }
    assert_eq!(rig.get_as("gone key", TICKER).await.status, 200);

    rig.write(&(bots + &client("new", "new key", "")));
    rig.get_as("gone key", TICKER).await.problem(401, "unauthorized");
    assert_eq!(rig.get_as("new key", TICKER).await.status, 200);
    assert_eq!(rig.get_as("bots key", TICKER).await.status, 200);
    soon("the end of the events", async { while let Ok(Some(_)) = events.chunk().await {} }).await;
    for mut socket in sockets {
        let _closed = socket.send(Message::Ping("x".into())).await;
        soon("the end of the socket", async { while let Some(Ok(_)) = socket.next().await {} })
            .await;
    }
    let clients = || rig.samples("tidegate_stream_clients");
    eventually("one stream is left", || clients() == "{kind=\"sse\"} 1\n").await;
    rig.write(&client("bots", "bots key", "weight = 2"));
    assert_eq!(clients(), "{kind=\"sse\"} 1\n", "another weight is no reason to hang up");
    rig.write(&client("new", "new key", ""));
    soon("the end of the last stream", async { while let Ok(Some(_)) = stays.chunk().await {} })
        .await;
    let told = rig.get(STREAM, &[("x-api-key", "bots key")]).await;
    told.problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_a_mistake_lets_everybody_in_who_was() {
    let rig = Rig::far(&client("bots", "bots key", "")).await;
    std::fs::write(&rig.keys, "[[client]]\nname = \"other\"\nkeys = [\"sha256:0\"]\n").unwrap();
    let mistakes = rig.app.gateway().access().reload().unwrap_err().to_string();
    assert!(
        mistakes.contains("keys.toml:3: client[0].keys[0]: expected \"sha256:\""),
        "{mistakes}"
    );
    assert_eq!(rig.get_as("bots key", TICKER).await.status, 200);
}
