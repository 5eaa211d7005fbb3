//! Which single change would make a workload fit.

use std::time::Duration;

use super::{Demand, Forecast, TOLERATED, What, Workload, forecast, forecast::glance};
use crate::{
    config::{Config, Policy},
    exchange::Profile,
};

/// Freshness that is tried, in seconds.
const AGES_S: [u64; 12] = [5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600];

/// A change that was tried and makes the workload fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// What to do.
    pub change: String,
    /// The settings that do it, as `--set` takes them.
    pub settings: Vec<(String, String)>,
}

/// Changes that make a workload fit which does not, the least intrusive first; each of them alone
/// does. Empty if nothing was found, or nothing needs to be.
pub fn advise(
    config: &Config,
    profile: &Profile,
    workload: &Workload,
    found: &Forecast,
) -> Vec<Advice> {
    if found.fits {
        return Vec::new();
    }
    let mut advice = Vec::new();
    // Most of what is tried is far from fitting.
    let fits = |config: &Config, workload: &Workload| {
        glance(config, profile, workload).fits && forecast(config, profile, workload).fits
    };
    if !config.feed.enabled {
        let mut other = config.clone();
        other.feed.enabled = true;
        if fits(&other, workload) {
            advice.push(Advice {
                change: "use the exchange's WebSocket: what is read often is live then".to_owned(),
                settings: vec![("feed.enabled".to_owned(), "true".to_owned())],
            });
        }
    } else {
        advice.extend(promotion(config, workload, found, &fits));
    }
    advice.extend(freshness(config, workload, found, &fits));
    advice.extend(fewer(config, workload, &fits));
    advice
}

type Fits<'a> = dyn Fn(&Config, &Workload) -> bool + 'a;

/// More channels, or channels for what is read less often.
fn promotion(
    config: &Config,
    workload: &Workload,
    found: &Forecast,
    fits: &Fits<'_>,
) -> Option<Advice> {
    let mut other = config.clone();
    if found.entries.iter().any(|entry| entry.lacks_room) {
        let wanted = found.entries.iter().filter(|it| it.is_live || it.lacks_room).count();
        // Exchanges were seen to open some 300 channels for one address.
        other.feed.max_channels = wanted.clamp(config.feed.max_channels, 300);
        return fits(&other, workload).then(|| Advice {
            change: "open more channels of the exchange's WebSocket".to_owned(),
            settings: vec![("feed.max_channels".to_owned(), other.feed.max_channels.to_string())],
        });
    }
    let lower = [8, 4, 2, 1].into_iter().filter(|reads| *reads < config.feed.promote_reads);
    lower.into_iter().find_map(|reads| {
        other.feed.promote_reads = reads;
        fits(&other, workload).then(|| Advice {
            change: "give channels to what is read less often, too".to_owned(),
            settings: vec![("feed.promote_reads".to_owned(), reads.to_string())],
        })
    })
}

/// The kinds of data of a demand, by their section in the settings.
fn kinds(what: What) -> &'static [&'static str] {
    match what {
        What::Ticker => &["ticker"],
        What::Orderbook => &["orderbook"],
        What::Trades => &["trades"],
        What::Candles(_) => &["ohlcv"],
        What::Context(_) => &["ohlcv", "ticker", "orderbook"],
    }
}

fn policy<'a>(config: &'a mut Config, kind: &str) -> &'a mut Policy {
    match kind {
        "ticker" => &mut config.cache.ticker,
        "orderbook" => &mut config.cache.orderbook,
        "trades" => &mut config.cache.trades,
        _ => &mut config.cache.ohlcv,
    }
}

/// The least old data that all clients can have.
fn freshness(
    config: &Config,
    workload: &Workload,
    found: &Forecast,
    fits: &Fits<'_>,
) -> Option<Advice> {
    let refused =
        workload.demands.iter().zip(&found.demands).filter(|(_, found)| {
            found.refused_share > TOLERATED || found.degraded_share > TOLERATED
        });
    let mut wanting: Vec<&str> =
        refused.flat_map(|(demand, _)| kinds(demand.what)).copied().collect();
    wanting.sort_unstable();
    wanting.dedup();
    AGES_S.into_iter().find_map(|age| {
        let age = Duration::from_secs(age);
        let mut other = config.clone();
        let mut settings = Vec::new();
        for kind in &wanting {
            let policy = policy(&mut other, kind);
            if policy.ttl < age {
                policy.ttl = age;
                settings.push((format!("cache.{kind}.ttl"), format!("{}s", age.as_secs())));
            }
        }
        let relaxes = |demand: &Demand| {
            demand.max_age.is_some_and(|max_age| max_age < age)
                && kinds(demand.what).iter().any(|kind| wanting.contains(kind))
        };
        let is_relaxed = workload.demands.iter().any(relaxes);
        let mut asked = workload.clone();
        asked.demands.iter_mut().filter(|demand| relaxes(demand)).for_each(|demand| {
            demand.max_age = Some(age);
        });
        let is_other = is_relaxed || !settings.is_empty();
        (is_other && fits(&other, &asked)).then(|| {
            let clients = if is_relaxed { ", and let clients demand no younger" } else { "" };
            let age = age.as_secs();
            let what = wanting.join(", ");
            Advice { change: format!("let {what} be up to {age} s old{clients}"), settings }
        })
    })
}

/// As many of the markets as fit.
fn fewer(config: &Config, workload: &Workload, fits: &Fits<'_>) -> Option<Advice> {
    let most = workload.demands.iter().map(|demand| demand.symbols.len()).max()?;
    let with = |count: usize| {
        let mut fewer = workload.clone();
        fewer.demands.iter_mut().for_each(|demand| demand.symbols.truncate(count));
        fits(config, &fewer)
    };
    // The more markets, the more calls: what fits lies below what does not.
    let (mut good, mut bad) = (0, most);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if with(middle) { good = middle } else { bad = middle }
    }
    (good > 0).then(|| Advice {
        change: format!("ask for the first {good} of the {most} markets only"),
        settings: Vec::new(),
    })
}
