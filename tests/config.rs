//! Settings: layers, mistakes, provenance, and the file that is shipped.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use tidegate::config::{Config, Origin, Sources, keys, load};

const SHIPPED: &str = include_str!("../config/tidegate.toml");

fn file(text: &str) -> Option<(PathBuf, String)> {
    Some((PathBuf::from("a.toml"), text.to_owned()))
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn told(sources: &Sources) -> String {
    load(sources).expect_err("there are mistakes").to_string()
}

#[test]
fn without_settings_the_defaults_are_in_force() {
    let loaded = load(&Sources::default()).unwrap();
    assert_eq!(loaded.config, Config::default());
    for key in keys() {
        assert_eq!(loaded.origin(key.path()), &Origin::Default);
    }
}

#[test]
fn each_layer_covers_the_one_below() {
    let text = "[cache.ticker]\nttl = '11s'\nstale_if_error = '12s'\nnegative_ttl = '13s'\n";
    let sources = Sources {
        file: file(text),
        env: pairs(&[
            ("TIDEGATE__CACHE__TICKER__STALE_IF_ERROR", "22s"),
            ("tidegate__cache__ticker__Negative_Ttl", "23s"),
            ("TIDEGATE_CACHE_TICKER_TTL", "24s"),
            ("PATH", "/bin"),
        ]),
        flags: pairs(&[("cache.ticker.negative_ttl", "33s"), ("cache.ticker.negative_ttl", "34s")]),
    };
    let loaded = load(&sources).unwrap();
    let ticker = loaded.config.cache.ticker;
    assert_eq!(ticker.stale_while_revalidate, Duration::from_secs(3), "default");
    assert_eq!(ticker.ttl, Duration::from_secs(11), "file");
    assert_eq!(ticker.stale_if_error, Duration::from_secs(22), "environment over file");
    assert_eq!(ticker.negative_ttl, Duration::from_secs(34), "the last flag over all");

    let origins = ["stale_while_revalidate", "ttl", "stale_if_error", "negative_ttl"]
        .map(|name| loaded.origin(&format!("cache.ticker.{name}")).to_string());
    let expected = ["default", "a.toml:2", "env TIDEGATE__CACHE__TICKER__STALE_IF_ERROR", "flag"];
    assert_eq!(origins, expected);
}

#[test]
fn every_kind_of_value_is_read() {
    let text = r#"
        cache.max_bytes = 1048576
        server = { listen = "[::1]:0", limits.max_header_bytes = "32KiB" }
        [exchanges.bitfinex]
        rest_url = "http://127.0.0.1:8088/"
        budget.candles = 0x1d
        [validation]
        max_volatility_pct = 12
        max_spread_pct = 0.5
        [store]
        path = "data"
        max_bytes = "512MiB"
        retention = "30d"
        [feed]
        enabled = false
        [log]
        format = "json"
    "#;
    let env = pairs(&[
        ("TIDEGATE__EXCHANGES__BITFINEX__BUDGET__BOOK", "200"),
        ("TIDEGATE__UPSTREAM__MERGE_WINDOW", "0s"),
        ("TIDEGATE__CACHE__MARKETS__TTL", "1m30s"),
        ("TIDEGATE__VALIDATION__MAX_AGE", "1h"),
    ]);
    let config = load(&Sources { file: file(text), env, flags: Vec::new() }).unwrap().config;

    let mut expected = Config::default();
    expected.cache.max_bytes = 1 << 20;
    expected.cache.markets.ttl = Duration::from_secs(90);
    expected.server.listen = "[::1]:0".parse().unwrap();
    expected.server.limits.max_header_bytes = 32 * 1024;
    expected.exchanges["bitfinex"].rest_url = "http://127.0.0.1:8088".to_owned();
    expected.exchanges["bitfinex"].ws_url = "ws://127.0.0.1:8088/ws/2".to_owned();
    expected.exchanges["bitfinex"].budget["candles"] = 29;
    expected.exchanges["bitfinex"].budget["book"] = 200;
    expected.upstream.merge_window = Duration::ZERO;
    expected.validation.max_volatility_pct = 12.0;
    expected.validation.max_spread_pct = 0.5;
    expected.validation.max_age = Duration::from_secs(3600);
    expected.store.path = Some(PathBuf::from("data"));
    expected.store.max_bytes = 512 << 20;
    expected.store.retention = Duration::from_secs(30 * 86_400);
    expected.feed.enabled = false;
    expected.log.format = tidegate::config::LogFormat::Json;
    assert_eq!(config, expected);
}

#[test]
fn every_mistake_of_every_layer_is_named_at_once() {
    let text = "\
listen = \"127.0.0.1:1\"
feed = true
log.filter = \"=,=\"
[sever]
listen = \"127.0.0.1:1\"
[server]
listen = 8087
request_deadline = 2
\"limits.max_symbols\" = 9
[cache.ticker]
ttl = \"0s\"
tll = \"1s\"
stale_if_error = [\"1s\"]
[exchanges]
default = \"mtgox\"
[exchanges.bitfinex]
ws_url = \"https://api-pub.bitfinex.com/ws/2\"
budget.candles = 0
[weather]
";
    let sources = Sources {
        file: file(text),
        env: pairs(&[
            ("TIDEGATE__CACHE__TICKER__TTL", "2s"),
            ("TIDEGATE__FEED__ENABLED", "maybe"),
            ("TIDEGATE__SERVER", "127.0.0.1:1"),
            ("tidegate__feed__enabled", "true"),
        ]),
        flags: pairs(&[("validation.max_spread_pct", "101"), ("clients", "50")]),
    };
    assert_eq!(
        told(&sources),
        r#"19 mistakes in the settings:
  env tidegate__feed__enabled: feed.enabled: also set by TIDEGATE__FEED__ENABLED, which differs only in case
  a.toml:1: listen: unknown key; did you mean server.listen?
  a.toml:2: feed: is a section, found true
  a.toml:3: log.filter: expected a filter such as "info" or "warn,tidegate=debug", found "=,="
  a.toml:5: sever.listen: unknown key; did you mean server.listen?
  a.toml:7: server.listen: expected an IP address and port such as "127.0.0.1:8087", found the number 8087
  a.toml:8: server.request_deadline: expected a duration from 100ms to 5m, found the number 2
  a.toml:9: server."limits.max_symbols": unknown key; did you mean server.limits.max_symbols?
  a.toml:11: cache.ticker.ttl: expected a duration from 1ms to 24h, found "0s"
  a.toml:12: cache.ticker.tll: unknown key; did you mean cache.ticker.ttl?
  a.toml:13: cache.ticker.stale_if_error: expected a duration from 0s to 168h, found a list
  a.toml:15: exchanges.default: expected one of "bitfinex", "kraken", "coinbase", "binance", found "mtgox"
  a.toml:17: exchanges.bitfinex.ws_url: expected a URL that starts with ws:// or wss://, without credentials and query, found "https://api-pub.bitfinex.com/ws/2"
  a.toml:18: exchanges.bitfinex.budget.candles: expected a whole number from 1 to 100000, found the number 0
  a.toml:19: weather: unknown key
  env TIDEGATE__FEED__ENABLED: feed.enabled: expected true or false, found "maybe"
  env TIDEGATE__SERVER: server: is a section, found "127.0.0.1:1"
  flag: validation.max_spread_pct: expected a number from 0 to 100, found "101"
  flag: clients: unknown key"#
    );
}

#[test]
fn what_is_no_toml_is_named_with_its_line_beside_the_other_mistakes() {
    let sources =
        Sources { file: file("[feed]\nenabled = \n[log]\nformat = 'xml'\n"), ..Sources::default() };
    let errors = load(&sources).expect_err("there are mistakes");
    let lines: Vec<String> = errors.mistakes().iter().map(ToString::to_string).collect();
    assert!(lines[0].starts_with("a.toml:2: "), "{errors}");
    let format = r#"a.toml:4: log.format: expected one of "auto", "pretty", "json", found "xml""#;
    assert_eq!(lines.last().map(String::as_str), Some(format), "{errors}");
}

#[test]
fn settings_that_do_not_fit_together_are_named_with_both_sides() {
    let sources = Sources {
        file: file(
            "server.request_deadline = '3s'\nexchanges.bitfinex.enabled = false\n\
             exchanges.bitfinex.request_timeout = '4s'\n",
        ),
        env: pairs(&[("TIDEGATE__UPSTREAM__BREAKER_OPEN", "40s")]),
        flags: pairs(&[
            ("server.limits.max_uri_bytes", "9KiB"),
            ("server.limits.max_header_bytes", "8KiB"),
        ]),
    };
    assert_eq!(
        told(&sources),
        "4 mistakes in the settings:
  a.toml:3: exchanges.bitfinex.request_timeout: 4s is longer than server.request_deadline (3s, a.toml:1)
  env TIDEGATE__UPSTREAM__BREAKER_OPEN: upstream.breaker_open: 40s is longer than upstream.breaker_open_max (30s, default)
  flag: server.limits.max_uri_bytes: 9216 bytes do not fit into server.limits.max_header_bytes (8192, flag)
  default: exchanges.default: \"bitfinex\" is not enabled (exchanges.bitfinex.enabled: a.toml:2)"
    );
}

#[test]
fn the_default_request_timeout_follows_a_shorter_deadline() {
    let env = pairs(&[("TIDEGATE__SERVER__REQUEST_DEADLINE", "500ms")]);
    let loaded = load(&Sources { env, ..Sources::default() }).unwrap();
    let half_a_second = Duration::from_millis(500);
    assert_eq!(loaded.config.exchanges["bitfinex"].request_timeout, half_a_second);
    assert_eq!(loaded.origin("exchanges.bitfinex.request_timeout"), &Origin::Default);

    let env = pairs(&[("TIDEGATE__SERVER__REQUEST_DEADLINE", "1m")]);
    let config = load(&Sources { env, ..Sources::default() }).unwrap().config;
    assert_eq!(config.exchanges["bitfinex"].request_timeout, Duration::from_secs(5));
}

#[test]
fn one_exchange_is_on_and_any_can_be_the_default() {
    let exchanges = Config::default().exchanges;
    let enabled: Vec<_> = exchanges.enabled().map(|site| site.name).collect();
    assert_eq!(enabled, ["bitfinex"]);
    let flags = |enabled: &str| {
        pairs(&[("exchanges.default", "binance"), ("exchanges.binance.enabled", enabled)])
    };
    let sources = |enabled| Sources { flags: flags(enabled), ..Sources::default() };
    let config = load(&sources("true")).unwrap().config;
    let enabled: Vec<_> = config.exchanges.enabled().map(|site| site.name).collect();
    assert_eq!(enabled, ["bitfinex", "binance"]);
    assert_eq!(
        told(&sources("false")),
        "1 mistake in the settings:
  flag: exchanges.default: \"binance\" is not enabled (exchanges.binance.enabled: flag)"
    );
}

#[test]
fn a_mistake_raises_no_second_alarm() {
    let sources = Sources {
        flags: pairs(&[
            ("server.request_deadline", "fast"),
            ("exchanges.bitfinex.request_timeout", "20s"),
        ]),
        ..Sources::default()
    };
    assert_eq!(
        told(&sources),
        "1 mistake in the settings:
  flag: server.request_deadline: expected a duration from 100ms to 5m, found \"fast\""
    );
}

#[test]
fn the_shipped_file_is_the_defaults() {
    let loaded = load(&Sources { file: file(SHIPPED), ..Sources::default() }).unwrap();
    assert_eq!(loaded.config, Config::default());
}

/// A line `key = value  # remark`, below its table's header.
struct Line<'a> {
    path: String,
    value: &'a str,
    explained: bool,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let (mut section, mut above, mut lines) = ("", "", Vec::new());
    for line in text.lines() {
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = header;
        } else if let Some((key, rest)) = line.split_once(" = ").filter(|_| !line.starts_with('#'))
        {
            let (value, remark) = rest.split_once('#').unwrap_or((rest, ""));
            let explained = [remark, above.strip_prefix('#').unwrap_or("")]
                .iter()
                .any(|text| text.split_whitespace().count() >= 2);
            let path = format!("{section}.{}", key.trim());
            lines.push(Line { path, value: value.trim(), explained });
        }
        above = line;
    }
    lines
}

