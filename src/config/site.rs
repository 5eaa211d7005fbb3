//! `[exchanges]`: what is set of each exchange there is an adapter for.

use std::{
    ops::{Index, IndexMut},
    time::Duration,
};

use crate::exchange::{CATALOGUE, Family, Pool, Spec};

/// `[exchanges]`
#[derive(Clone, Debug, PartialEq)]
pub struct Exchanges {
    /// The exchange that answers where a request names none.
    pub default: String,
    /// One section of each, in the catalogue's order.
    pub sites: Vec<Site>,
}

/// `[exchanges.NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Its name.
    pub name: &'static str,
    /// Whether it is served.
    pub enabled: bool,
    /// Root of the public REST interface, without what the adapter adds.
    pub rest_url: String,
    /// The public WebSocket.
    pub ws_url: String,
    /// The longest one request may take.
    pub request_timeout: Duration,
    /// `[exchanges.NAME.budget]`
    pub budget: Budget,
}

/// Units a minute, by pool; indexed by a pool's name.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget(Vec<(&'static Pool, u32)>);

impl Exchanges {
    /// The section of an exchange; `None` if there is no such adapter.
    pub fn get(&self, name: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.name == name)
    }

    /// Those that are on.
    pub fn enabled(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter().filter(|site| site.enabled)
    }
}

impl Index<&str> for Exchanges {
    type Output = Site;

    /// # Panics
    /// There is no adapter of this name.
    fn index(&self, name: &str) -> &Site {
        self.get(name).expect("an exchange of the catalogue")
    }
}

impl IndexMut<&str> for Exchanges {
    fn index_mut(&mut self, name: &str) -> &mut Site {
        self.sites.iter_mut().find(|site| site.name == name).expect("an exchange of the catalogue")
    }
}

impl Site {
    fn of(spec: &'static Spec, enabled: bool) -> Self {
        Self {
            name: spec.name(),
            enabled,
            rest_url: spec.rest_url.to_owned(),
            ws_url: spec.ws_url.to_owned(),
            request_timeout: Duration::from_secs(5),
            budget: Budget::of(spec),
        }
    }
}

impl Default for Exchanges {
    /// The first of the catalogue is on, the others are not.
    fn default() -> Self {
        let first = CATALOGUE[0].name();
        let sites = CATALOGUE.into_iter().map(|spec| Site::of(spec, spec.name() == first));
        Self { default: first.to_owned(), sites: sites.collect() }
    }
}

impl Budget {
    /// What an exchange's adapter says.
    pub fn of(spec: &Spec) -> Self {
        Self(spec.profile.pools.iter().map(|pool| (pool, pool.per_minute)).collect())
    }

    /// The same for every pool.
    pub fn set_all(&mut self, per_minute: u32) {
        self.0.iter_mut().for_each(|(_, limit)| *limit = per_minute);
    }

    /// The pools with their limits.
    pub fn pools(&self) -> impl Iterator<Item = (&'static Pool, u32)> {
        self.0.iter().copied()
    }

    /// The limit of the pool that a family belongs to; 0 if it belongs to none.
    pub fn per_minute(&self, family: Family) -> u32 {
        let pool = self.0.iter().find(|(pool, _)| pool.families.contains(&family));
        pool.map_or(0, |(_, limit)| *limit)
    }
}

impl Index<&str> for Budget {
    type Output = u32;

    /// # Panics
    /// There is no pool of this name.
    fn index(&self, name: &str) -> &u32 {
        let found = self.0.iter().find(|(pool, _)| pool.name == name);
        found.map(|(_, limit)| limit).expect("a pool of the exchange")
    }
}

impl IndexMut<&str> for Budget {
    fn index_mut(&mut self, name: &str) -> &mut u32 {
        let found = self.0.iter_mut().find(|(pool, _)| pool.name == name);
        found.map(|(_, limit)| limit).expect("a pool of the exchange")
    }
}
