//! What a gateway is started with.

use crate::{config::Config, telemetry::logs::Filter};

/// Settings, and what only the process around a gateway can give it.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The settings in force at first.
    pub config: Config,
    /// Which log lines are written.
    pub logs: Filter,
}

/// A gateway inside of another process, such as a test, leaves that one's log lines as they are.
impl From<Config> for Setup {
    fn from(config: Config) -> Self {
        Self { logs: Filter::detached(&config.log.filter), config }
    }
}