#[test]
fn the_shipped_file_explains_every_key() {
    let shipped = lines(SHIPPED);
    let known: Vec<&str> = keys().iter().map(|key| key.path()).collect();
    let named: Vec<&str> = shipped.iter().map(|line| line.path.as_str()).collect();
    assert_eq!(named, known, "each key once, in the order of the list");

    let unexplained: Vec<&str> =
        shipped.iter().filter(|line| !line.explained).map(|line| line.path.as_str()).collect();
    assert_eq!(unexplained, [""; 0]);

    // The values are written as `tidegate config` writes them.
    let shown = load(&Sources::default()).unwrap().to_toml();
    let values = |text| lines(text).into_iter().map(|line| line.value.to_owned());
    assert!(values(SHIPPED).eq(values(&shown)), "{shown}");
}

/// The table in the shipped file says how many keys the budgets keep fresh; it must not rot.
#[test]
fn the_shipped_file_argues_with_the_right_figures() {
    let Config { cache, exchanges, .. } = Config::default();
    let budget = &exchanges["bitfinex"].budget;
    for (kind, calls, policy) in [
        ("ticker", budget["ticker"], cache.ticker),
        ("orderbook", budget["book"], cache.orderbook),
        ("ohlcv", budget["candles"], cache.ohlcv),
        ("trades", budget["trades"], cache.trades),
        ("status", budget["status"], cache.status),
        ("stats", budget["stats"], cache.status),
    ] {
        let fresh = policy.ttl.as_secs();
        let served = fresh + policy.stale_while_revalidate.as_secs();
        let (calls, kept) = (u64::from(calls), |secs| u64::from(calls) * secs / 60);
        let row = SHIPPED.lines().find(|line| line.starts_with(&format!("#   {kind} "))).unwrap();
        let figures: Vec<u64> = row
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|figure| figure.parse().ok())
            .collect();
        assert_eq!(figures, [calls, kept(fresh), fresh, kept(served), served], "{row}");
    }
}

