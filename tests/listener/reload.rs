//! Settings that change while the gateway serves.

use std::time::Duration;

use serde_json::json;
use tidegate::{config::Config, sim::Family};

use crate::rig::{Rig, TICKER, eventually, ms, plain};

const VALID: &str = "/api/market-data/validate-market/BTC-USD";

fn long_lived(config: &mut Config) {
    config.cache.ticker.ttl = Duration::from_secs(600);
    config.cache.ticker.stale_while_revalidate = Duration::ZERO;
}

fn told(rig: &Rig, next: &Config) -> (Vec<String>, Vec<String>) {
    let reloaded = rig.app.reload(next);
    assert_eq!(reloaded.failures, Vec::<String>::new());
    let (now, later): (Vec<_>, Vec<_>) = reloaded.changes.iter().partition(|it| it.applies);
    let text =
        |changes: Vec<&tidegate::config::Change>| changes.iter().map(ToString::to_string).collect();
    (text(now), text(later))
}

#[tokio::test]
async fn another_ttl_is_in_force_for_what_is_held_already() {
    let rig = Rig::start(long_lived).await;
    let calls = || rig.sim.counts().of(Family::Tickers) + rig.sim.counts().of(Family::Ticker);
    for _ in 0..3 {
        let reply = rig.get(TICKER).await;
        assert_eq!(
            reply.header("cache-control"),
            Some("max-age=600, stale-if-error=30"),
            "{reply:?}"
        );
    }
    assert_eq!(calls(), 1);
    let mut next = rig.config.clone();
    next.cache.ticker.ttl = ms(1);
    let (now, later) = told(&rig, &next);
    assert_eq!((now, later), (vec!["cache.ticker.ttl: \"10m\" -> \"1ms\"".to_owned()], vec![]));
    let fetched_anew = async || {
        assert_eq!(rig.get(TICKER).await.status, 200);
        (calls() > 1).then(calls)
    };
    assert_eq!(eventually("it is fetched anew", fetched_anew).await, 2);

    assert_eq!(told(&rig, &rig.config).0, ["cache.ticker.ttl: \"1ms\" -> \"10m\""]);
    rig.get(TICKER).await;
    let calls_then = calls();
    let reply = rig.get(TICKER).await;
    assert_eq!(reply.header("cache-control"), Some("max-age=600, stale-if-error=30"));
    assert_eq!(calls(), calls_then, "it is fresh again");
}

#[tokio::test]
async fn what_cannot_change_is_named_and_left() {
    let rig = Rig::start(|_| {}).await;
    let mut next = rig.config.clone();
    next.server.listen.set_port(1);
    next.server.tls.hsts = Duration::from_secs(60);
    next.store.path = Some("elsewhere".into());
    next.upstream.max_queue = 7;
    let (now, later) = told(&rig, &next);
    assert_eq!(now, ["server.tls.hsts: \"0s\" -> \"1m\""]);
    let expected = [
        "server.listen: \"127.0.0.1:8087\" -> \"127.0.0.1:1\"",
        "upstream.max_queue: 1024 -> 7",
        "store.path: \"\" -> \"elsewhere\"",
    ];
    assert_eq!(later, expected);
    assert_eq!(told(&rig, &next).1, expected, "and is named again");
    let mut in_force = rig.config.clone();
    in_force.server.tls.hsts = Duration::from_secs(60);
    assert_eq!(*rig.app.gateway().reader().config.now(), in_force);
    assert_eq!(told(&rig, &in_force), (vec![], vec![]));
}

#[tokio::test]
async fn every_room_follows_its_settings() {
    let rig = Rig::start(|_| {}).await;
    let verdict = rig.get(VALID).await.json();
    let limit = |verdict: &serde_json::Value, name: &str| {
        let checks = verdict["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name);
        check.unwrap_or_else(|| panic!("{verdict}"))["limit"].clone()
    };
    assert_eq!(limit(&verdict, "spread_pct"), json!(1.0));

    let mut next = rig.config.clone();
    next.validation.max_spread_pct = 0.25;
    next.exchanges["bitfinex"].budget["candles"] = 11;
    next.exchanges["bitfinex"].budget["book"] = 300;
    next.log.filter = "warn,tidegate=debug".to_owned();
    next.server.limits.max_symbols = 1;
    next.server.cors.origins = vec!["*".to_owned()];
    next.server.request_deadline = Duration::from_secs(70);
    let (now, later) = told(&rig, &next);
    assert_eq!((now.len(), later), (7, vec![]), "{now:?}");

    assert_eq!(limit(&rig.get(VALID).await.json(), "spread_pct"), json!(0.25));
    let status = rig.get("/api/status").await.json();
    let families = status["exchanges"][0]["budgets"].as_array().unwrap();
    let limit_of = |name: &str| {
        let family = families.iter().find(|family| family["family"] == name).unwrap();
        (family["limit"].as_u64().unwrap(), family["learned"].as_u64().unwrap())
    };
    assert_eq!((limit_of("candles"), limit_of("book")), ((11, 11), (300, 300)));
    assert_eq!(limit_of("trades"), (15, 15), "as before");
    assert_eq!(rig.app.gateway().reader().logs.current(), "warn,tidegate=debug");
    let batch = "/api/market-data/tickers?symbols=BTC/USD,ETH/USD";
    let reply = plain(rig.address(), "GET", batch, &[("origin", "http://a.example")]).await;
    assert_eq!((reply.status, &reply.json()["code"]), (422, &"invalid_parameter".into()));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn a_filter_set_by_hand_outlasts_a_reload_that_does_not_name_it() {
    let rig = Rig::start(|_| {}).await;
    let logs = rig.app.gateway().reader().logs.clone();
    assert_eq!(logs.set("debug").unwrap(), "info");
    let mut next = rig.config.clone();
    next.cache.ticker.ttl = ms(5);
    assert_eq!(told(&rig, &next).0.len(), 1);
    assert_eq!(logs.current(), "debug");
}
