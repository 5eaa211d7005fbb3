//! A forecast for machines.

use serde_json::{Value, json};

use crate::plan::{ASSUMPTIONS, Advice, Forecast, Workload};

/// The forecast as one object; ages and waits are seconds, shares are from 0 to 1.
pub(super) fn value(
    exchange: &str,
    workload: &Workload,
    found: &Forecast,
    advice: &[Advice],
) -> Value {
    let demands = workload.demands.iter().zip(&found.demands).map(|(asked, told)| {
        json!({
            "what": asked.what.to_string(),
            "symbols": asked.symbols,
            "clients": asked.clients,
            "every_seconds": asked.every.as_secs_f64(),
            "max_age_seconds": asked.max_age.map(|age| age.as_secs()),
            "refused_share": round(told.refused_share),
            "degraded_share": round(told.degraded_share),
            "age_seconds": {"mean": round(told.age_seconds.0), "max": round(told.age_seconds.1)},
            "wait_seconds": {"mean": round(told.wait_seconds.0), "max": round(told.wait_seconds.1)},
        })
    });
    let pools = found.pools.iter().map(|pool| {
        json!({
            "family": pool.pool.name,
            "unit": pool.pool.unit.as_str(),
            "calls_per_minute": round(pool.calls_per_minute),
            "units_per_minute": round(pool.units_per_minute),
            "limit": pool.limit,
        })
    });
    let entries = found.entries.iter().map(|entry| {
        json!({
            "what": entry.what.to_string(),
            "symbol": entry.symbol,
            "live": entry.is_live,
            "lacks_room": entry.lacks_room,
            "fetches_per_minute": round(entry.fetches_per_minute),
        })
    });
    let advice = advice.iter().map(|advice| {
        let settings: serde_json::Map<String, Value> = advice
            .settings
            .iter()
            .map(|(key, value)| (key.clone(), Value::String(value.clone())))
            .collect();
        json!({"change": advice.change, "settings": settings})
    });
    json!({
        "exchange": exchange,
        "fits": found.fits,
        "refused_share": round(found.refused_share),
        "requests_per_minute": round(found.requests_per_minute),
        "families": pools.collect::<Vec<_>>(),
        "demands": demands.collect::<Vec<_>>(),
        "live": {
            "enabled": found.live.is_enabled,
            "channels": found.live.channels,
            "max_channels": found.live.max_channels,
            "sockets": found.live.sockets,
        },
        "entries": entries.collect::<Vec<_>>(),
        "advice": advice.collect::<Vec<_>>(),
        "assumptions": ASSUMPTIONS,
    })
}

/// To a thousandth: more would promise more than is known.
fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