#[test]
fn keys_are_distinct_and_described() {
    let distinct: BTreeSet<&str> = keys().iter().map(|key| key.path()).collect();
    assert_eq!(distinct.len(), keys().len());
    for key in keys() {
        assert!(key.about().ends_with('.') && !key.expected().is_empty(), "{}", key.path());
    }
}

const BITFINEX_WS: &str = "wss://api-pub.bitfinex.com/ws/2";

#[test]
fn the_websocket_is_that_of_the_exchange_that_is_asked() {
    let ws_url = |flags: &[(&str, &str)]| {
        let flags = pairs(flags);
        load(&Sources { flags, ..Sources::default() }).unwrap().config.exchanges["bitfinex"]
            .ws_url
            .clone()
    };
    const REST: &str = "exchanges.bitfinex.rest_url";
    assert_eq!(ws_url(&[]), BITFINEX_WS);
    assert_eq!(ws_url(&[(REST, "http://127.0.0.1:8088")]), "ws://127.0.0.1:8088/ws/2");
    assert_eq!(ws_url(&[(REST, "https://proxy/bitfinex/")]), "wss://proxy/bitfinex/ws/2");
    let of_kraken = pairs(&[("exchanges.kraken.rest_url", "http://127.0.0.1:8089")]);
    let exchanges =
        load(&Sources { flags: of_kraken, ..Sources::default() }).unwrap().config.exchanges;
    assert_eq!(exchanges["kraken"].ws_url, "ws://127.0.0.1:8089/v2");
    assert_eq!(exchanges["bitfinex"].ws_url, BITFINEX_WS);
    let both = [(REST, "http://127.0.0.1:8088"), ("exchanges.bitfinex.ws_url", BITFINEX_WS)];
    assert_eq!(ws_url(&both), BITFINEX_WS);
}

