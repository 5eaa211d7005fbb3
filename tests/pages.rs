//! The pages are whole, and take nothing from elsewhere.

use std::{collections::BTreeSet, io::Read as _, time::Duration};

use reqwest::Client;
use serde_json::Value;
use tidegate::{
    app::App,
    config::Config,
    feed::FeedState,
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
        config.exchanges["bitfinex"].rest_url = sim.rest_url();
        config.exchanges["bitfinex"].ws_url = sim.ws_url();
        let app = App::start(config, bind().await).await.unwrap();
        let client = Client::builder()
            .no_proxy()
            .no_gzip()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
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
            assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{path}");
            assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{path}");
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
                    "txt" => "text/plain; charset=utf-8",
                    other => panic!("{target}: what is {other}?"),
                };
                assert_eq!(media, expected, "{target}");
                assets.insert(target.to_owned());
            }
        }
    }
    let known = ["app.css", "app.js", "docs.js", "icon.svg", "licenses.txt", "style.css"]
        .map(|it| format!("/assets/{it}"));
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
        "/assets/app.css",
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

/// The page knows each word that the gateway has for how a feed is, as a property of the colours.
#[tokio::test]
async fn the_ops_page_knows_the_words_of_the_status() {
    let bench = Bench::start().await;
    let script = bench.get("/assets/app.js").await.1;
    for state in
        [FeedState::Connected, FeedState::Connecting, FeedState::Degraded, FeedState::Paused]
    {
        let mood = if state == FeedState::Connected { "good" } else { "warn" };
        assert!(script.contains(&format!("{}:\"{mood}\"", state.as_str())), "{state:?}");
    }
    let status: Value = serde_json::from_str(&bench.get("/api/status").await.1).unwrap();
    for section in status.as_object().unwrap().keys().filter(|section| *section != "name") {
        // `status.hot`, or taken apart as `{cache:a,store:b}`.
        let uses = [format!(".{section}"), format!("{{{section}:"), format!(",{section}:")];
        assert!(uses.iter().any(|used| script.contains(used)), "{section} is not shown");
    }
}

/// What is embedded goes out zipped where that is wanted, and not at all where it is known.
#[tokio::test]
async fn assets_are_zipped_and_revalidated() {
    let bench = Bench::start().await;
    let url = format!("{}/assets/app.js", bench.app.url());
    let plain = bench.client.get(&url).header("accept-encoding", "identity").send().await.unwrap();
    let header = |response: &reqwest::Response, name: &str| {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header(&plain, "content-encoding"), None);
    assert_eq!(header(&plain, "vary").as_deref(), Some("accept-encoding"));
    let (tag, plain) = (header(&plain, "etag").unwrap(), plain.bytes().await.unwrap());

    let zipped = bench.client.get(&url).header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(header(&zipped, "content-encoding").as_deref(), Some("gzip"));
    let (zipped_tag, zipped) = (header(&zipped, "etag").unwrap(), zipped.bytes().await.unwrap());
    assert_ne!(zipped_tag, tag);
    assert!(zipped.len() * 2 < plain.len(), "{} of {}", zipped.len(), plain.len());
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&zipped[..]).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain);

    for tag in [&tag, &zipped_tag] {
        let known = bench.client.get(&url).header("if-none-match", tag).send().await.unwrap();
        assert_eq!(known.status().as_u16(), 304, "{tag}");
        assert_eq!(known.bytes().await.unwrap().len(), 0, "{tag}");
    }
    let other = bench.client.get(&url).header("if-none-match", "\"0\"").send().await.unwrap();
    assert_eq!(other.status().as_u16(), 200);
}

/// All of the page is small enough to be loaded over a telephone at night.
#[tokio::test]
async fn assets_are_small() {
    let bench = Bench::start().await;
    let mut sum = 0;
    for path in ["/", "/assets/app.js", "/assets/app.css", "/assets/style.css", "/assets/icon.svg"]
    {
        sum += bench.get(path).await.1.len();
    }
    assert!(sum < 200_000, "{sum} bytes");
}
