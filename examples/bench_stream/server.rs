//! A server under measurement, as a process of its own.

use std::{fs, process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::Instant,
};

use crate::clients::Dialect;

/// Clock ticks of a second in `/proc` (Linux: always 100 for user space).
const TICKS: f64 = 100.0;

pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) dialect: Dialect,
    process: Child,
}

/// What a process has used so far.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    at: Instant,
    cpu_seconds: f64,
    pub(crate) resident_mib: f64,
}

impl Used {
    /// Share of one core between two looks.
    pub(crate) fn cores_since(&self, earlier: &Self) -> f64 {
        (self.cpu_seconds - earlier.cpu_seconds) / (self.at - earlier.at).as_secs_f64()
    }
}

impl Server {
    /// Starts `command` on the core of servers; it prints where it listens.
    pub(crate) async fn start(
        name: &'static str,
        dialect: Dialect,
        program: &str,
        args: &[String],
        env: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let mut process = Command::new("taskset")
            .args(["-c", "0", program])
            .args(args)
            .envs(env.iter().map(|(key, value)| (*key, value.as_str())))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let stdout = process.stdout.take().context("its output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await??;
        let line = line.with_context(|| format!("{name} ended at once"))?;
        let Some(address) = line.rsplit(' ').next() else { bail!("{name} says {line:?}") };
        let address = address.trim_start_matches("http://").to_owned();
        Ok(Self { address, dialect, process })
    }

    pub(crate) fn used(&self) -> anyhow::Result<Used> {
        let pid = self.process.id().context("it has ended")?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
        let cpu = ticks(11).zip(ticks(12)).context("/proc stat")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 = resident
            .and_then(|text| text.trim().split(' ').next()?.parse().ok())
            .context("/proc status")?;
        Ok(Used {
            at: Instant::now(),
            cpu_seconds: (cpu.0 + cpu.1) / TICKS,
            resident_mib: kib / 1024.0,
        })
    }

    pub(crate) async fn stop(mut self) {
        // It may have ended already.
        let _ = self.process.kill().await;
    }
}
