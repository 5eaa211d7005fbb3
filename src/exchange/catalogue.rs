//! Every exchange that there is an adapter for: what the rest of the house knows of it.

use std::{sync::Arc, time::Duration};

use super::{BadTransport, Exchange, Profile, Transport, binance, bitfinex, coinbase, kraken};

/// Where an exchange is, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Root of the public REST interface.
    pub rest_url: String,
    /// The longest that one request may take as a whole.
    pub request_timeout: Duration,
}

/// One adapter.
pub struct Spec {
    /// What it offers and allows, its name among that.
    pub profile: &'static Profile,
    /// Its name in texts.
    pub title: &'static str,
    /// Root of its public REST interface.
    pub rest_url: &'static str,
    /// What the adapter puts behind the root itself, and the root must not end in.
    pub rest_suffix: &'static str,
    /// Its public WebSocket.
    pub ws_url: &'static str,
    /// Path of the WebSocket where REST and WebSocket have one root.
    pub ws_path: &'static str,
    /// The adapter, which asks by a transport.
    pub over: fn(Transport) -> Arc<dyn Exchange>,
}

impl Spec {
    /// Its name in settings, paths and answers.
    pub fn name(&self) -> &'static str {
        self.profile.name
    }

    /// The adapter for the exchange at these endpoints; no connection is made yet.
    pub fn open(&self, at: &Endpoints) -> Result<Arc<dyn Exchange>, BadTransport> {
        Ok((self.over)(Transport::new(&at.rest_url, at.request_timeout)?))
    }
}

/// All of them; the first is the one that is on where nothing else is set.
pub static CATALOGUE: [&Spec; 4] =
    [&bitfinex::SPEC, &kraken::SPEC, &coinbase::SPEC, &binance::SPEC];

/// The one of this name.
pub fn spec(name: &str) -> Option<&'static Spec> {
    CATALOGUE.into_iter().find(|spec| spec.name() == name)
}
