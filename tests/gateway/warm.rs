//! Restarts: what the store keeps for the next process.

use std::{fs, path::PathBuf};

use serde_json::json;
use tidegate::sim::{Action, Family, Fault, FaultRule};

use crate::{
    client::{Reply, ask},
    rig::{Rig, lenient, ms, port, settings},
};
use tidegate::{app::App, config::Config};

/// A file of its own for each test, gone with it.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidegate-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn settings(&self) -> Config {
        let mut config = settings();
        config.store.path = Some(self.0.join("store.sqlite"));
        config.server.drain_delay = ms(1);
        config
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Another gateway with the same settings, after the first one has gone.
async fn restarted(rig: Rig, config: &Config) -> Rig {
    let Rig { app, sim, _tasks } = rig;
    assert!(app.drain().await);
    let mut config = config.clone();
    config.exchanges.bitfinex.rest_url = sim.rest_url();
    config.exchanges.bitfinex.ws_url = sim.ws_url();
    let app = App::start(config, port().await).await.expect("a gateway");
    sim.reset_counts();
    Rig { app, sim, _tasks }
}
