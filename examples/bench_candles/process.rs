//! A gateway as a process of its own, with a store.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, ensure};
use tidegate::sim::Sim;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// Nothing that is measured takes longer to begin or end.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Process {
    pub(crate) address: String,
    child: Child,
}

impl Process {
    /// Starts `program` on the first core, in front of `sim`, with its store at `store`. It does not
    /// follow the exchange's channels, and its budget does not bind, so that what is measured is
    /// work and not waiting.
    pub(crate) async fn start(program: &str, sim: &Sim, store: &Path) -> anyhow::Result<Self> {
        let most = || "100000".to_owned();
        let settings = [
            ("SERVER__LISTEN", "127.0.0.1:0".to_owned()),
            ("SERVER__DRAIN_DELAY", "0s".to_owned()),
            ("FEED__ENABLED", "false".to_owned()),
            ("LOG__FILTER", "error".to_owned()),
            ("CACHE__MAX_BYTES", "512MiB".to_owned()),
            ("STORE__PATH", store.display().to_string()),
            ("EXCHANGES__BITFINEX__REST_URL", sim.rest_url()),
            ("EXCHANGES__BITFINEX__BUDGET__CANDLES", most()),
            ("EXCHANGES__BITFINEX__BUDGET__CONF", most()),
        ];
        let settings = settings.map(|(key, value)| (format!("TIDEGATE__{key}"), value));
        let mut child = Command::new("taskset")
            .args(["-c", "0", program, "serve"])
            .envs(settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let stdout = child.stdout.take().context("its output")?;
        let line = timeout(PATIENCE, BufReader::new(stdout).lines().next_line()).await??;
        let line = line.context("the gateway ended at once")?;
        let address = line.rsplit("http://").next().unwrap_or_default().trim().to_owned();
        Ok(Self { address, child })
    }

    /// Ends it as an operator does; what it held is on disk then.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().context("it has ended")?.to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await?;
        ensure!(sent.success(), "no signal could be sent");
        let ended = timeout(PATIENCE, self.child.wait()).await??;
        ensure!(ended.success(), "the gateway did not end well: {ended}");
        Ok(())
    }
}
