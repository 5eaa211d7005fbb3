//! The gateway that a command asks: the one that runs with its settings, or one in this process.

use std::{net::Ipv4Addr, time::Duration};

use super::{App, bind};
use crate::{
    access::Key,
    cli::{Client, ClientError, Endpoint, FindError, Found, Gateways, Status, StatusError, Trust},
    config::{self, Admin, Config, Tls},
};

/// How long a gateway in this process may take to write what it still has to: whoever presses
/// Ctrl-C waits for it.
const GRACE: Duration = Duration::from_millis(700);

/// Finds a gateway that runs, or starts one.
///
/// Two processes that ask the exchange would each spend a whole budget. So one is only started
/// where none runs, and given up as soon as one does.
pub(super) struct Reach {
    /// Where a gateway may run; `None` where the settings name no address that can be known.
    running: Option<Client>,
    /// It has answered before: where it does not, it may do so again.
    has_answered: bool,
    /// Settings of one in this process; `None`: another host's gateway is wanted, or none.
    config: Option<Config>,
    own: Option<(App, Client)>,
    needs_store: bool,
}

impl Reach {
    /// The one at this endpoint and no other.
    pub(super) fn only(endpoint: Endpoint) -> Self {
        let running = Some(Client::new(endpoint));
        Self { running, has_answered: false, config: None, own: None, needs_store: false }
    }

    /// The one that runs with these settings, or one in this process.
    pub(super) fn with(mut config: Config) -> Self {
        let server = &config.server;
        let listen = server.admin.listen.unwrap_or(server.listen);
        let trust = server.tls.cert.clone().map_or(Trust::System, Trust::Own);
        let running = (listen.port() != 0)
            .then(|| Client::new(Endpoint::of_operators(server)).trusting(trust));
        // One in this process is asked by nobody else.
        config.server.tls = Tls::default();
        config.server.admin = Admin::default();
        // It answers one client, who needs no stream and no time to notice its end.
        config.feed.enabled = false;
        config.access = config::Access::default();
        config.server.drain_delay = Duration::ZERO;
        config.server.drain_grace = GRACE;
        let config = Some(config);
        Self { running, has_answered: false, config, own: None, needs_store: false }
    }

    /// Shows this key to one that runs.
    pub(super) fn with_key(self, key: Option<Key>) -> Self {
        Self { running: self.running.map(|client| client.with_key(key)), ..self }
    }

    /// One that keeps what it fetches.
    pub(super) fn with_store(self) -> Self {
        Self { needs_store: true, ..self }
    }

    /// Ends what was started; false if something was not done in time.
    pub(super) async fn close(self) -> bool {
        match self.own {
            Some((app, _)) => app.drain().await,
            None => true,
        }
    }

    /// The gateway of another process.
    async fn running(&mut self) -> Result<Option<Found>, FindError> {
        let Some(client) = &self.running else { return Ok(None) };
        match Status::ask(client).await {
            Ok(status) if status.is_draining() => {
                let text = format!("the gateway at {} is shutting down", client.endpoint());
                Err(FindError::Passing(text))
            }
            Ok(status) => {
                self.has_answered = true;
                Ok(Some(Found { client: client.clone(), status, is_own: false }))
            }
            Err(StatusError::Client(ClientError::Absent { .. }) | StatusError::Foreign(_))
                if self.config.is_some() =>
            {
                Ok(None)
            }
            Err(error) if self.has_answered => Err(FindError::Passing(error.to_string())),
            Err(error) => Err(FindError::Lasting(error.to_string())),
        }
    }

    /// The gateway of this process.
    async fn own(&mut self) -> Result<Found, FindError> {
        let (_, client) = match self.own.take() {
            Some(own) => self.own.insert(own),
            None => {
                let own = self.start().await?;
                self.own.insert(own)
            }
        };
        let status = Status::ask(client).await;
        let status = status.map_err(|error| FindError::Passing(error.to_string()))?;
        Ok(Found { client: client.clone(), status, is_own: true })
    }

