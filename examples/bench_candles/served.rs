//! How many bars are served in a second, from memory and from disk, and how many bytes a bar takes.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::ensure;
use futures_util::future::try_join_all;
use rusqlite::Connection;
use tidegate::{
    market::UnixMs,
    sim::{Family, Sim},
    tasks::Tasks,
};
use tokio::time::Instant;

use crate::{client::Line, process::Process};

/// Bars of one answer.
const BARS: usize = 10_000;
/// Series that are asked for, one after the other.
const SERIES: usize = 25;
/// Clients at a time.
const CLIENTS: usize = 4;
/// How long what is in memory is asked for.
const EACH: Duration = Duration::from_secs(2);
/// How often everything is measured; the median counts.
const ROUNDS: usize = 3;

const FORMATS: [(&str, &str); 4] =
    [("JSON objects", "objects"), ("JSON arrays", "arrays"), ("CSV", "csv"), ("Arrow", "arrow")];

/// What is asked for.
pub(crate) struct Served<'a> {
    pub(crate) program: &'a str,
    pub(crate) sim: &'a Sim,
    pub(crate) store: &'a Path,
    pub(crate) markets: &'a [String],
    pub(crate) tasks: &'a Tasks,
}

impl Served<'_> {
    /// The `limit` bars of a minute before a time that is past.
    fn path(&self, nth: usize, limit: usize, format: &str, until: UnixMs) -> String {
        let market = &self.markets[nth % SERIES];
        format!(
            "/api/market-data/ohlcv/{market}?timeframe=1m&limit={limit}&until={}&format={format}",
            until.millis()
        )
    }

    /// Prints bars a second and bytes of a bar.
    pub(crate) async fn measure(&self) -> anyhow::Result<()> {
        let until = self.sim.now() - Duration::from_secs(3_600);
        self.fill(until).await?;
        println!(
            "bars served in a second, answers of {BARS} bars over HTTP, gateway on one core, {CLIENTS} clients:"
        );
        println!(
            "{:<14} {:>14} {:>22} {:>22}",
            "", "from disk", "memory, encoded anew", "memory, the same again"
        );
        for (name, format) in FORMATS {
            let mut rates = [(); 3].map(|()| Vec::new());
            for _ in 0..ROUNDS {
                for (rates, rate) in rates.iter_mut().zip(self.round(format, until).await?) {
                    rates.push(rate);
                }
            }
            let [disk, anew, again] = rates.map(median);
            println!("{name:<14} {disk:>14.0} {anew:>22.0} {again:>22.0}");
        }
        self.sizes(until).await
    }

    /// Lets a gateway fetch everything once, so that it is in its store.
    async fn fill(&self, until: UnixMs) -> anyhow::Result<()> {
        let gateway = Process::start(self.program, self.sim, self.store).await?;
        let mut line = Line::connect(&gateway.address, self.tasks).await?;
        for nth in 0..SERIES {
            let reply = line.get(&self.path(nth, BARS, "csv", until)).await?;
            let rows = lines(&reply.body) - 1;
            ensure!(rows == BARS, "{rows} bars of {}", self.markets[nth]);
        }
        gateway.stop().await
    }

    /// A fresh process: bars a second from disk, encoded from memory, and given again.
    async fn round(&self, format: &str, until: UnixMs) -> anyhow::Result<[f64; 3]> {
        let gateway = Process::start(self.program, self.sim, self.store).await?;
        let mut line = Line::connect(&gateway.address, self.tasks).await?;
        line.get("/api/market-data/markets").await?;
        self.sim.reset_counts();
        let begin = Instant::now();
        let next = AtomicUsize::new(0);
        let clients = (0..CLIENTS).map(|_| async {
            let mut line = Line::connect(&gateway.address, self.tasks).await?;
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                if nth >= SERIES {
                    return anyhow::Ok(());
                }
                let reply = line.get(&self.path(nth, BARS, format, until)).await?;
                let status = reply.cache_status;
                ensure!(status.contains("detail=store"), "not from disk: {status}");
            }
        });
        try_join_all(clients).await?;
        let disk = (SERIES * BARS) as f64 / begin.elapsed().as_secs_f64();
        // Every answer has another number of bars, so that none was encoded before.
        let anew = self.flood(&gateway, |nth| {
            let limit = BARS - 1 - nth / SERIES;
            (self.path(nth, limit, format, until), limit)
        });
        let anew = anew.await?;
        let again = self.flood(&gateway, |_| (self.path(0, BARS, format, until), BARS)).await?;
        let calls = self.sim.counts().of(Family::Candles);
        ensure!(calls == 0, "{calls} calls for what is held");
        gateway.stop().await?;
        Ok([disk, anew, again])
    }

    /// Bars a second of clients that ask on and on; `ask` gives the n-th path and its bars.
    async fn flood(
        &self,
        gateway: &Process,
        ask: impl Fn(usize) -> (String, usize),
    ) -> anyhow::Result<f64> {
        let (next, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let begin = Instant::now();
        let clients = (0..CLIENTS).map(|_| async {
            let mut line = Line::connect(&gateway.address, self.tasks).await?;
            while begin.elapsed() < EACH {
                let (path, bars) = ask(next.fetch_add(1, Ordering::Relaxed));
                line.get(&path).await?;
                served.fetch_add(bars, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
        try_join_all(clients).await?;
        Ok(served.into_inner() as f64 / begin.elapsed().as_secs_f64())
    }

    /// Prints what a bar takes on disk and in files of the same bars.
    async fn sizes(&self, until: UnixMs) -> anyhow::Result<()> {
        let sql = Connection::open(self.store)?;
        sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let bars: i64 = sql.query_row("SELECT count(*) FROM bars", [], |row| row.get(0))?;
        drop(sql);
        ensure!(bars == (SERIES * BARS) as i64, "{bars} bars are in the store");
        let store = std::fs::metadata(self.store)?.len();
        let gateway = Process::start(self.program, self.sim, self.store).await?;
        let mut line = Line::connect(&gateway.address, self.tasks).await?;
        println!("\nbytes of a bar, {bars} bars of a minute:");
        println!("{:<14} {:>8.1}", "store", store as f64 / bars as f64);
        for (name, format) in [("CSV", "csv"), ("Parquet", "parquet"), ("Arrow", "arrow")] {
            let mut bytes = 0;
            for nth in 0..SERIES {
                let reply = line.get(&self.path(nth, BARS, format, until)).await?;
                bytes += reply.body.len();
            }
            println!("{name:<14} {:>8.1}", bytes as f64 / bars as f64);
        }
        gateway.stop().await
    }
}

fn lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
