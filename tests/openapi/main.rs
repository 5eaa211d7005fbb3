//! The interface and its description say the same.

mod schema;

use std::{collections::BTreeSet, time::Duration};

use reqwest::{Client, header::HeaderMap};
use serde_json::{Value, json};
use tidegate::{
    api,
    app::App,
    clock::Clock,
    config::{Config, Policy},
    exchange::{Endpoints, spec},
    feed::Feed,
    sim::{Sim, SimClock, SimConfig},
    tasks::Tasks,
};
use tokio::net::TcpListener;

use schema::Schemas;

/// What is answered without an end.
const STREAMS: [&str; 2] = ["/api/market-data/stream", "/api/market-data/ws"];

/// Beyond this a test is stuck, not slow.
const STUCK: Duration = Duration::from_secs(120);

/// A gateway in front of a simulated exchange that refuses nothing.
struct Bench {
    app: App,
    client: Client,
    document: Value,
    _tasks: Tasks,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    /// The media type, without its parameters.
    fn media(&self) -> &str {
        let value = self.headers.get("content-type").map(|value| value.to_str().unwrap());
        value.unwrap_or_default().split(';').next().unwrap_or_default()
    }

    fn body(&self) -> Value {
        if self.media().ends_with("json") {
            return serde_json::from_str(&self.text).unwrap();
        }
        Value::from(self.text.as_str())
    }
}

impl Bench {
    async fn start() -> Self {
        Self::with(SimClock::Wall(Clock::system()), async |mut config, listener| {
            // The exchange takes a while for years of candles.
            config.server.request_deadline = STUCK / 2;
            config.exchanges["bitfinex"].request_timeout = STUCK / 2;
            App::start(config, listener).await
        })
        .await
    }

    /// The same, where nothing changes from one request to the next.
    async fn still() -> Self {
        // Candles of no width end within minutes.
        let clock = Clock::anchored("2026-11-22T12:32:30Z".parse().unwrap());
        Self::with(SimClock::Wall(clock.clone()), async |mut config, listener| {
            let cache = &mut config.cache;
            for kept in
                [&mut cache.ticker, &mut cache.orderbook, &mut cache.ohlcv, &mut cache.trades]
            {
                *kept = Policy { ttl: STUCK, ..*kept };
            }
            let rest_url = config.exchanges["bitfinex"].rest_url.clone();
            let at = Endpoints { rest_url, request_timeout: STUCK };
            let exchange = spec("bitfinex").unwrap().open(&at).unwrap();
            let no_feed = |_, _: &_, _: &_| Feed::disabled();
            App::with_parts(config, exchange, no_feed, clock, listener).await
        })
        .await
    }

    async fn with(
        clock: SimClock,
        make: impl AsyncFnOnce(Config, TcpListener) -> anyhow::Result<App>,
    ) -> Self {
        let tasks = Tasks::new(|name| panic!("{name} panicked"));
        let bind = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let exchange = SimConfig { enforce: false, clock, ..SimConfig::default() };
        let sim = Sim::start(exchange, bind().await, &tasks).await.unwrap();
        let mut config = Config::default();
        config.exchanges["bitfinex"].rest_url = sim.rest_url();
        config.exchanges["bitfinex"].ws_url = sim.ws_url();
        let much = 60_000;
        config.exchanges["bitfinex"].budget.set_all(much);
        let app = make(config, bind().await).await.unwrap();
        let client = Client::builder().no_proxy().timeout(STUCK).build().unwrap();
        let mut bench = Self { app, client, document: Value::Null, _tasks: tasks };
        let reply = bench.get("/openapi.json", &[]).await;
        assert_eq!((reply.status, reply.media()), (200, "application/json"));
        bench.document = reply.body();
        bench
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = self.client.get(format!("{}{path}", self.app.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap() }
    }

    fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.document["paths"].as_object().unwrap();
        let asked = paths.iter().filter(|(_, item)| item["get"].is_object());
        asked.map(|(path, _)| self.operation(path, "get")).collect()
    }

