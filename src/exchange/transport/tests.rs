use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener},
    sync::mpsc,
    thread,
};

use flate2::{Compression, write::GzEncoder};

use super::*;
use crate::exchange::Endpoints;

const PATIENT: Duration = Duration::from_secs(20);

/// Answers one connection after another with the bytes given, then closes it; hands out the
/// requests' heads.
pub(in crate::exchange) fn server(answers: Vec<Vec<u8>>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    let (heads, received) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            heads.send(String::from_utf8(head).unwrap()).unwrap();
            stream.write_all(&answer).unwrap();
            let _peer_may_be_gone = stream.shutdown(Shutdown::Write);
            // Wait for the client to close, or a reset could overtake the answer.
            let _rest = stream.read(&mut byte);
        }
    });
    (root, received)
}

/// Where [`server`] is found.
pub(in crate::exchange) fn endpoints(root: &str) -> Endpoints {
    Endpoints { rest_url: root.to_owned(), request_timeout: PATIENT }
}

pub(in crate::exchange) fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

async fn ask(answers: Vec<u8>) -> Result<Answer, UpstreamError> {
    let (root, _heads) = server(vec![answers]);
    Transport::new(&root, PATIENT).unwrap().get("v2/x").await
}

#[tokio::test]
async fn path_goes_out_as_given_and_any_status_is_an_answer() {
    let body = br#"["error",10020,"symbol: invalid"]"#;
    let (root, heads) = server(vec![answer("500 Internal Server Error", body)]);
    let transport = Transport::new(&format!("{root}/"), PATIENT).unwrap();
    let got = transport.get("v2/candles/trade:1m:tDOGE:USD/hist?limit=5&x=a,b:c").await.unwrap();
    assert_eq!(got, Answer { status: 500, retry_after: None, body: Bytes::from_static(body) });
    let head = heads.recv().unwrap().to_ascii_lowercase();
    let (line, rest) = head.split_once("\r\n").unwrap();
    assert_eq!(line, "get /v2/candles/trade:1m:tdoge:usd/hist?limit=5&x=a,b:c http/1.1");
    assert!(rest.contains(&format!("user-agent: tidegate/{}\r\n", env!("CARGO_PKG_VERSION"))));
    assert!(rest.contains("accept-encoding: gzip\r\n"), "{rest}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let got = ask(answer("302 Found\r\nlocation: http://127.0.0.1:1/", b"")).await.unwrap();
    assert_eq!(got.status, 302);
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms() {
    let date = "429 Too Many Requests\r\ndate: Sun, 22 Nov 2026 15:00:00 GMT\r\nretry-after: \
                Sun, 22 Nov 2026 15:00:42 GMT";
    for (head, seconds) in [
        ("429 Too Many Requests\r\nretry-after: 17", Some(17)),
        (date, Some(42)),
        ("418 I'm a teapot\r\nretry-after: 259200", Some(259_200)),
        ("429 Too Many Requests\r\nretry-after: 99999999999999", Some(259_200)),
        ("429 Too Many Requests\r\nretry-after: soon", None),
        ("429 Too Many Requests", None),
    ] {
        let got = ask(answer(head, b"[]")).await.unwrap();
        assert_eq!(got.retry_after, seconds.map(Duration::from_secs), "{head}");
    }
}

#[test]
fn a_past_retry_date_is_no_wait() {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("Sun, 22 Nov 2026 15:00:00 GMT"));
    let now = "2026-11-22T14:59:30Z".parse().unwrap();
    assert_eq!(retry_after(&headers, now), Some(Duration::from_secs(30)));
    let now = "2026-11-22T15:00:30Z".parse().unwrap();
    assert_eq!(retry_after(&headers, now), Some(Duration::ZERO));
}

#[tokio::test]
async fn a_cut_answer_is_told_from_a_whole_one() {
    let cut = Err(UpstreamError::Transport(TransportFault::Cut));
    let whole = answer("200 OK", b"[1,2,3]");
    assert_eq!(ask(whole.clone()).await.unwrap().body, Bytes::from_static(b"[1,2,3]"));
    for length in [0, 10, whole.len() - 1] {
        assert_eq!(ask(whole[..length].to_vec()).await, cut, "{length}");
    }
}

#[tokio::test]
async fn gzip_is_decoded_and_its_faults_told_apart() {
    let text = format!("[{}0]", "1,".repeat(5_000));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let zipped = encoder.finish().unwrap();
    let head = "200 OK\r\ncontent-encoding: gzip";
    assert_eq!(ask(answer(head, &zipped)).await.unwrap().body, text);
    let whole = answer(head, &zipped);
    let cut = ask(whole[..whole.len() - 20].to_vec()).await;
    assert_eq!(cut, Err(UpstreamError::Transport(TransportFault::Cut)));
    let corrupt = ask(answer(head, b"this is no gzip at all")).await;
    assert!(matches!(corrupt, Err(UpstreamError::Invalid(_))), "{corrupt:?}");
}

#[tokio::test]
async fn an_answer_without_end_is_refused() {
    let announced = b"HTTP/1.1 200 OK\r\ncontent-length: 9000000000\r\n\r\n[".to_vec();
    assert!(matches!(ask(announced).await, Err(UpstreamError::Invalid(_))));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&vec![b' '; MAX_BODY_BYTES + 1]).unwrap();
    let bomb = encoder.finish().unwrap();
    let got = ask(answer("200 OK\r\ncontent-encoding: gzip", &bomb)).await;
    assert!(matches!(got, Err(UpstreamError::Invalid(_))), "{got:?}");
}

#[tokio::test]
async fn silence_ends_at_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    let timeout = Duration::from_millis(300);
    let begun = tokio::time::Instant::now();
    let got = Transport::new(&root, timeout).unwrap().get("v2/x").await;
    assert_eq!(got, Err(UpstreamError::Transport(TransportFault::Timeout)));
    assert!(begun.elapsed() >= timeout);
}

#[tokio::test]
async fn nobody_listening_is_a_connect_fault() {
    // Bound and not listening: nobody else is given the port meanwhile.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let root = format!("http://{}", socket.local_addr().unwrap());
    let got = Transport::new(&root, PATIENT).unwrap().get("v2/x").await;
    assert_eq!(got, Err(UpstreamError::Transport(TransportFault::Connect)));
}

#[tokio::test]
async fn a_failed_handshake_is_a_connect_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let root = format!("https://{}", listener.local_addr().unwrap());
    let transport = match Transport::new(&root, PATIENT) {
        Ok(transport) => transport,
        // A machine without certificates can have no TLS.
        Err(error) => return assert!(matches!(error, BadTransport::Tls(_)), "{error}"),
    };
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let got = transport.get("v2/x").await;
    assert_eq!(got, Err(UpstreamError::Transport(TransportFault::Connect)));
}

#[test]
fn a_root_has_to_be_a_url() {
    for root in ["", "api-pub.bitfinex.com", "ftp://x", "https://x?y=1", "https://x#y", "http://"] {
        let got = Transport::new(root, PATIENT).map(|_| ());
        assert_eq!(got, Err(BadTransport::Root(root.to_owned())));
    }
}
