//! The same requests by ccxt, one client in each bot.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tidegate::sim::{Family, Sim};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use crate::trace::{HOUR, Request};

/// Of the hour, so much is done: without a cache a request costs the same at any time.
const SAMPLE: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(120);

/// Prints what the beginning of the trace costs; the exchange refuses nothing.
pub(crate) async fn measure(
    (python, script): (&str, &str),
    sim: &Sim,
    requests: &[Request],
) -> anyhow::Result<()> {
    let sample: Vec<_> = requests.iter().take_while(|request| request.at < SAMPLE).collect();
    let lines: Result<String, _> =
        sample.iter().map(|it| serde_json::to_string(it).map(|line| line + "\n")).collect();
    let lines = lines?;
    sim.reset_counts();
    let mut child = Command::new(python)
        .args(["-B", script, &sim.rest_url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {python}"))?;
    let mut stdin = child.stdin.take().context("its input")?;
    stdin.write_all(lines.as_bytes()).await?;
    drop(stdin);
    let output = timeout(PATIENCE, child.wait_with_output()).await??;
    ensure!(output.status.success(), "{script} failed");
    let said: Value = serde_json::from_slice(&output.stdout)?;
    let counts = sim.counts();
    let candles = counts.of(Family::Candles);
    println!(
        "ccxt {} in each of {} bots, the first {} s of the hour ({} requests) as fast as it can: {} calls, \
         {:.1} for 1,000 requests, {:.1} of them for candles",
        said["version"].as_str().context("its version")?,
        said["bots"],
        SAMPLE.as_secs(),
        sample.len(),
        counts.total(),
        1_000.0 * counts.total() as f64 / sample.len() as f64,
        1_000.0 * candles as f64 / sample.len() as f64,
    );
    let a_minute = 60.0 * candles as f64 / SAMPLE.as_secs_f64();
    let in_all = requests.len() as f64 / (HOUR.as_secs_f64() / 60.0);
    println!(
        "in the bots' time these are {a_minute:.0} candle calls a minute ({in_all:.0} requests); the exchange allows 30"
    );
    Ok(())
}
