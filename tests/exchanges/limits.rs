//! The exchange's limits: kept, and where it refuses all the same, believed.

use std::time::Duration;

use futures_util::future::join_all;
use tidegate::sim::{Fault, Kind, SimConfig};

use crate::{
    Case,
    rig::{Rig, eventually, lenient, ms, rows, settings},
};

/// Hundreds of clients ask for different things at once, under the limits as the exchange keeps
/// them: it refuses nobody, and who has to wait too long is told for how long.
pub(crate) async fn a_storm_never_breaks_the_limit(case: Case) {
    let mut config = settings();
    config.server.request_deadline = ms(8_000);
    config.upstream.merge_window = Duration::ZERO;
    // A machine that is too slow for so many answers at once is no fault of the exchange.
    config.upstream.breaker_failures = 1_000;
    let sim = SimConfig { enforce: true, ..lenient(case.kind) };
    let rig = Rig::before(case, config, vec![sim]).await;
    let list = rig.json("markets").await;
    let symbols = rows(&list, "markets").iter().map(|it| it["symbol"].as_str().unwrap().to_owned());
    let symbols: Vec<String> = symbols.take(60).collect();
    let paths = symbols.iter().flat_map(|symbol| {
        let limit = "limit=250";
        [
            format!("/api/market-data/orderbook/{symbol}?{limit}"),
            format!("/api/market-data/ohlcv/{symbol}?timeframe=1m"),
            format!("/api/market-data/trades/{symbol}"),
            format!("/api/market-data/ticker/{symbol}"),
        ]
    });
    let paths: Vec<String> = paths.collect();
    let replies = join_all(paths.iter().map(|path| rig.get(path))).await;
    let (mut answered, mut refused) = (0, 0);
    for (path, reply) in paths.iter().zip(&replies) {
        match reply.status {
            200 => answered += 1,
            // Its call was under way when its time was over.
            504 => {
                let late = reply.json()["code"] == "upstream_timeout";
                reply.problem(
                    path,
                    504,
                    if late { "upstream_timeout" } else { "deadline_exceeded" },
                );
            }
            _ => {
                refused += 1;
                let problem = reply.problem(path, 503, "budget_exhausted");
                assert!(problem["retry_after_ms"].as_u64() > Some(0), "{problem}");
            }
        }
    }
    assert!(answered > 0 && refused > 0, "no storm: {answered} answered, {refused} refused");
    let counts = rig.sim().counts();
    assert_eq!(counts.refused_total(), 0, "{counts:?}");
    let ended = rig.offer().await;
    for budget in rows(&ended, "budgets") {
        assert!(budget["left"].as_u64() <= budget["limit"].as_u64(), "{budget}");
    }
}

/// In the exchange's own words, with another exchange beside it.
pub(crate) async fn a_refusal_closes_it_and_nothing_else(case: Case) {
    let other = if case.kind == Kind::Bitfinex { Kind::Kraken } else { Kind::Bitfinex };
    let mut config = settings();
    config.upstream.ban = ms(400);
    let rig = Rig::before(case, config, vec![lenient(case.kind), lenient(other)]).await;
    rig.sim().fault(Fault::RateLimited { retry_after: None }.always());
    let path = format!("/api/market-data/trades/{}", case.market);
    let problem = rig.get(&path).await.problem(&path, 503, "exchange_rate_limited");
    assert!(problem["retry_after_ms"].as_u64().is_some_and(|wait| wait <= 400), "{problem}");
    let calls = rig.calls();
    let other_path = "/api/market-data/trades/ETH-USD".to_owned();
    let other_path = format!("{other_path}?exchange={other}");
    assert_eq!(rig.get(&other_path).await.status, 200, "the other exchange goes on");
    assert_eq!(rig.get("/readyz").await.status, 200);
    assert_eq!(rig.calls(), calls, "nothing is asked while it refuses");
    rig.sim().clear_faults();
    let back = eventually("the refusal is over", async || {
        Some(rig.get(&path).await).filter(|reply| reply.status == 200)
    });
    assert_eq!(back.await.json().as_array().map(Vec::len), Some(50));
    assert_eq!(rig.calls(), calls + 1, "one probe, which is the answer");
}
