//! One gateway before one simulated exchange, and clients with and without TLS.

use std::{
    fs::{self, File},
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use serde_json::Value;
use tempfile::TempDir;
use tidegate::{
    app::App,
    config::Config,
    sim::{Sim, SimConfig},
    tasks::Tasks,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::valve::Valve;

/// Beyond this a test is stuck, not slow.
pub(crate) const STUCK: Duration = Duration::from_secs(60);
pub(crate) const TICKER: &str = "/api/market-data/ticker/BTC-USD";

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) async fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A simulated exchange that refuses nothing.
pub(crate) async fn exchange() -> (Sim, Tasks) {
    let tasks = Tasks::new(|name| panic!("the simulated exchange's task {name} panicked"));
    let lenient = SimConfig { enforce: false, ..SimConfig::default() };
    (Sim::start(lenient, port().await, &tasks).await.unwrap(), tasks)
}

/// The gateway under test.
pub(crate) struct Rig {
    pub(crate) app: App,
    pub(crate) sim: Sim,
    pub(crate) config: Config,
    _tasks: Tasks,
}

impl Rig {
    /// A gateway that knows the market list already.
    pub(crate) async fn start(adjust: impl FnOnce(&mut Config)) -> Self {
        let exchange = exchange().await;
        let rest_url = exchange.0.rest_url();
        Self::before(exchange, rest_url, adjust).await
    }

    /// The same, which gets the answers of its exchange through a valve.
    pub(crate) async fn behind_a_valve(adjust: impl FnOnce(&mut Config)) -> (Self, Valve) {
        let exchange = exchange().await;
        let valve = Valve::before(&exchange.0.rest_url()).await;
        (Self::before(exchange, valve.rest_url(), adjust).await, valve)
    }

    async fn before(
        (sim, _tasks): (Sim, Tasks),
        rest_url: String,
        adjust: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = Config::default();
        config.feed.enabled = false;
        config.server.drain_delay = ms(1);
        config.server.request_deadline = STUCK;
        config.exchanges["bitfinex"].request_timeout = STUCK;
        config.exchanges["bitfinex"].rest_url = rest_url;
        config.exchanges["bitfinex"].ws_url = sim.ws_url();
        adjust(&mut config);
        let app = App::start(config.clone(), port().await).await.unwrap();
        let deadline = Instant::now() + STUCK;
        let desk = app.gateway().reader().desks.get(None).unwrap().clone();
        desk.markets.get(tidegate::cache::Ask::by(deadline)).await.unwrap();
        sim.reset_counts();
        Self { app, sim, config, _tasks }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.app.address()
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        plain(self.address(), "GET", path, &[]).await
    }

    /// The value of a metric without labels, or with the labels that stand in `name`.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.app.gateway().reader().metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let shown = String::from_utf8_lossy(bytes);
        let (head, body) = shown.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{shown:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        let (headers, body) = (headers.collect(), body.as_bytes().to_vec());
        Self { status: status.unwrap_or_else(|| panic!("{shown:?}")), headers, body }
    }

    /// Every value of a header, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let of_it = self.headers.iter().filter(|(header, _)| header == name);
        of_it.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// One request on a connection that ends with its answer.
pub(crate) async fn exchange_on<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<Reply> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let talk = async {
        stream.write_all((head + "\r\n").as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Ok(Reply::parse(&bytes))
    };
    timeout(STUCK, talk).await.expect("an answer")
}

pub(crate) async fn plain(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Reply {
    let stream = TcpStream::connect(address).await.unwrap();
    exchange_on(stream, method, path, headers).await.unwrap()
}

/// A certificate in files, and the directory that they are in.
pub(crate) struct Issued {
    dir: TempDir,
    pub(crate) der: CertificateDer<'static>,
}

impl Issued {
    /// For `localhost`, until the beginning of a year.
    pub(crate) fn until(year: i32) -> Self {
        let issued = Self { dir: tempfile::tempdir().unwrap(), der: Vec::new().into() };
        let der = issued.write(year);
        Self { der, ..issued }
    }

    pub(crate) fn cert(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    /// Writes another one in its place, and gives it.
    pub(crate) fn write(&self, year: i32) -> CertificateDer<'static> {
        let (cert, key) = issue(year);
        let before = fs::metadata(self.cert()).and_then(|earlier| earlier.modified());
        fs::write(self.key(), key.serialize_pem()).unwrap();
        fs::write(self.cert(), cert.pem()).unwrap();
        // The file system may count in steps in which more than one is written.
        if let Ok(before) = before {
            let written = File::options().append(true).open(self.cert()).unwrap();
            written.set_modified(before + Duration::from_secs(1)).unwrap();
        }
        cert.der().clone()
    }

    /// Settings that serve it.
    pub(crate) fn serve(&self, config: &mut Config) {
        config.server.tls.cert = Some(self.cert());
        config.server.tls.key = Some(self.key());
    }
}

fn issue(year: i32) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), key)
}

/// A key that belongs to no certificate here.
pub(crate) fn other_key() -> String {
    KeyPair::generate().unwrap().serialize_pem()
}

/// A client that trusts one certificate and speaks these versions.
pub(crate) async fn secure_in(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let agreeing = TlsConnector::from(Arc::new(config)).connect(name, stream);
    timeout(STUCK, agreeing).await.expect("a handshake")
}

pub(crate) async fn secure(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
) -> io::Result<TlsStream<TcpStream>> {
    secure_in(address, trusted, rustls::DEFAULT_VERSIONS).await
}

/// Looks again and again until there is something to see.
#[track_caller]
pub(crate) fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + STUCK;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < deadline, "not within {STUCK:?}: {what} ({place})");
            tokio::time::sleep(ms(10)).await;
        }
    }
}
