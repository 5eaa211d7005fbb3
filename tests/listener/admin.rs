//! The listener of operators: what is served where, and for how long.

use tidegate::{config::Config, sim::Family};
use tokio::net::TcpStream;

use crate::rig::{Issued, Rig, STUCK, TICKER, eventually, exchange_on, plain, secure};

fn apart(config: &mut Config) {
    config.server.admin.listen = Some("127.0.0.1:0".parse().unwrap());
}

#[tokio::test]
async fn operators_are_served_everything_and_clients_what_they_need() {
    let rig = Rig::start(apart).await;
    let admin = rig.app.admin_address().unwrap();
    assert_eq!(rig.app.admin_url(), Some(format!("http://{admin}")));
    let status = async |address, path| plain(address, "GET", path, &[]).await.status;
    for path in ["/", "/metrics", "/api/status"] {
        let reply = rig.get(path).await;
        let problem = reply.json();
        assert_eq!((reply.status, &problem["code"]), (404, &"not_found".into()), "{path}");
        assert_eq!(status(admin, path).await, 200, "{path}");
    }
    for path in [
        TICKER,
        "/api/market-data/exchanges",
        "/v2/platform/status",
        "/livez",
        "/readyz",
        "/healthz",
        "/docs",
        "/assets/docs.js",
        "/openapi.json",
        "/asyncapi.json",
    ] {
        assert_eq!(status(rig.address(), path).await, 200, "{path}");
        assert_eq!(status(admin, path).await, 200, "{path}");
    }
}

#[tokio::test]
async fn without_an_address_of_their_own_operators_share_that_of_clients() {
    let rig = Rig::start(|_| {}).await;
    assert_eq!((rig.app.admin_url(), rig.app.admin_address()), (None, None));
    for path in ["/", "/metrics", "/api/status", TICKER] {
        assert_eq!(rig.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn operators_have_a_limit_of_their_own() {
    let rig = Rig::start(|config| {
        apart(config);
        config.server.admin.max_connections = 1;
    })
    .await;
    let admin = rig.app.admin_address().unwrap();
    let _held = TcpStream::connect(admin).await.unwrap();
    let refused = async || {
        let reply = plain(admin, "GET", "/livez", &[]).await;
        (reply.status == 503).then_some(reply)
    };
    let reply = eventually("there is no room", refused).await;
    assert_eq!(reply.json()["detail"], "too many connections");
    assert_eq!(rig.get(TICKER).await.status, 200);
    assert_eq!(rig.metric("tidegate_connections_refused_total"), 1.0);
}

#[tokio::test]
async fn tls_is_for_both_unless_told_otherwise() {
    let issued = Issued::until(2040);
    for tls in [true, false] {
        let rig = Rig::start(|config| {
            apart(config);
            issued.serve(config);
            config.server.admin.tls = tls;
        })
        .await;
        let admin = rig.app.admin_address().unwrap();
        let scheme = if tls { "https" } else { "http" };
        assert_eq!(rig.app.admin_url(), Some(format!("{scheme}://{admin}")));
        let reply = match tls {
            true => {
                let stream = secure(admin, &issued.der).await.unwrap();
                exchange_on(stream, "GET", "/metrics", &[]).await.unwrap()
            }
            false => plain(admin, "GET", "/metrics", &[]).await,
        };
        assert_eq!(reply.status, 200);
        secure(rig.address(), &issued.der).await.unwrap();
    }
}

#[tokio::test]
async fn operators_see_the_others_end() {
    let (rig, valve) = Rig::behind_a_valve(|config| {
        apart(config);
        config.server.drain_grace = STUCK;
    })
    .await;
    assert_eq!(rig.get(TICKER).await.status, 200);
    rig.sim.reset_counts();
    valve.close();
    let (clients, admin) = (rig.address(), rig.app.admin_address().unwrap());
    let in_flight = async move {
        plain(clients, "GET", "/api/market-data/orderbook/BTC-USD", &[]).await.status
    };
    let sim = &rig.sim;
    let end = async {
        let under_way = async || (sim.counts().of(Family::Book) == 1).then_some(());
        eventually("a request in flight", under_way).await;
        rig.app.drain().await
    };
    let watch = async {
        let refused = async || TcpStream::connect(clients).await.err();
        eventually("clients are refused", refused).await;
        assert_eq!(plain(admin, "GET", "/livez", &[]).await.status, 200);
        let reply = plain(admin, "GET", "/readyz", &[]).await;
        assert_eq!((reply.status, &reply.json()["code"]), (503, &"draining".into()));
        assert_eq!(plain(admin, "GET", "/metrics", &[]).await.status, 200);
        valve.open();
    };
    let (answered, is_done, ()) = tokio::join!(in_flight, end, watch);
    assert_eq!((answered, is_done), (200, true));
    TcpStream::connect(admin).await.expect_err("it has ended, too");
}
