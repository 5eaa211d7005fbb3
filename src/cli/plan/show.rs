//! A forecast for people.

use std::{collections::BTreeMap, fmt::Write as _};

use indicatif::HumanCount;

use crate::{
    config::duration,
    exchange::Unit,
    plan::{ASSUMPTIONS, Advice, EntryForecast, Forecast, TOLERATED, What, Workload},
};

/// Markets that are named in a line; of further ones only their number is told.
const NAMED: usize = 6;

/// What is to be expected, and what would help.
pub(super) fn text(
    exchange: &str,
    workload: &Workload,
    found: &Forecast,
    advice: &[Advice],
) -> String {
    let mut text = verdict(found);
    text += &requests(workload, found);
    text += &budgets(exchange, found);
    text += &sources(found);
    if !found.fits {
        text += &changes(advice);
    }
    text.push_str("\nThis assumes that\n");
    for assumption in ASSUMPTIONS {
        let _ = writeln!(text, "  {assumption};");
    }
    let minutes = found.span.as_secs() / 60;
    let _ = writeln!(text, "  figures are means over {minutes} minutes.");
    text
}

fn verdict(found: &Forecast) -> String {
    // Between nothing and more requests than anybody sends.
    let requests = HumanCount(found.requests_per_minute.round() as u64);
    let share = percent(found.refused_share);
    match found.fits {
        true => format!("It fits: {requests} requests a minute, {share} refused.\n"),
        false if found.refused_share > TOLERATED => {
            format!("It does not fit: of {requests} requests a minute {share} are refused.\n")
        }
        false => format!(
            "It does not fit: of {requests} requests a minute {share} are refused, and others get \
             less than was asked for.\n"
        ),
    }
}

fn requests(workload: &Workload, found: &Forecast) -> String {
    let mut rows = vec![
        [
            "requests for",
            "markets",
            "clients",
            "every",
            "refused",
            "too old",
            "age",
            "at most",
            "wait",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    let mut degraded = Vec::new();
    for (asked, told) in workload.demands.iter().zip(&found.demands) {
        rows.push(vec![
            asked.what.to_string(),
            asked.symbols.len().to_string(),
            HumanCount(u64::from(asked.clients)).to_string(),
            duration::show(asked.every),
            percent(told.refused_share),
            percent(told.overdue_share),
            spell(told.age_seconds.0),
            spell(told.age_seconds.1),
            spell(told.wait_seconds.0),
        ]);
        if told.degraded_share > TOLERATED {
            let share = percent(told.degraded_share);
            degraded.push(format!("{share} of {} come without their book\n", asked.what));
        }
    }
    format!("\n{}{}", columns(&rows), degraded.concat())
}

fn budgets(exchange: &str, found: &Forecast) -> String {
    let calls = format!("calls to {exchange}");
    let head = [&calls, "a minute", "limit", "used"].map(str::to_owned).to_vec();
    let rows = found.pools.iter().map(|pool| {
        let used = pool.units_per_minute / f64::from(pool.limit.max(1));
        let limit = match pool.pool.unit {
            Unit::Requests => pool.limit.to_string(),
            unit => format!("{} {}", pool.limit, unit.as_str()),
        };
        let calls = format!("{:.1}", pool.calls_per_minute);
        vec![pool.pool.name.to_owned(), calls, limit, percent(used)]
    });
    format!("\n{}", columns(&[head].into_iter().chain(rows).collect::<Vec<_>>()))
}

fn sources(found: &Forecast) -> String {
    let live = &found.live;
    let mut text = match live.is_enabled {
        true => format!(
            "\nLive, on {} of {} channels and {} socket{} (what is read {} times a minute, and about \
             once a minute while most calls have to wait)\n",
            live.channels,
            live.max_channels,
            live.sockets,
            if live.sockets == 1 { "" } else { "s" },
            live.promote_reads,
        ),
        false => "\nNothing is live: feed.enabled is false\n".to_owned(),
    };
    for (what, entries) in by_kind(found, |entry| entry.is_live) {
        let _ = writeln!(text, "  {:14} {}", what.to_string(), names(&entries));
    }
    let polled = by_kind(found, |entry| !entry.is_live);
    if !polled.is_empty() {
        text.push_str("\nPolled\n");
    }
    for (what, entries) in polled {
        let sum: f64 = entries.iter().map(|entry| entry.fetches_per_minute).sum();
        let mean = sum / entries.len() as f64;
        let often = match mean > 0.0 {
            true => format!("every {}", spell(60.0 / mean)),
            false => "never".to_owned(),
        };
        let lacks = match entries.iter().filter(|entry| entry.lacks_room).count() {
            0 => String::new(),
            count => format!("; {count} would be live if there were room"),
        };
        let _ = writeln!(text, "  {:14} {often:14} {}{lacks}", what.to_string(), names(&entries));
    }
    text
}

fn by_kind(
    found: &Forecast,
    keep: impl Fn(&EntryForecast) -> bool,
) -> BTreeMap<What, Vec<&EntryForecast>> {
    let mut kinds: BTreeMap<What, Vec<&EntryForecast>> = BTreeMap::new();
    for entry in found.entries.iter().filter(|entry| keep(entry)) {
        kinds.entry(entry.what).or_default().push(entry);
    }
    kinds
}

fn names(entries: &[&EntryForecast]) -> String {
    let names: Vec<&str> = entries.iter().take(NAMED).map(|entry| entry.symbol.as_str()).collect();
    match entries.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn changes(advice: &[Advice]) -> String {
    if advice.is_empty() {
        return "\nNo single change of freshness, channels or markets was found that makes it \
                fit: ask less often, or with fewer kinds of data.\n"
            .to_owned();
    }
    let mut text = "\nEach of these alone makes it fit\n".to_owned();
    for Advice { change, settings } in advice {
        let _ = writeln!(text, "  {change}");
        if !settings.is_empty() {
            let sets = settings.iter().map(|(key, value)| format!("--set {key}={value}"));
            let _ = writeln!(text, "      {}", sets.collect::<Vec<_>>().join(" "));
        }
    }
    text
}

/// The first column to the left, the others to the right.
fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let width = |at: usize| rows.iter().map(|row| row[at].len()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = format!("{:1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            let _ = write!(line, "  {cell:>width$}");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// `0 %`, `0.4 %`, `51 %`
fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent <= 0.0 => "0 %".to_owned(),
        percent if percent < 0.05 => "< 0.1 %".to_owned(),
        percent if percent < 9.95 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// `0.25 s`, `4.1 s`, `75 s`
fn spell(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 0.995 => format!("{seconds:.2} s"),
        seconds if seconds < 9.95 => format!("{seconds:.1} s"),
        seconds => format!("{seconds:.0} s"),
    }
}