    /// Those that change something, with their methods.
    fn changing(&self) -> Vec<(&str, Operation<'_>)> {
        let paths = self.document["paths"].as_object().unwrap();
        let methods = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| (path, method.as_str()))
        });
        let others = methods.filter(|(_, method)| *method != "get");
        others.map(|(path, method)| (method, self.operation(path, method))).collect()
    }

    /// Those whose answers end by themselves.
    fn ending(&self) -> Vec<Operation<'_>> {
        let mut operations = self.operations();
        operations.retain(|operation| !STREAMS.contains(&operation.path.as_str()));
        operations
    }

    fn operation(&self, path: &str, method: &str) -> Operation<'_> {
        let schemas = Schemas::of(&self.document);
        let details = &self.document["paths"][path][method];
        let parameters = details["parameters"].as_array().unwrap();
        let parameters = parameters.iter().map(|parameter| schemas.follow(parameter)).collect();
        Operation { path: path.to_owned(), details, parameters, schemas }
    }

    /// Asks, and holds the answer against its description.
    async fn checked(&self, operation: &Operation<'_>, query: &[(&str, String)]) -> Reply {
        let target = operation.target(query);
        let reply = self.get(&target, &[]).await;
        let mistakes = operation.mistakes(&reply);
        assert!(mistakes.is_empty(), "{target}: {mistakes:#?}\n{:.2000}", reply.text);
        reply
    }
}

/// One path of the document.
struct Operation<'a> {
    path: String,
    details: &'a Value,
    parameters: Vec<&'a Value>,
    schemas: Schemas<'a>,
}

impl<'a> Operation<'a> {
    fn parameters(&self, place: &str) -> impl Iterator<Item = &'a Value> {
        self.parameters.iter().copied().filter(move |parameter| parameter["in"] == place)
    }

    /// Path and query: examples where a value has to be given, and `query`.
    fn target(&self, query: &[(&str, String)]) -> String {
        let mut path = self.path.clone();
        for parameter in self.parameters("path") {
            path = path.replace(&format!("{{{}}}", name(parameter)), &example(parameter));
        }
        let given = |parameter: &&Value| query.iter().any(|(key, _)| *key == name(parameter));
        let needed = self.parameters("query").filter(|it| it["required"] == true && !given(it));
        let pairs = needed.map(|it| (name(it), example(it)));
        let pairs: Vec<_> = pairs.chain(query.iter().cloned()).collect();
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        if pairs.is_empty() { path } else { format!("{path}?{}", pairs.join("&")) }
    }

    /// What of an answer is not as described.
    fn mistakes(&self, reply: &Reply) -> Vec<String> {
        let response = &self.details["responses"][reply.status.to_string()];
        if response.is_null() {
            return vec![format!("status {} is not described", reply.status)];
        }
        let response = self.schemas.follow(response);
        let mut mistakes = Vec::new();
        for (name, header) in response["headers"].as_object().unwrap() {
            let header = self.schemas.follow(header);
            match reply.headers.get(name.as_str()).map(|value| value.to_str().unwrap()) {
                None if header["required"] == true => mistakes.push(format!("no {name}")),
                Some(text) if header["schema"]["type"] == "integer" => {
                    let number = text.parse::<i64>().map_or(Value::Null, Value::from);
                    self.schemas.check(&header["schema"], &number, name, &mut mistakes);
                }
                _ => {}
            }
        }
        let schema = &response["content"][reply.media()]["schema"];
        match schema {
            Value::Null => mistakes.push(format!("{:?} is not described", reply.media())),
            schema => self.schemas.check(schema, &reply.body(), "body", &mut mistakes),
        }
        mistakes
    }
}

fn name(parameter: &Value) -> &str {
    parameter["name"].as_str().unwrap()
}

