//! A start with a full store, beside one with none.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::future::try_join_all;
use tidegate::{
    sim::{Family, Sim},
    tasks::Tasks,
};
use tokio::time::Instant;

use crate::{client::Line, process::Process};

/// Series that are asked for.
const SERIES: usize = 1_000;
const WIDTHS: [&str; 9] = ["1m", "5m", "15m", "30m", "1h", "3h", "6h", "12h", "1d"];
/// Bars of one answer.
const BARS: usize = 100;
/// Clients at a time.
const CLIENTS: usize = 16;
/// Candle calls of a minute that the exchange allows.
const A_MINUTE: f64 = 30.0;

/// Prints time and calls until every series has been answered once, cold and warm.
pub(crate) async fn measure(
    (program, sim, folder): (&str, &Sim, &Path),
    markets: &[String],
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let until = sim.now();
    let series = || markets.iter().flat_map(|market| WIDTHS.map(|width| (market, width)));
    let newest: Vec<String> = series()
        .take(SERIES)
        .map(|(market, width)| {
            format!("/api/market-data/ohlcv/{market}?timeframe={width}&limit={BARS}")
        })
        .collect();
    let past = |path: &String| format!("{path}&closed_only=true&until={}", until.millis());
    let past: Vec<String> = newest.iter().map(past).collect();
    println!(
        "\nfrom the start of the process until {} series have been answered once, {} clients:",
        newest.len(),
        CLIENTS
    );
    println!("{:<44} {:>9} {:>8} {:>16}", "", "seconds", "calls", "at 30 a minute");
    let store = folder.join("warm.sqlite");
    let kinds = [
        ("cold, newest bars", &newest),
        ("warm, newest bars: the tail is fetched", &newest),
        ("warm, closed bars until a time that is past", &past),
    ];
    for (name, paths) in kinds {
        sim.reset_counts();
        let begin = Instant::now();
        let gateway = Process::start(program, sim, &store).await?;
        ask_all(&gateway, paths, tasks).await?;
        let seconds = begin.elapsed().as_secs_f64();
        let calls = sim.counts().of(Family::Candles);
        let minutes = calls as f64 / A_MINUTE;
        println!("{name:<44} {seconds:>9.2} {calls:>8} {minutes:>12.0} min");
        gateway.stop().await?;
    }
    Ok(())
}

async fn ask_all(gateway: &Process, paths: &[String], tasks: &Tasks) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let clients = (0..CLIENTS).map(|_| async {
        let mut line = Line::connect(&gateway.address, tasks).await?;
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            line.get(path).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(clients).await?;
    Ok(())
}