    async fn start(&self) -> Result<(App, Client), FindError> {
        let Some(config) = &self.config else {
            return Err(FindError::Lasting("there is no gateway to ask".to_owned()));
        };
        if self.needs_store && config.store.path.is_none() {
            let text = "no store is configured, so nothing would be kept: set store.path";
            return Err(FindError::NoStore(text.to_owned()));
        }
        let failed = |error: anyhow::Error| FindError::Lasting(format!("{error:#}"));
        let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).await.map_err(failed)?;
        let app = App::start(config.clone(), listener).await.map_err(failed)?;
        let client = Client::new(Endpoint::of_listener(app.address()));
        Ok((app, client))
    }
}

impl Gateways for Reach {
    async fn find(&mut self) -> Result<Found, FindError> {
        let Some(found) = self.running().await? else { return self.own().await };
        if let Some((app, _)) = self.own.take()
            && !app.drain().await
        {
            tracing::warn!("a gateway was given up before everything it did was done");
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::mpsc};

    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;
    use crate::{
        clock,
        sim::{Sim, SimConfig},
        tasks::Tasks,
    };

    /// What lasts as long as a test.
    struct Bench {
        _exchange: Tasks,
        _time: mpsc::Sender<()>,
        /// Bound and not listening: nobody else is given the port of the settings.
        _port: TcpSocket,
    }

    fn bound(address: SocketAddr) -> TcpSocket {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseport(true).unwrap();
        socket.bind(address).unwrap();
        socket
    }

    async fn settings() -> (Config, Bench) {
        let time = clock::stopped();
        let tasks = Tasks::new(|name| panic!("the simulated exchange's task {name} panicked"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sim = Sim::start(SimConfig::default(), listener, &tasks).await.unwrap();
        let port = bound("127.0.0.1:0".parse().unwrap());
        let mut config = Config::default();
        config.feed.enabled = false;
        config.exchanges["bitfinex"].rest_url = sim.rest_url();
        config.server.listen = port.local_addr().unwrap();
        config.server.drain_delay = Duration::ZERO;
        (config, Bench { _exchange: tasks, _time: time, _port: port })
    }

    /// A gateway where the settings have it.
    async fn start(config: &Config) -> App {
        let listener = bound(config.server.listen).listen(64).unwrap();
        App::start(config.clone(), listener).await.unwrap()
    }

    /// Two of them would each spend a whole budget.
    #[tokio::test(start_paused = true)]
    async fn there_is_one_gateway_at_a_time_and_one_that_runs_goes_first() {
        let (config, _bench) = settings().await;
        let mut reach = Reach::with(config.clone());
        let own = reach.find().await.unwrap();
        assert!(own.is_own);
        assert_eq!(reach.find().await.unwrap().client, own.client, "it is started once");

        let app = start(&config).await;
        let running = reach.find().await.unwrap();
        let there = Client::new(Endpoint::of_listener(config.server.listen));
        assert_eq!((running.client, running.is_own), (there, false));
        let address = own.client.endpoint().to_string();
        assert!(TcpStream::connect(address).await.is_err(), "ours has ended");

        assert!(app.drain().await);
        assert!(reach.find().await.unwrap().is_own);
        assert!(reach.close().await);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_started_where_nothing_would_be_kept() {
        let (mut config, _bench) = settings().await;
        let mut reach = Reach::with(config.clone()).with_store();
        assert!(matches!(reach.find().await, Err(FindError::NoStore(_))));
        assert!(reach.own.is_none());
        config.server.listen.set_port(0);
        let mut reach = Reach::with(config);
        assert!(reach.find().await.unwrap().is_own, "port 0 is nobody's address");
        assert!(reach.close().await);
    }

    #[tokio::test(start_paused = true)]
    async fn another_host_is_never_replaced() {
        let (config, _bench) = settings().await;
        let there = Endpoint::of_listener(config.server.listen);
        let mut reach = Reach::only(there);
        assert!(matches!(reach.find().await, Err(FindError::Lasting(_))), "it never answered");
        let app = start(&config).await;
        assert!(!reach.find().await.unwrap().is_own);
        app.gateway().phase().drain();
        let told = reach.find().await.unwrap_err();
        assert!(
            matches!(told, FindError::Passing(_)) && told.to_string().contains("shutting down")
        );
        assert!(app.drain().await);
        assert!(matches!(reach.find().await, Err(FindError::Passing(_))), "it may come back");
    }
}
