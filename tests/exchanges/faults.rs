//! Whatever the exchange answers, clients are told what is so or what is wrong.

use serde_json::Value;
use tidegate::sim::Fault;

use crate::{
    Case,
    client::{Reply, ask},
    rig::{Rig, eventually, ms, settings},
};

async fn rig(case: Case) -> Rig {
    let mut config = settings();
    config.server.request_deadline = ms(5_000);
    config.exchanges[case.kind.as_str()].request_timeout = ms(1_000);
    config.exchanges[case.kind.as_str()].budget.set_all(100_000);
    config.upstream.ban = ms(50);
    Rig::start(case, config).await
}

const ENDPOINTS: [&str; 4] = ["ticker", "orderbook", "ohlcv", "trades"];

/// The answer to who wants nothing that is held. Calls that were given up may still be on their
/// way: where few may go at once there is no room for another one until they cannot be any more.
/// And a slow machine may let any call take too long, which is `fault`'s doing only if it hangs.
async fn anew(rig: &Rig, path: &str, fault: Option<&Fault>) -> Reply {
    eventually("there is room and time for a call", async || {
        let demand = [("cache-control", "max-age=0")];
        let reply = ask(rig.app.address(), "GET", path, &demand).await;
        let has_waited = |problem: Value| match problem["code"].as_str() {
            Some("upstream_timeout") => fault != Some(&Fault::Hang),
            code => matches!(code, Some("budget_exhausted" | "deadline_exceeded")),
        };
        (reply.status == 200 || !has_waited(reply.json())).then_some(reply)
    })
    .await
}

impl Rig {
    /// Waits until the exchange's true answer comes through.
    async fn is_true(&self, path: &str) {
        eventually("the true answer", async || {
            Some(anew(self, path, None).await).filter(|reply| reply.status == 200)
        })
        .await;
    }
}

/// Each fault at each endpoint: the problem that it is, and the true answer once it has passed.
pub(crate) async fn every_fault_is_a_problem_and_passes(case: Case) {
    let rig = rig(case).await;
    let faults: [(Fault, &[(u16, &str)]); 6] = [
        (Fault::Reset, &[(503, "exchange_unavailable")]),
        (Fault::Cut { bytes: None }, &[(503, "exchange_unavailable")]),
        (Fault::Status { status: 503, body: None }, &[(503, "exchange_unavailable")]),
        (Fault::Html { status: 502 }, &[(503, "exchange_unavailable"), (502, "upstream_invalid")]),
        (Fault::Maintenance, &[(503, "exchange_maintenance"), (503, "exchange_unavailable")]),
        (Fault::Hang, &[(504, "upstream_timeout"), (503, "exchange_unavailable")]),
    ];
    for (fault, problems) in faults {
        for (number, endpoint) in ENDPOINTS.into_iter().enumerate() {
            // Entries of their own: what was fetched before stays fresh.
            let market = [case.market, case.other][number % 2];
            let path = format!("/api/market-data/{endpoint}/{market}");
            // What is held is fresh for long: only a new answer shows that the last one has passed.
            rig.is_true(&path).await;
            rig.sim().fault(fault.clone().always());
            let reply = anew(&rig, &path, Some(&fault)).await;
            let code = reply.json()["code"].as_str().unwrap_or_default().to_owned();
            let found = problems.iter().find(|problem| **problem == (reply.status, code.as_str()));
            let (status, code) =
                found.unwrap_or_else(|| panic!("{fault:?} {path}: {}", reply.text()));
            reply.problem(&path, *status, code);
            assert!(reply.took < ms(15_000), "{fault:?} {path}: {:?}", reply.took);
            rig.sim().clear_faults();
            rig.is_true(&path).await;
        }
    }
}

/// True answers that were spoilt on their way.
pub(crate) async fn wrong_bodies_are_never_served(case: Case) {
    let rig = rig(case).await;
    let faults = [
        Fault::Nulls,
        Fault::NotANumber,
        Fault::TruncatedRows,
        Fault::Html { status: 200 },
        Fault::Crossed,
    ];
    for fault in faults {
        for endpoint in ENDPOINTS {
            if fault == Fault::Crossed && endpoint != "orderbook" {
                continue;
            }
            let path = format!("/api/market-data/{endpoint}/{}", case.other);
            rig.sim().clear_faults();
            rig.is_true(&path).await;
            rig.sim().fault(fault.clone().always());
            let reply = anew(&rig, &path, Some(&fault)).await;
            match reply.status {
                // A ticker may lack what is not known.
                200 => {
                    let body = reply.json();
                    let is_gap = endpoint == "ticker" && fault == Fault::Nulls;
                    assert!(is_gap && body["last"].is_null(), "{fault:?} {path}: {body}");
                }
                status => {
                    assert!([502, 503].contains(&status), "{fault:?} {path}: {}", reply.text());
                    assert!(reply.json()["code"].is_string());
                }
            }
        }
    }
}
