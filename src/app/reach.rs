//! The gateway that a command asks: the one that runs with its settings, or one in this process.

use std::{net::Ipv4Addr, time::Duration};

use super::{App, bind};
use crate::{
    cli::{Client, ClientError, Endpoint, FindError, Found, Gateways, Status, StatusError},
    config::Config,
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
        let listen = config.server.listen;
        let running = (listen.port() != 0).then(|| Client::new(Endpoint::of_listener(listen)));
        // It answers one client, who needs no stream and no time to notice its end.
        config.feed.enabled = false;
        config.server.drain_delay = Duration::ZERO;
        config.server.drain_grace = GRACE;
        let config = Some(config);
        Self { running, has_answered: false, config, own: None, needs_store: false }
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
        let app = App::start(config.clone(), listener).map_err(failed)?;
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