#[test]
fn each_key_sets_its_own_place() {
    let defaults = load(&Sources::default()).unwrap();
    let shown = defaults.to_toml();
    let value_of = |path: &str| {
        let found = lines(&shown).into_iter().find(|line| line.path == path).unwrap();
        found.value.trim_matches('"').to_owned()
    };
    let mut untouched = Vec::new();
    for key in keys() {
        let moved =
            ["7s", "70ms", "13", "4", "13MiB", "13KiB", "false", "[::1]:1", "ws://x", "http://x"]
                .iter()
                .chain(&["json", "debug", "ticker", "0.5", "true"])
                .filter_map(|value| {
                    let ws_url =
                        key.path().strip_suffix("rest_url").map(|it| format!("{it}ws_url"));
                    let was = ws_url.as_deref().map(|path| (path, value_of(path)));
                    let flags = [(key.path(), *value)].into_iter();
                    let flags =
                        flags.chain(was.as_ref().map(|(path, value)| (*path, value.as_str())));
                    let flags = pairs(&flags.collect::<Vec<_>>());
                    load(&Sources { flags, ..Sources::default() }).ok()
                })
                .find(|loaded| loaded.config != defaults.config);
        let Some(moved) = moved else {
            untouched.push(key.path());
            continue;
        };
        let (before, after) = (defaults.to_toml(), moved.to_toml());
        let changed: Vec<String> = lines(&before)
            .into_iter()
            .zip(lines(&after))
            .filter(|(before, after)| before.value != after.value)
            .map(|(before, _)| before.path)
            .collect();
        assert_eq!(changed, [key.path()], "one setting changes, and it is this one");
    }
    // A certificate and its key need each other, the default exchange has to be enabled, and the
    // last cannot be false while it is that one.
    let bound = ["server.tls.cert", "server.tls.key", "exchanges.default"];
    assert_eq!(untouched[..3], bound);
    assert_eq!(untouched[3..], ["exchanges.bitfinex.enabled"]);
}

