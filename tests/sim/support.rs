use std::time::Duration;

use reqwest::{Client, StatusCode, header::HeaderMap};
use serde_json::{Value, value::RawValue};
use tidegate::{
    market::UnixMs,
    sim::{ManualTime, Sim, SimClock, SimConfig},
    tasks::Tasks,
};
use tokio::net::TcpListener;

/// A Sunday afternoon, 12.345 s into a minute.
pub(crate) const NOW: i64 = 1_795_360_452_345;
pub(crate) const MINUTE: i64 = 60_000;

/// A running exchange whose clock stands still, and a client of it.
pub(crate) struct Bench {
    pub(crate) sim: Sim,
    pub(crate) time: ManualTime,
    pub(crate) client: Client,
    pub(crate) tasks: Tasks,
}

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The body as one row of numbers.
    pub(crate) fn row(&self) -> Vec<f64> {
        let nested = Self { text: format!("[{}]", self.text), ..self.clone() };
        nested.rows().remove(0)
    }

    /// The body as rows of numbers, each the double nearest to its text.
    pub(crate) fn rows(&self) -> Vec<Vec<f64>> {
        let rows = serde_json::from_str::<Vec<Vec<&RawValue>>>(&self.text);
        let rows = rows.unwrap_or_else(|error| panic!("{error}: {}", self.text));
        let numbers = |row: Vec<&RawValue>| row.iter().map(|n| n.get().parse().unwrap()).collect();
        rows.into_iter().map(numbers).collect()
    }
}

/// Unlimited, forty days of history, time stands at [`NOW`].
pub(crate) fn calm() -> SimConfig {
    let history = Duration::from_secs(40 * 86_400);
    SimConfig { seed: 11, enforce: false, history, ..SimConfig::default() }
}

pub(crate) async fn start(config: SimConfig) -> Bench {
    let time = ManualTime::new(UnixMs::from_millis(NOW));
    let config = SimConfig { clock: SimClock::Manual(time.clone()), ..config };
    let tasks = Tasks::new(|name| panic!("{name} panicked"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sim = Sim::start(config, listener, &tasks).await.unwrap();
    // Another test of this process may have installed it already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
    Bench { sim, time, client, tasks }
}

impl Bench {
    pub(crate) async fn try_get(&self, path: &str) -> reqwest::Result<Reply> {
        let response = self.client.get(format!("{}{path}", self.sim.rest_url())).send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Reply { status, headers, text: response.text().await? })
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.try_get(path).await.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    /// The status and the text, for tables of expectations.
    pub(crate) async fn answer(&self, path: &str) -> (u16, String) {
        let reply = self.get(path).await;
        (reply.status.as_u16(), reply.text)
    }
}
