//! What the process is told from outside while it runs: signals, its settings, its manager.

use std::io::{self, IsTerminal as _};

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    cli::{LoadError, Settings},
    config::Config,
};

/// Where the settings came from, to be read again.
pub(super) struct Outside {
    settings: Settings,
    env: Vec<(String, String)>,
}

impl Outside {
    pub(super) fn new(settings: &Settings, env: Vec<(String, String)>) -> Self {
        Self { settings: settings.clone(), env }
    }

    /// The settings as they are now; the environment and flags are still those of the start.
    pub(super) fn read(&self) -> Result<Config, Vec<String>> {
        match self.settings.load(self.env.clone()) {
            Ok(loaded) => Ok(loaded.config),
            Err(LoadError::Invalid(mistakes)) => {
                Err(mistakes.mistakes().iter().map(ToString::to_string).collect())
            }
            Err(error @ LoadError::Unreadable { .. }) => Err(vec![error.to_string()]),
        }
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Stop,
    Reload,
}

/// The signals that a server follows, from its making on.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// It was started by hand.
    on_terminal: bool,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            on_terminal: io::stdin().is_terminal(),
        })
    }

    /// Waits for the next one. Cancel-safe.
    pub(super) async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.interrupt.recv() => Request::Stop,
            _ = self.terminate.recv() => Request::Stop,
            // A terminal that was closed sends the same signal, and is none any more.
            _ = self.hangup.recv() => match self.on_terminal && !io::stdin().is_terminal() {
                true => Request::Stop,
                false => Request::Reload,
            },
        }
    }
}

/// Tells the service manager, where there is one (systemd's `sd_notify(3)`).
pub(super) fn tell_manager(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

/// Tells the service manager that a reload begins; `READY` ends it.
pub(super) fn tell_reloading() {
    // systemd orders this by the time after an earlier `READY`.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell_manager(&[NotifyState::Reloading, now]);
    }
}