#[test]
fn what_a_listener_needs_is_there_and_its_own() {
    let flags = |flags: &[(&str, &str)]| Sources { flags: pairs(flags), ..Sources::default() };
    for (one, other) in [("cert", "key"), ("key", "cert")] {
        let told = told(&flags(&[(&format!("server.tls.{one}"), "a.pem")]));
        let expected = format!("flag: server.tls.{one}: is of no use without server.tls.{other}");
        assert_eq!(told, format!("1 mistake in the settings:\n  {expected}"));
    }
    let both = [("server.tls.cert", "a.pem"), ("server.tls.key", "b.pem")];
    let server = load(&flags(&both)).unwrap().config.server;
    assert_eq!(server.tls.pair(), Some((&"a.pem".into(), &"b.pem".into())));

    let same = told(&flags(&[("server.admin.listen", "127.0.0.1:8087")]));
    let expected = "flag: server.admin.listen: is server.listen, too (default)";
    assert_eq!(same, format!("1 mistake in the settings:\n  {expected}"));
    let free = [("server.admin.listen", "127.0.0.1:0"), ("server.listen", "127.0.0.1:0")];
    assert!(load(&flags(&free)).is_ok(), "both are free ports");
}

#[test]
fn what_is_printed_loads_back_and_tells_origins() {
    let sources = Sources {
        file: file("[log]\nfilter = 'warn,tidegate=debug'\n"),
        env: pairs(&[("TIDEGATE__CACHE__OHLCV__TTL", "1m30s")]),
        flags: pairs(&[("store.path", "back\\slash \"quoted\"")]),
    };
    let loaded = load(&sources).unwrap();
    let printed = loaded.to_toml();
    let again = load(&Sources { file: file(&printed), ..Sources::default() }).unwrap();
    assert_eq!(again.config, loaded.config);

    for line in [
        "listen = \"127.0.0.1:8087\"  # default",
        "filter = \"warn,tidegate=debug\"  # a.toml:2",
        "ttl = \"1m30s\"  # env TIDEGATE__CACHE__OHLCV__TTL",
        "path = \"back\\\\slash \\\"quoted\\\"\"  # flag",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}\n{printed}");
    }

    let json: serde_json::Value = serde_json::from_str(&loaded.to_json()).unwrap();
    let expected = serde_json::json!({
        "value": "1m30s",
        "origin": "env",
        "from": "env TIDEGATE__CACHE__OHLCV__TTL",
        "about": "The newest candles of a series: fresh for this long after they were received.",
    });
    assert_eq!(json["cache.ohlcv.ttl"], expected);
    assert_eq!(json.as_object().unwrap().len(), keys().len());
    assert_eq!(json["exchanges.bitfinex.budget.candles"]["value"], 30);
}

/// `docs/settings.md` is what `tidegate config --format markdown` prints without any setting.
#[test]
fn the_table_of_settings_is_the_list_of_settings() {
    let kept = include_str!("../docs/settings.md");
    let (_, table) = kept.split_once("\n\n|").expect("a table");
    let printed = load(&Sources::default()).unwrap().to_markdown();
    let differs = format!("|{table}")
        .lines()
        .zip(printed.lines())
        .find(|(kept, now)| kept != now)
        .map(|(kept, now)| format!("\n{kept}\n{now}"));
    assert_eq!(differs, None, "cargo run -- config --format markdown");
    assert_eq!(table.lines().count(), printed.lines().count());
}
