//! The pages are whole, and take nothing from elsewhere.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Client;
use serde_json::Value;
use tidegate::{
    app::App,
    config::Config,
    feed::{FeedState, SocketState},
    sim::{Sim, SimConfig},
    tasks::Tasks,
};
use tokio::net::TcpListener;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// A gateway in front of a simulated exchange.
struct Bench {
    app: App,
    client: Client,
    _tasks: Tasks,
}

impl Bench {
    async fn start() -> Self {
        let tasks = Tasks::new(|name| panic!("{name} panicked"));
        let bind = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sim = Sim::start(SimConfig::default(), bind().await, &tasks).await.unwrap();
        let mut config = Config::default();
        config.exchanges.bitfinex.rest_url = sim.rest_url();
        config.exchanges.bitfinex.ws_url = sim.ws_url();
        let app = App::start(config, bind().await).await.unwrap();
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { app, client, _tasks: tasks }
    }

    /// Media type and text of something that has to be there.
    async fn get(&self, path: &str) -> (String, String) {
        let response = self.client.get(format!("{}{path}", self.app.url())).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{path}");
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.unwrap_or_else(|| panic!("{path} has no {name}")).to_str().unwrap().to_owned()
        };
        let media = header("content-type");
        if path == "/" || path == "/docs" || path.starts_with("/assets/") {
            assert_eq!(header("content-security-policy"), POLICY, "{path}");
            assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        }
        (media, response.text().await.unwrap())
    }
}

/// The values of an attribute, which is written with double quotes.
fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    html.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn pages_name_only_what_is_served() {
    let bench = Bench::start().await;
    let mut assets = BTreeSet::new();
    for page in ["/", "/docs"] {
        let (media, html) = bench.get(page).await;
        assert_eq!(media, "text/html; charset=utf-8", "{page}");
        for target in values(&html, "href").into_iter().chain(values(&html, "src")) {
            if let Some(id) = target.strip_prefix('#') {
                assert!(values(&html, "id").contains(&id), "{page} has no {id}");
                continue;
            }
            let media = bench.get(target).await.0;
            if target.starts_with("/assets/") {
                let expected = match target.rsplit('.').next().unwrap() {
                    "js" => "text/javascript; charset=utf-8",
                    "css" => "text/css; charset=utf-8",
                    "svg" => "image/svg+xml",
                    other => panic!("{target}: what is {other}?"),
                };
                assert_eq!(media, expected, "{target}");
                assets.insert(target.to_owned());
            }
        }
    }
    let known = ["app.js", "docs.js", "icon.svg", "style.css"].map(|it| format!("/assets/{it}"));
    assert_eq!(assets, BTreeSet::from(known));
}

#[tokio::test]
async fn nothing_is_inline_and_nothing_from_elsewhere() {
    let bench = Bench::start().await;
    // A name of a format and the default address, which the page replaces by its own.
    let harmless = ["http://www.w3.org/2000/svg", "http://127.0.0.1:8087"];
    let paths = [
        "/",
        "/docs",
        "/assets/app.js",
        "/assets/docs.js",
        "/assets/icon.svg",
        "/assets/style.css",
    ];
    for path in paths {
        let (media, mut text) = bench.get(path).await;
        for url in harmless {
            text = text.replace(url, "");
        }
        for elsewhere in ["http:", "https:", "src=\"//", "href=\"//", "url(", "@import"] {
            assert!(!text.contains(elsewhere), "{path} contains {elsewhere}");
        }
        let may_run = ["eval(", "Function(", "innerHTML", "document.write"];
        assert!(!may_run.iter().any(|it| text.contains(it)), "{path}");
        if media.starts_with("text/html") {
            for inline in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
                assert!(!text.contains(inline), "{path} contains {inline}");
            }
            for script in text.split("<script").skip(1) {
                let (attributes, rest) = script.split_once('>').unwrap();
                assert!(attributes.contains(" src=\"/assets/"), "{path}: {attributes}");
                assert!(rest.starts_with("</script>"), "{path}: {rest:.40}");
            }
        }
    }
}

/// The landing page shows whatever the status holds; what it adds is colour for the words and
/// units for the figures.
#[tokio::test]
async fn the_landing_page_knows_the_words_and_units_of_the_status() {
    let bench = Bench::start().await;
    let script = bench.get("/assets/app.js").await.1;
    let (_, moods) = script.split_once("const MOODS = {").unwrap();
    let (moods, after) = moods.split_once("};").unwrap();
    let has = |text: &str, word: &str, mood| text.contains(&format!(" {word}: \"{mood}\""));
    for state in
        [FeedState::Connected, FeedState::Connecting, FeedState::Degraded, FeedState::Paused]
    {
        let mood = if state == FeedState::Connected { "good" } else { "warn" };
        assert!(has(moods, state.as_str(), mood), "{state:?}");
    }
    assert!(has(moods, SocketState::Open.as_str(), "good") && has(moods, "live", "good"));
    assert!(has(moods, "opening", "warn") && has(moods, "stale", "warn"));
    let (breakers, _) = after.split_once("};").unwrap();
    assert!(has(breakers, "open", "bad"), "an open breaker is not what an open socket is");

    let status: Value = serde_json::from_str(&bench.get("/api/status").await.1).unwrap();
    let sections: Vec<&str> = status.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(["streams", "feeds", "hot"].iter().all(|name| sections.contains(name)), "{sections:?}");
    assert!(status["requests"].get("from_streams_share").is_some(), "{status}");
    for unit in ["_share", "_seconds", "_ms"] {
        assert!(script.contains(&format!("endsWith(\"{unit}\")")), "{unit}");
    }
}
