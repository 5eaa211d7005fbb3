//! The settings in force, and which of them may change while the process runs.

use std::{fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use serde_json::Value;

use super::{Config, keys::keys};

/// Settings that can be changed at run time: whole keys, or what a trailing dot begins.
const CHANGEABLE: [&str; 17] = [
    "server.request_deadline",
    "server.drain_delay",
    "server.drain_grace",
    "server.limits.max_connections",
    "server.limits.max_header_bytes",
    "server.limits.max_uri_bytes",
    "server.limits.max_symbols",
    "server.limits.header_timeout",
    "server.tls.cert",
    "server.tls.key",
    "server.tls.reload_interval",
    "server.tls.hsts",
    "server.admin.max_connections",
    "server.cors.",
    "cache.",
    "validation.",
    "log.filter",
];

/// Those of the above that size what was made at the start.
const FIXED: [&str; 1] = ["cache.max_bytes"];

/// Without these, TLS is off.
const SWITCH: [&str; 2] = ["server.tls.cert", "server.tls.key"];

/// True if a change of this setting takes effect without a restart.
pub fn is_changeable(path: &str) -> bool {
    let covers = |prefix: &str| match prefix.ends_with('.') {
        true => path.starts_with(prefix),
        false => path == prefix,
    };
    let is_budget = path.starts_with("exchanges.") && path.contains(".budget.");
    (is_budget || CHANGEABLE.iter().any(|prefix| covers(prefix))) && !FIXED.contains(&path)
}

/// The settings in force; replaced as a whole while others read them. Clones are the same settings.
#[derive(Clone, Debug)]
pub struct Current(Arc<ArcSwap<Config>>);

impl Current {
    /// These, until they are replaced.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(config)))
    }

    /// The settings in force now, which stay as they are for as long as they are held. What has to
    /// fit together is to be read from one of these.
    pub fn now(&self) -> Arc<Config> {
        self.0.load_full()
    }

    /// The same for a moment: cheaper, and not to be held across an await.
    pub fn glance(&self) -> Guard<Arc<Config>> {
        self.0.load()
    }

    /// Puts in force what of `next` can be changed at run time; gives every difference, in the
    /// order of the settings file.
    pub fn adopt(&self, next: &Config) -> Vec<Change> {
        let mut next = next.clone();
        let mut adopted = Config::clone(&self.now());
        // A listener that is open speaks TLS, or does not.
        let switches = adopted.server.tls.pair().is_some() != next.server.tls.pair().is_some();
        let is_switch = |path: &str| switches && SWITCH.contains(&path);
        let mut changes = Vec::new();
        for key in keys() {
            let (before, now) = (key.show(&mut adopted), key.show(&mut next));
            if before != now {
                let applies = is_changeable(key.path()) && !is_switch(key.path());
                if applies {
                    key.copy(&mut next, &mut adopted);
                }
                changes.push(Change { path: key.path(), before, now, applies });
            }
        }
        self.0.store(Arc::new(adopted));
        changes
    }
}

/// A setting that is not what it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which one.
    pub path: &'static str,
    /// What it was.
    pub before: Value,
    /// What it is to be.
    pub now: Value,
    /// True if it is that from now on; false if only a restart will make it so.
    pub applies: bool,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.path, self.before, self.now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_can_change_is_in_force_and_the_rest_is_told() {
        let current = Current::new(Config::default());
        let held = current.now();
        let mut next = Config::default();
        next.cache.ticker.ttl = Duration::from_secs(7);
        next.server.listen.set_port(1);
        next.cache.max_bytes *= 2;
        let told: Vec<_> = current.adopt(&next).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "server.listen: \"127.0.0.1:8087\" -> \"127.0.0.1:1\"",
                "cache.max_bytes: \"64MiB\" -> \"128MiB\"",
                "cache.ticker.ttl: \"3s\" -> \"7s\"",
            ]
        );
        let mut expected = Config::default();
        expected.cache.ticker.ttl = Duration::from_secs(7);
        assert_eq!(*current.now(), expected);
        assert_eq!(*held, Config::default(), "who holds the old ones reads the old ones");
        assert_eq!(current.adopt(&expected), []);
        let again = current.adopt(&next);
        assert!(again.iter().all(|change| !change.applies) && again.len() == 2, "{again:?}");
    }

    #[test]
    fn tls_changes_its_files_and_is_not_switched() {
        let with = |cert: &str| {
            let mut config = Config::default();
            config.server.tls.cert = Some(cert.into());
            config.server.tls.key = Some("key.pem".into());
            config
        };
        let (plain, current) = (Config::default(), Current::new(with("a.pem")));
        let off = current.adopt(&plain);
        assert!(off.len() == 2 && off.iter().all(|change| !change.applies), "{off:?}");
        assert_eq!(*current.now(), with("a.pem"));
        assert!(current.adopt(&with("b.pem"))[0].applies);
        assert_eq!(*current.now(), with("b.pem"));
        let current = Current::new(plain.clone());
        assert!(current.adopt(&with("a.pem")).iter().all(|change| !change.applies));
        assert_eq!(*current.now(), plain);
    }

    #[test]
    fn every_changeable_setting_exists() {
        for prefix in CHANGEABLE.into_iter().chain(FIXED) {
            assert!(
                keys().iter().any(|key| match prefix.ends_with('.') {
                    true => key.path().starts_with(prefix),
                    false => key.path() == prefix,
                }),
                "{prefix}"
            );
        }
        assert!(is_changeable("cache.trades.ttl") && !is_changeable("cache.max_bytes"));
        assert!(!is_changeable("server.tls") && !is_changeable("store.path"));
    }
}