fn example(parameter: &Value) -> String {
    text(&parameter["example"])
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[tokio::test]
async fn the_description_changes_on_purpose_only() {
    let wall = SimClock::Wall(Clock::system());
    let mut document = Bench::with(wall, App::start).await.document;
    assert_eq!(document["info"]["version"].take(), env!("CARGO_PKG_VERSION"));
    insta::assert_json_snapshot!("document", document);
}

/// The pages are for people, and `/v2` and `/ws/2` are described by the exchange.
#[tokio::test]
async fn every_route_is_described_and_every_description_routed() {
    let bench = Bench::start().await;
    let router = format!("{:?}", api::router(bench.app.gateway().clone(), api::Surface::Whole));
    let quoted = router.split('"').filter(|text| text.starts_with('/'));
    let quoted = quoted.filter(|text| !text.contains("__private"));
    let is_described = |route: &&str| {
        !["/", "/docs", "/asyncapi.json"].contains(route)
            && !["/assets/", "/v2", "/ws/2"].iter().any(|it| route.starts_with(it))
    };
    let routes: BTreeSet<String> =
        quoted.filter(is_described).map(|route| route.replace("{*", "{")).collect();
    let paths: BTreeSet<String> =
        bench.document["paths"].as_object().unwrap().keys().cloned().collect();
    assert!(routes.contains("/api/market-data/ticker/{symbol}"), "{routes:?}");
    assert_eq!(routes, paths);
}

#[tokio::test]
async fn every_example_and_every_choice_is_answered_as_described() {
    let bench = Bench::start().await;
    for operation in bench.ending() {
        assert_eq!(bench.checked(&operation, &[]).await.status, 200, "{}", operation.path);
        for parameter in operation.parameters("query") {
            let given = |value: String| [(name(parameter), value)];
            let reply = bench.checked(&operation, &given(example(parameter))).await;
            assert_eq!(reply.status, 200, "{}: {}", operation.path, reply.text);
            let choices = parameter["schema"]["enum"].as_array();
            for choice in choices.into_iter().flatten() {
                let reply = bench.checked(&operation, &given(text(choice))).await;
                assert_eq!(reply.status, 200, "{} {choice}", operation.path);
            }
        }
        for parameter in operation.parameters("header") {
            let (name, value) = (name(parameter), example(parameter));
            let reply = bench.get(&operation.target(&[]), &[(name, &value)]).await;
            assert_eq!(reply.status, 200, "{} {name}: {value}", operation.path);
        }
    }
}

#[tokio::test]
async fn streams_begin_as_described() {
    let bench = Bench::start().await;
    for operation in bench.operations().into_iter().filter(|it| STREAMS.contains(&it.path.as_str()))
    {
        if operation.path.ends_with("/ws") {
            assert_eq!(bench.checked(&operation, &[]).await.status, 426);
            assert!(operation.details["responses"]["101"].is_object());
            continue;
        }
        let query = operation.parameters("query").map(|it| (name(it), example(it)));
        let target = operation.target(&query.collect::<Vec<_>>());
        let mut request = bench.client.get(format!("{}{target}", bench.app.url()));
        for parameter in operation.parameters("header") {
            request = request.header(name(parameter), example(parameter));
        }
        let mut response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut text = String::new();
        while !(text.contains("event: welcome") && text.contains("event: resume")) {
            let chunk = response.chunk().await.unwrap().unwrap_or_else(|| panic!("{text}"));
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        let reply = Reply { status, headers, text };
        assert_eq!((reply.status, operation.mistakes(&reply)), (200, vec![]), "{target}");
    }
}

#[tokio::test]
async fn what_is_not_described_is_refused_as_described() {
    let bench = Bench::start().await;
    for operation in bench.operations() {
        let path = &operation.path;
        if ["/metrics", "/openapi.json"].contains(&path.as_str()) {
            continue;
        }
        let names: Vec<_> = operation.parameters("query").map(name).collect();
        let refused = async |query: &[(&str, String)]| {
            let reply = bench.checked(&operation, query).await;
            (reply.status, reply.body()["parameter"].clone())
        };
        let known = match names.as_slice() {
            [] => "this endpoint takes no parameters".to_owned(),
            names => format!("not a parameter; known are {}", names.join(", ")),
        };
        let expected = json!({ "name": "surprise", "value": "1", "allowed": known });
        assert_eq!(refused(&[("surprise", "1".to_owned())]).await, (422, expected), "{path}");
        for parameter in operation.parameters("query") {
            let (name, schema) = (name(parameter), &parameter["schema"]);
            let (mut wrong, status) = match schema["type"].as_str() {
                Some("integer") => {
                    let most = schema["maximum"].as_u64().unwrap();
                    let reply = bench.checked(&operation, &[(name, most.to_string())]).await;
                    assert_eq!(reply.status, 200, "{path} {name}={most}");
                    (vec!["0".to_owned(), (most + 1).to_string(), "1.5".to_owned()], 422)
                }
                _ if name.starts_with("exchange") => (vec!["mtgox".to_owned()], 404),
                _ if name == "symbols" => {
                    (vec![",".to_owned(), "%20".to_owned(), vec!["A"; 201].join(",")], 422)
                }
                _ => (vec!["nonsense".to_owned()], 422),
            };
            // Any text may be a token: one that is none is told so in the stream.
            if name == "last_event_id" {
                continue;
            }
            if schema["type"] != "boolean" && !name.starts_with("exchange") {
                wrong.push(String::new());
            }
            for value in wrong {
                let (given, problem) = refused(&[(name, value.clone())]).await;
                assert_eq!(given, status, "{path} {name}={value}");
                assert!(status == 404 || problem["name"] == name, "{path} {name}={value}");
            }
            if parameter["required"] == true {
                continue;
            }
            let twice = [(name, example(parameter)), (name, example(parameter))];
            let (status, problem) = refused(&twice).await;
            assert_eq!((status, &problem["allowed"]), (422, &json!("given more than once")));
        }
    }
}

#[tokio::test]
async fn a_held_answer_is_confirmed_as_described() {
    let bench = Bench::still().await;
    for operation in bench.ending() {
        let is_described = !operation.details["responses"]["304"].is_null();
        let target = operation.target(&[]);
        let first = bench.get(&target, &[]).await;
        let Some(etag) = first.headers.get("etag") else {
            assert!(!is_described, "{target}");
            continue;
        };
        assert!(is_described, "{target}");
        // These tell ages, so that no two of their answers are the same.
        let aging = ["/validate-market/", "/market-context?", "/compare/"];
        let is_new = aging.iter().any(|it| target.contains(it));
        let tag = if is_new { "*" } else { etag.to_str().unwrap() };
        let reply = bench.get(&target, &[("If-None-Match", tag)]).await;
        assert_eq!((reply.status, reply.text.as_str()), (304, ""), "{target}");
        let headers = &operation.details["responses"]["304"]["headers"];
        for name in ["Age", "Cache-Control", "Cache-Status", "ETag", "X-Request-Id"] {
            assert!(reply.headers.contains_key(name) && !headers[name].is_null(), "{name}");
        }
    }
}

#[tokio::test]
async fn examples_of_answers_are_as_described() {
    let bench = Bench::start().await;
    let mut seen = 0;
    let changing = bench.changing().into_iter().map(|(_, operation)| operation);
    for operation in bench.operations().into_iter().chain(changing) {
        for (status, response) in operation.details["responses"].as_object().unwrap() {
            let response = operation.schemas.follow(response);
            for (media, content) in response["content"].as_object().into_iter().flatten() {
                let is_itself = operation.path == "/openapi.json" && status == "200";
                let examples = content["examples"].as_object();
                assert!(examples.is_some() || is_itself, "{} {status} {media}", operation.path);
                for (name, example) in examples.into_iter().flatten() {
                    seen += 1;
                    if let Some(address) = example["externalValue"].as_str() {
                        let reply = bench.get(address, &[]).await;
                        assert_eq!((reply.status, reply.media()), (200, media.as_str()));
                        continue;
                    }
                    let mut mistakes = Vec::new();
                    operation.schemas.check(
                        &content["schema"],
                        &example["value"],
                        name,
                        &mut mistakes,
                    );
                    assert!(mistakes.is_empty(), "{} {status}: {mistakes:#?}", operation.path);
                }
            }
        }
    }
    assert!(seen > 100, "{seen} examples");
}

/// Whoever has no key that may is refused as described, whatever he sends, and before it is read.
#[tokio::test]
async fn what_changes_something_is_for_operators_only() {
    let bench = Bench::start().await;
    let changing = bench.changing();
    let named = changing.iter().map(|(method, it)| (*method, it.path.as_str()));
    assert_eq!(
        named.collect::<BTreeSet<_>>(),
        BTreeSet::from([
            ("post", "/api/admin/drain"),
            ("post", "/api/admin/cache/clear"),
            ("put", "/api/admin/exchanges/{exchange}/cordon"),
            ("delete", "/api/admin/exchanges/{exchange}/cordon"),
            ("put", "/api/admin/log"),
        ])
    );
    for (method, operation) in changing {
        let target = operation.target(&[]);
        let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let request = bench.client.request(method, format!("{}{target}", bench.app.url()));
        let response = request.body("no JSON").send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let reply = Reply { status, headers, text: response.text().await.unwrap() };
        assert_eq!((reply.status, operation.mistakes(&reply)), (403, vec![]), "{target}");
        assert_eq!(reply.body()["code"], "forbidden", "{target}");
        let by_get = bench.get(&target, &[]).await;
        assert_eq!((by_get.status, &by_get.body()["code"]), (405, &json!("method_not_allowed")));
        let allowed = by_get.headers["allow"].to_str().unwrap();
        assert!(!allowed.contains("GET") && !allowed.is_empty(), "{target}: {allowed}");
    }
    assert_eq!(bench.get("/readyz", &[]).await.status, 200, "nothing drains");
}
