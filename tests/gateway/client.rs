//! A client that sends exactly the bytes it is told to.

use std::{io, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

/// Beyond this a test is stuck, not slow.
const STUCK: Duration = Duration::from_secs(60);

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// From the connection to the last byte.
    pub(crate) took: Duration,
}

impl Reply {
    /// Reads the first answer of `bytes`; gives what is left, too. `None` if it is not complete.
    pub(crate) fn parse(bytes: &[u8], has_body: bool) -> Option<(Self, &[u8])> {
        let end = bytes.windows(4).position(|at| at == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers: Vec<_> = lines.filter_map(header).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length: usize = length.map_or(Some(0), |(_, value)| value.parse().ok())?;
        let length = if has_body && status != 304 { length } else { 0 };
        let body = bytes.get(end..end + length)?.to_vec();
        let reply = Self { status, headers, body, took: Duration::ZERO };
        Some((reply, &bytes[end + length..]))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn cache_status(&self) -> &str {
        self.header("cache-status").unwrap_or_default()
    }

    /// Seconds of freshness that `Cache-Status` tells.
    pub(crate) fn ttl(&self) -> i64 {
        let ttl = self.cache_status().split("; ").find_map(|part| part.strip_prefix("ttl="));
        ttl.and_then(|ttl| ttl.parse().ok()).unwrap_or_else(|| panic!("no ttl in {self:?}"))
    }

    /// Proves that this is the problem `code` about `path`, told in full; gives the document.
    #[track_caller]
    pub(crate) fn problem(&self, path: &str, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let document = self.json();
        assert_eq!((self.status, document["code"].as_str()), (status, Some(code)), "{document}");
        assert_eq!(document["status"], status);
        assert_eq!(document["type"], format!("urn:tidegate:problem:{code}"));
        assert_eq!(document["instance"], path.split('?').next().unwrap_or_default());
        assert_eq!(document["request_id"].as_str(), self.header("x-request-id"), "{self:?}");
        assert!(document["title"].is_string() && document["detail"].is_string());
        let may_help = !matches!(status, 401..=428 | 430..=499 | 501);
        assert_eq!(document["retryable"], may_help, "{document}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let wait = document.get("retry_after_ms").map(|wait| wait.as_u64().expect("milliseconds"));
        let header = self.header("retry-after").map(|wait| wait.parse().expect("seconds"));
        assert_eq!(header, wait.map(|wait| wait.div_ceil(1000).max(1)), "{self:?}");
        assert!(wait.is_some() || !matches!(status, 429 | 503), "no time to come back: {document}");
        document
    }
}

/// A request line with the headers that every request has.
pub(crate) fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: tidegate\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}

/// Opens a connection and sends `bytes`.
pub(crate) async fn send(address: SocketAddr, bytes: &[u8]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes).await?;
    Ok(stream)
}

/// Everything until the peer closes or resets the connection.
pub(crate) async fn drain(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let ended = timeout(STUCK, stream.read_to_end(&mut bytes)).await;
    // What arrived before a reset counts.
    let _reset = ended.expect("the peer closes the connection");
    bytes
}

/// One request on a connection of its own.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Reply {
    let started = Instant::now();
    let request = head(method, path, headers);
    let sent = timeout(STUCK, send(address, request.as_bytes())).await.expect("connects");
    let bytes = drain(&mut sent.expect("a connection")).await;
    let (reply, rest) = Reply::parse(&bytes, method != "HEAD")
        .unwrap_or_else(|| panic!("{method} {path}: {:?}", String::from_utf8_lossy(&bytes)));
    assert!(rest.is_empty(), "bytes after the answer: {:?}", String::from_utf8_lossy(rest));
    Reply { took: started.elapsed(), ..reply }
}
