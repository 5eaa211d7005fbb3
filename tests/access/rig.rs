//! A gateway with a keys file before a simulated exchange.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use reqwest::{Client, Method, header::HeaderMap};
use serde_json::Value;
use tidegate::{
    access::KeyHash,
    app::App,
    config::Config,
    sim::{Sim, SimConfig},
    tasks::Tasks,
};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout},
};

pub(crate) const TICKER: &str = "/api/market-data/ticker/BTC-USD";

/// Beyond this a test is stuck, not slow.
pub(crate) const STUCK: Duration = Duration::from_secs(60);

/// An entry of a keys file for a client with one key.
pub(crate) fn client(name: &str, key: &str, more: &str) -> String {
    let hash = KeyHash::of(key);
    format!("[[client]]\nname = \"{name}\"\nkeys = [\"{hash}\"]\n{more}\n")
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Proves that this is the problem `code`; gives the document.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let document = self.json();
        assert_eq!((self.status, document["code"].as_str()), (status, Some(code)), "{document}");
        assert_eq!(document["status"], status);
        assert_eq!(document["request_id"].as_str(), self.header("x-request-id"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let challenge = (status == 401).then_some("Bearer realm=\"tidegate\"");
        assert_eq!(self.header("www-authenticate"), challenge);
        document
    }
}

pub(crate) struct Rig {
    pub(crate) app: App,
    pub(crate) sim: Sim,
    pub(crate) client: Client,
    pub(crate) keys: PathBuf,
    _dir: tempfile::TempDir,
    _tasks: Tasks,
}

impl Rig {
    /// A gateway on the loopback with this keys file.
    pub(crate) async fn near(keys: &str) -> Self {
        Self::start("127.0.0.1:0", keys, |_| {}).await
    }

    /// A gateway that others reach as well.
    pub(crate) async fn far(keys: &str) -> Self {
        Self::start("0.0.0.0:0", keys, |_| {}).await
    }

    pub(crate) async fn start(listen: &str, keys: &str, adjust: impl FnOnce(&mut Config)) -> Self {
        let tasks = Tasks::new(|name| panic!("the simulated exchange's task {name} panicked"));
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let lenient = SimConfig { enforce: false, ..SimConfig::default() };
        let sim = Sim::start(lenient, port, &tasks).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys.toml");
        std::fs::write(&file, keys).unwrap();
        let mut config = Config::default();
        config.server.request_deadline = STUCK;
        config.exchanges["bitfinex"].request_timeout = STUCK;
        config.exchanges["bitfinex"].rest_url = sim.rest_url();
        config.exchanges["bitfinex"].ws_url = sim.ws_url();
        config.feed.enabled = false;
        config.access.keys_file = Some(file.clone());
        config.cache.ticker.ttl = Duration::from_secs(600);
        config.server.drain_delay = Duration::ZERO;
        adjust(&mut config);
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let app = App::start(config, TcpListener::bind(listen).await.unwrap()).await.unwrap();
        let client = Client::builder().no_proxy().timeout(STUCK).build().unwrap();
        Self { app, sim, client, keys: file, _dir: dir, _tasks: tasks }
    }

    /// Where it is reached.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.app.address().port())
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = self.client.request(method, self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(Method::GET, path, headers).await
    }

    /// The same with a key.
    pub(crate) async fn get_as(&self, key: &str, path: &str) -> Reply {
        self.get(path, &[("authorization", &format!("Bearer {key}"))]).await
    }

    /// Puts another keys file in the place of the one in force.
    pub(crate) fn write(&self, keys: &str) {
        std::fs::write(&self.keys, keys).unwrap();
        self.app.gateway().access().reload().unwrap();
    }

    /// The samples of a metric, without those that are 0, in order.
    pub(crate) fn samples(&self, name: &str) -> String {
        self.app.gateway().reader().metrics.upkeep();
        let text = self.app.gateway().reader().metrics.render();
        let mut lines: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with(&format!("{name}{{")) && !line.ends_with(" 0"))
            .map(|line| line[name.len()..].to_owned())
            .collect();
        lines.sort();
        lines.iter().fold(String::new(), |mut all, line| {
            let _infallible = writeln!(all, "{line}");
            all
        })
    }
}

/// Looks again and again until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + STUCK;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for what has to come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(STUCK, future).await.unwrap_or_else(|_| panic!("never: {what}"))
}
