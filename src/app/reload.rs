//! Settings and files that are read anew while the gateway runs.

use super::{App, outside::Outside};
use crate::{
    api::Tls,
    config::{Change, Config, Current},
    service::Desk,
    telemetry::logs::Filter,
};

/// What came of a reload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reloaded {
    /// What differs from the settings that were in force, whether or not it applies already.
    pub changes: Vec<Change>,
    /// What could not be taken up, and so is as it was.
    pub failures: Vec<String>,
}

impl App {
    /// Takes over what of `next` can change at run time, and reads the files anew that the
    /// settings name. Every difference is logged: what applies, and what needs a restart.
    pub fn reload(&self, next: &Config) -> Reloaded {
        let reader = self.gateway().reader();
        let before = reader.config.now();
        let changes = reader.config.adopt(next);
        let mut failures = Vec::new();
        for change in &changes {
            let (path, was, now) = (change.path, &change.before, &change.now);
            match change.applies {
                true => tracing::info!(path, %was, %now, "a setting was changed"),
                false => tracing::warn!(path, %was, %now, "this change needs a restart"),
            }
        }
        let has_changed =
            |section: &str| changes.iter().any(|it| it.applies && it.path.starts_with(section));
        for desk in reader.desks.all() {
            if has_changed("cache.") {
                desk.shelf.follow_policies(&before.cache);
            }
            if has_changed("exchanges.") {
                follow_budget(desk, &reader.config);
            }
        }
        if has_changed("log.filter") {
            failures.extend(follow_filter(&reader.logs, &reader.config));
        }
        if let Some(tls) = self.tls() {
            let settings = &reader.config.now().server.tls;
            failures.extend(tls.renew(settings).err().map(|error| error.to_string()));
            tell_expiry(tls);
        }
        for failure in &failures {
            tracing::error!(failure, "not taken up; what was in force stays in force");
        }
        // It logs by itself what was wrong.
        failures.extend(self.gateway().access().reload().err().map(|error| error.to_string()));
        Reloaded { changes, failures }
    }

    /// Reads the settings again where they came from. With a mistake in them nothing changes.
    pub(super) fn reload_from(&self, outside: &Outside) {
        match outside.read() {
            Ok(next) => {
                let Reloaded { changes, failures } = self.reload(&next);
                let applied = changes.iter().filter(|change| change.applies).count();
                let (waiting, failed) = (changes.len() - applied, failures.len());
                tracing::info!(applied, waiting, failed, "settings were reloaded");
            }
            Err(mistakes) => {
                for mistake in &mistakes {
                    tracing::error!(%mistake, "the settings cannot be reloaded");
                }
                let mistakes = mistakes.len();
                tracing::error!(mistakes, "the settings in force stay in force");
            }
        }
    }
}

fn follow_budget(desk: &Desk, settings: &Current) {
    let settings = settings.now();
    for (pool, limit) in settings.exchanges[desk.shelf.name()].budget.pools() {
        desk.shelf.upstream.limit(pool.name, limit);
    }
}

fn follow_filter(logs: &Filter, settings: &Current) -> Option<String> {
    logs.set(&settings.now().log.filter).err().map(|error| error.to_string())
}

/// Takes up renewed certificates by itself, for as long as it runs.
pub(super) async fn watch_certificate(tls: Tls, settings: Current) {
    loop {
        tokio::time::sleep(settings.now().server.tls.reload_interval).await;
        match tls.renew_if_changed(&settings.now().server.tls) {
            Some(Ok(())) => tell_expiry(&tls),
            Some(Err(error)) => {
                tracing::error!(%error, "a new certificate was not taken up; the old one stays");
            }
            None => {}
        }
    }
}

/// Says in the log what certificate is in force.
pub(super) fn tell_expiry(tls: &Tls) {
    tracing::info!(expires = %tls.expires(), "the certificate in force");
}
