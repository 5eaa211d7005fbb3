//! TLS: who is served, with which certificate, and who is sent away.

use std::{fs, io};

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::version::{TLS12, TLS13};
use tidegate::{app::App, config::Config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{client_async, tungstenite::Message};

use crate::rig::{
    Issued, Rig, STUCK, TICKER, eventually, exchange_on, ms, other_key, plain, port, secure,
    secure_in,
};

const EXPIRY: &str = "tidegate_tls_certificate_expiry_seconds";
const FAILURES: &str = "tidegate_tls_handshake_failures_total";
const KEPT: &str = "tidegate_tls_reloads_total{result=\"kept\"}";
const RENEWED: &str = "tidegate_tls_reloads_total{result=\"renewed\"}";

#[tokio::test]
async fn whoever_trusts_the_certificate_is_served_in_both_versions() {
    let issued = Issued::until(2040);
    let rig = Rig::start(|config| issued.serve(config)).await;
    assert_eq!(rig.app.url(), format!("https://{}", rig.address()));
    for version in [&TLS12, &TLS13] {
        let stream = secure_in(rig.address(), &issued.der, &[version]).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(session.protocol_version(), Some(version.version));
        // An end without close_notify would be an error.
        let reply = exchange_on(stream, "GET", TICKER, &[]).await.unwrap();
        assert_eq!((reply.status, &reply.json()["symbol"]), (200, &"BTC/USD".into()));
        assert_eq!(reply.header("strict-transport-security"), None);
    }
    // 2040-01-01T00:00:00Z.
    assert_eq!(rig.metric(EXPIRY), 2_208_988_800.0);
    assert_eq!(rig.metric(FAILURES), 0.0);

    let stranger = Issued::until(2040);
    let error = secure(rig.address(), &stranger.der).await.unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    eventually("a failure is counted", async || (rig.metric(FAILURES) == 1.0).then_some(())).await;
}

#[tokio::test]
async fn plain_http_is_told_what_is_spoken_and_silence_has_an_end() {
    let issued = Issued::until(2040);
    let rig = Rig::start(|config| {
        issued.serve(config);
        config.server.limits.header_timeout = ms(600_000);
    })
    .await;
    // No timeout ends this before the test's own.
    let reply = plain(rig.address(), "GET", TICKER, &[]).await;
    let problem = reply.json();
    assert_eq!((reply.status, &problem["code"]), (426, &"upgrade_required".into()), "{problem}");
    assert_eq!(problem["detail"], "this port speaks TLS only: ask for https://");
    assert_eq!(reply.header("upgrade"), Some("TLS/1.2"));

    let mut hasty = rig.config.clone();
    hasty.server.limits.header_timeout = ms(300);
    assert_eq!(rig.app.reload(&hasty).failures, Vec::<String>::new());
    let mut silent = TcpStream::connect(rig.address()).await.unwrap();
    let mut garbled = TcpStream::connect(rig.address()).await.unwrap();
    garbled.write_all(&[22, 3, 1, 0, 5, 0xff, 0xff, 0xff, 0xff, 0xff]).await.unwrap();
    for stream in [&mut silent, &mut garbled] {
        let mut bytes = Vec::new();
        let ended = timeout(STUCK, stream.read_to_end(&mut bytes)).await.expect("it is ended");
        assert!(ended.is_err() || !bytes.starts_with(b"HTTP"), "{bytes:?}");
    }
    eventually("failures are counted", async || (rig.metric(FAILURES) == 3.0).then_some(())).await;
    assert_eq!(rig.app.reload(&rig.config).failures, Vec::<String>::new());
    let reply = exchange_on(secure(rig.address(), &issued.der).await.unwrap(), "GET", TICKER, &[]);
    assert_eq!(reply.await.unwrap().status, 200);
}

#[tokio::test]
async fn handshakes_count_as_connections() {
    let issued = Issued::until(2040);
    let rig = Rig::start(|config| {
        issued.serve(config);
        config.server.limits.max_connections = 1;
    })
    .await;
    let silent = TcpStream::connect(rig.address()).await.unwrap();
    let open = "tidegate_connections_open";
    eventually("it is accepted", async || (rig.metric(open) == 1.0).then_some(())).await;
    secure(rig.address(), &issued.der).await.unwrap_err();
    assert_eq!(rig.metric("tidegate_connections_refused_total"), 1.0);
    drop(silent);
    eventually("there is room again", async || secure(rig.address(), &issued.der).await.ok()).await;
}

#[tokio::test]
async fn sockets_and_streams_live_inside_and_end_in_order() {
    let issued = Issued::until(2040);
    let rig = Rig::start(|config| issued.serve(config)).await;
    let stream = secure(rig.address(), &issued.der).await.unwrap();
    let url = "wss://localhost/api/market-data/ws";
    let (mut socket, _) = client_async(url, stream).await.unwrap();
    socket.send(Message::text(r#"{"op":"ping","request":7}"#)).await.unwrap();
    for expected in ["welcome", "pong"] {
        let message = timeout(STUCK, socket.next()).await.unwrap().unwrap().unwrap();
        let message: serde_json::Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        assert_eq!(message["type"], expected, "{message}");
    }

    let mut events = secure(rig.address(), &issued.der).await.unwrap();
    let query = "/api/market-data/stream?symbols=BTC/USD&channels=ticker";
    let head = format!("GET {query} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    events.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|at| at == b"\r\n\r\n") {
        assert_ne!(timeout(STUCK, events.read_buf(&mut bytes)).await.unwrap().unwrap(), 0);
    }
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&bytes));

    let all_are_told = async {
        let mut last = None;
        while let Some(Ok(message)) = timeout(STUCK, socket.next()).await.unwrap() {
            last = Some(message);
        }
        let rest = timeout(STUCK, events.read_to_end(&mut bytes)).await.unwrap();
        (last, rest)
    };
    let (is_done, (last, rest)) = tokio::join!(rig.app.drain(), all_are_told);
    assert!(is_done, "within the grace");
    assert!(matches!(last, Some(Message::Close(Some(_)))), "{last:?}");
    // Without close_notify this is an error.
    rest.unwrap();
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_by_itself() {
    let issued = Issued::until(2040);
    let rig = Rig::start(|config| {
        issued.serve(config);
        config.server.tls.reload_interval = ms(20);
    })
    .await;
    let before = secure(rig.address(), &issued.der).await.unwrap();
    let renewed = issued.write(2041);
    eventually("it is shown", async || secure(rig.address(), &renewed).await.ok()).await;
    secure(rig.address(), &issued.der).await.unwrap_err();
    // 2041-01-01T00:00:00Z.
    assert_eq!(rig.metric(EXPIRY), 2_240_611_200.0);
    let reply = exchange_on(before, "GET", TICKER, &[]).await.unwrap();
    assert_eq!(reply.status, 200, "a connection stays as it is");
}

#[tokio::test]
async fn a_pair_that_does_not_fit_is_kept_out() {
    let issued = Issued::until(2040);
    let rig = Rig::start(|config| issued.serve(config)).await;
    let key = fs::read(issued.key()).unwrap();
    let wrongs: [(&str, &dyn Fn() -> io::Result<()>); 3] = [
        ("keys may not be consistent", &|| fs::write(issued.key(), other_key())),
        ("key.pem: ", &|| fs::write(issued.key(), "no key")),
        ("key.pem: No such file", &|| fs::remove_file(issued.key())),
    ];
    for (told, spoil) in wrongs {
        spoil().unwrap();
        let failures = rig.app.reload(&rig.config).failures;
        assert!(failures.len() == 1 && failures[0].contains(told), "{told}: {failures:?}");
        secure(rig.address(), &issued.der).await.unwrap();
    }
    assert_eq!((rig.metric(KEPT), rig.metric(RENEWED)), (3.0, 0.0));
    fs::write(issued.key(), key).unwrap();
    assert_eq!(rig.app.reload(&rig.config).failures, Vec::<String>::new());
    assert_eq!(rig.metric(RENEWED), 1.0);
    let other = Issued::until(2041);
    let mut config = rig.config.clone();
    other.serve(&mut config);
    assert!(rig.app.reload(&config).failures.is_empty(), "other files will do as well");
    secure(rig.address(), &other.der).await.unwrap();
}

#[tokio::test]
async fn nothing_starts_with_a_certificate_that_cannot_be_served() {
    let issued = Issued::until(2040);
    fs::write(issued.key(), other_key()).unwrap();
    let mut config = Config::default();
    config.feed.enabled = false;
    issued.serve(&mut config);
    let error = App::start(config, port().await).await.err().expect("it does not start");
    let told = format!("{error:#}");
    assert!(told.starts_with("the certificate cannot be served: "), "{told}");
    assert!(told.contains("cert.pem and ") && told.contains("key.pem: "), "{told}");
}

#[tokio::test]
async fn pages_insist_on_tls_where_that_is_wanted() {
    let issued = Issued::until(2040);
    let rig = Rig::start(|config| {
        issued.serve(config);
        config.server.tls.hsts = ms(86_400_000);
    })
    .await;
    let ask = async |path| {
        let stream = secure(rig.address(), &issued.der).await.unwrap();
        exchange_on(stream, "GET", path, &[]).await.unwrap()
    };
    let header = "strict-transport-security";
    assert_eq!(ask("/docs").await.header(header), Some("max-age=86400"));
    assert_eq!(ask(TICKER).await.header(header), None, "only browsers that show pages care");
}
