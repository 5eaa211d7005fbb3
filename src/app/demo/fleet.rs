//! Clients that ask as trading bots do, each over a connection of its own that is kept open.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::{
    bot::{Ask, Bot},
    tally::{Reply, Seen},
};
use crate::{sim::Kind, tasks::Tasks};

/// Over this time the clients come one after the other, as they do in life.
const ARRIVAL: Duration = Duration::from_secs(3);

/// Longer than the gateway ever takes by default.
const PATIENCE: Duration = Duration::from_secs(15);

/// Before a client that lost its connection tries again.
const PAUSE: Duration = Duration::from_secs(1);

type Connection = http1::SendRequest<Empty<Bytes>>;

/// The clients.
pub(super) struct Fleet {
    tasks: Tasks,
    seen: Arc<Mutex<Seen>>,
}

impl Fleet {
    /// Sets `clients` clients on the gateway at `address`, at its exchanges in turn.
    pub(super) fn start(
        clients: usize,
        address: SocketAddr,
        seed: u64,
        exchanges: &[Kind],
    ) -> Self {
        let fleet = Self { tasks: Tasks::new(|_| {}), seen: Arc::new(Mutex::new(Seen::new())) };
        let start = Instant::now();
        for (number, place) in (0..clients).zip(0_u32..) {
            let after = ARRIVAL.mul_f64(number as f64 / clients as f64);
            let bot = Bot::new(seed, u64::from(place), start + after, exchanges);
            let client = Client { address, tasks: fleet.tasks.clone(), seen: fleet.seen.clone() };
            fleet.tasks.spawn_until_stop("client", client.run(bot));
        }
        fleet
    }

    /// What they saw up to now.
    pub(super) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// Hangs up. Requests under way are not counted.
    pub(super) async fn stop(&self) {
        // They are dropped where they stand, so nothing takes long.
        let _ended = self.tasks.drain(PAUSE).await;
    }
}

// Locked for a few lines without awaits.
fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Client {
    address: SocketAddr,
    tasks: Tasks,
    seen: Arc<Mutex<Seen>>,
}

impl Client {
    async fn run(self, mut bot: Bot) {
        let mut connection = None;
        loop {
            let ask = bot.next().await;
            let asked = Instant::now();
            let answer = match timeout(PATIENCE, self.ask(&mut connection, &ask)).await {
                Ok(answer) => answer,
                Err(late) => Err(late.into()),
            };
            let took = asked.elapsed();
            match answer {
                Ok(response) => self.note(&ask, &Reply::of(&response, took)),
                Err(error) => {
                    tracing::debug!(%error, path = ask.path, "a client got no answer");
                    let reply = Reply {
                        status: None,
                        from_cache: false,
                        from_streams: false,
                        age: None,
                        took,
                    };
                    self.note(&ask, &reply);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn note(&self, ask: &Ask, reply: &Reply) {
        lock(&self.seen).count(*reply, ask.exchange, ask.calls);
    }

    /// One request over the connection that is open, or over a new one; it stays open if the
    /// answer came.
    async fn ask(
        &self,
        connection: &mut Option<Connection>,
        ask: &Ask,
    ) -> anyhow::Result<Response<()>> {
        let mut open = match connection.take() {
            Some(open) if !open.is_closed() => open,
            _ => self.connect().await?,
        };
        open.ready().await?;
        let request = Request::get(&ask.path)
            .header(header::HOST, self.address.to_string())
            .header(header::USER_AGENT, "tidegate-demo")
            .body(Empty::new())
            .context("a path of the demo is none")?;
        let (head, body) = open.send_request(request).await?.into_parts();
        drain(body).await?;
        *connection = Some(open);
        Ok(Response::from_parts(head, ()))
    }

    async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (open, driver) = http1::handshake(TokioIo::new(stream)).await?;
        self.tasks.spawn_until_stop("client connection", async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a client's connection ended");
            }
        });
        Ok(open)
    }
}

async fn drain(mut body: Incoming) -> hyper::Result<()> {
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

impl Reply {
    fn of(response: &Response<()>, took: Duration) -> Self {
        let text = |name: &str| response.headers().get(name)?.to_str().ok();
        let says = |word: &str| text("cache-status").is_some_and(|status| status.contains(word));
        Self {
            status: Some(response.status().as_u16()),
            from_cache: says("; hit"),
            from_streams: says("detail=stream"),
            age: text("age").and_then(|age| age.parse().ok()),
            took,
        }
    }
}
