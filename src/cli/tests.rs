use clap::CommandFactory as _;

use super::*;

fn parsed(line: &str) -> Result<Command, clap::Error> {
    parse(line.split_whitespace().map(OsString::from))
}

#[test]
fn clap_finds_no_fault_with_the_definition() {
    Cli::command().debug_assert();
}

#[test]
fn serve_is_what_happens_without_a_command() {
    let settings = Settings {
        config: Some("a.toml".into()),
        set: vec![
            ("cache.ticker.ttl".to_owned(), "5s".to_owned()),
            ("log.filter".to_owned(), "warn,tidegate=debug".to_owned()),
        ],
        listen: Some("127.0.0.1:0".to_owned()),
        rest_url: Some("http://127.0.0.1:8088".to_owned()),
        log: Some("debug".to_owned()),
    };
    let flags = "--config a.toml --set cache.ticker.ttl=5s --set log.filter=warn,tidegate=debug \
                 --listen 127.0.0.1:0 --rest-url http://127.0.0.1:8088 --log debug";
    for command in ["tidegate", "tidegate serve"] {
        let serve = parsed(&format!("{command} {flags}")).unwrap();
        assert_eq!(serve, Command::Serve(settings.clone()));
    }
    assert_eq!(parsed("tidegate").unwrap(), Command::Serve(Settings::default()));
}

#[test]
fn demo_and_sim_have_their_defaults() {
    let listen = SocketAddr::from(([127, 0, 0, 1], 8087));
    let exchanges = vec!["bitfinex".to_owned()];
    let demo = Demo { clients: 50, seconds: None, listen, seed: 1, exchanges };
    assert_eq!(parsed("tidegate demo").unwrap(), Command::Demo(demo));
    let exchanges = vec!["kraken".to_owned(), "binance".to_owned()];
    let demo = Demo { clients: 0, seconds: Some(9), listen, seed: 7, exchanges };
    let line = "tidegate demo --clients 0 --seconds 9 --seed 7 --exchanges kraken,binance";
    assert_eq!(parsed(line).unwrap(), Command::Demo(demo));
    let unknown = parsed("tidegate demo --exchanges kraken,mtgox").unwrap_err().to_string();
    assert!(unknown.contains("must be one of bitfinex, kraken, coinbase, binance"), "{unknown}");

    let listen = SocketAddr::from(([127, 0, 0, 1], 8088));
    let (latency, ticker_every) = (Duration::ZERO, Duration::from_secs(10));
    let exchange = "bitfinex".to_owned();
    let sim = Sim { exchange, listen, seed: 1, no_limits: false, latency, ticker_every };
    assert_eq!(parsed("tidegate sim").unwrap(), Command::Sim(sim));
    let (latency, ticker_every) = (Duration::from_millis(200), Duration::from_secs(1));
    let exchange = "kraken".to_owned();
    let sim = Sim { exchange, listen, seed: 1, no_limits: true, latency, ticker_every };
    let given = "tidegate sim --exchange kraken --no-limits --latency 200ms --ticker-every 1s";
    assert_eq!(parsed(given).unwrap(), Command::Sim(sim));
}

#[test]
fn backfill_takes_lists_and_times() {
    let line = "tidegate backfill --symbol BTC/USD,ETH/USD --timeframe 1h,1m --since 2024-01-01 \
                --until 1704110400000 --exchange bitfinex --json --listen 127.0.0.1:1";
    let expected = Backfill {
        symbol: vec!["BTC/USD".to_owned(), "ETH/USD".to_owned()],
        timeframe: vec![Timeframe::H1, Timeframe::M1],
        since: "2024-01-01T00:00:00Z".parse().unwrap(),
        until: Some("2024-01-01T12:00:00Z".parse().unwrap()),
        exchange: Some("bitfinex".to_owned()),
        url: None,
        identity: Identity::default(),
        json: true,
        settings: Settings { listen: Some("127.0.0.1:1".to_owned()), ..Settings::default() },
    };
    assert_eq!(parsed(line).unwrap(), Command::Backfill(expected));
}

#[test]
fn candles_has_its_defaults() {
    let expected = Candles {
        symbol: "BTC/USD".to_owned(),
        timeframe: Timeframe::H1,
        limit: 48,
        since: None,
        until: None,
        format: Look::Table,
        exchange: None,
        url: None,
        identity: Identity::default(),
        settings: Settings::default(),
    };
    assert_eq!(parsed("tidegate candles BTC/USD").unwrap(), Command::Candles(expected.clone()));
    let line = "tidegate candles BTC/USD --timeframe 1M --limit 9 --format chart --url http://a:1";
    let given = Candles {
        timeframe: Timeframe::Month,
        limit: 9,
        format: Look::Chart,
        url: Some("http://a:1".to_owned()),
        ..expected
    };
    assert_eq!(parsed(line).unwrap(), Command::Candles(given));
}

#[test]
fn a_wrong_line_is_refused_with_code_2() {
    for line in [
        "tidegate fly",
        "tidegate --set cache.ticker.ttl",
        "tidegate sim --exchange mtgox",
        "tidegate sim --latency soon",
        "tidegate demo --seconds 0",
        "tidegate --config a.toml demo",
        "tidegate check a.toml b.toml",
        "tidegate config --format yaml",
        "tidegate candles",
        "tidegate candles BTC/USD --limit 10001",
        "tidegate candles BTC/USD --since yesterday",
        "tidegate backfill --symbol BTC/USD --timeframe 1m",
        "tidegate backfill --symbol BTC/USD --timeframe 7h --since 2024-01-01",
        "tidegate backfill --timeframe 1m --since 2024-01-01",
    ] {
        assert_eq!(parsed(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn a_wrong_width_is_told_the_right_ones() {
    let line = "tidegate backfill --symbol BTC/USD --timeframe 1m,7h --since 2024-01-01";
    let told = parsed(line).unwrap_err().to_string();
    assert!(told.contains("'7h'") && told.contains("must be one of 1m, 3m, 5m"), "{told}");
}

#[test]
fn check_says_ok_or_everything_that_is_wrong() {
    let file = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/config/tidegate.toml").into());
    let ok = Answer { out: "OK\n".to_owned(), err: String::new(), code: 0 };
    assert_eq!(Check { file: file.clone() }.run(Vec::new()), ok);

    let env = vec![
        ("TIDEGATE__CACHE__TICKER__TTL".to_owned(), "soon".to_owned()),
        ("TIDEGATE__SERVER__LISTEN".to_owned(), "8087".to_owned()),
    ];
    let wrong = Check { file }.run(env);
    let told = "2 mistakes in the settings:\n  \
        env TIDEGATE__CACHE__TICKER__TTL: cache.ticker.ttl: expected a duration from 1ms to 24h, \
        found \"soon\"\n  \
        env TIDEGATE__SERVER__LISTEN: server.listen: expected an IP address and port such as \
        \"127.0.0.1:8087\", found \"8087\"\n";
    assert_eq!(wrong, Answer { out: String::new(), err: told.to_owned(), code: 1 });

    let missing = Check { file: Some("no/such.toml".into()) }.run(Vec::new());
    assert_eq!((missing.out.as_str(), missing.code), ("", 2));
    assert!(missing.err.starts_with("cannot read no/such.toml: "), "{}", missing.err);
}

#[test]
fn config_shows_flags_above_the_environment() {
    let line = "tidegate config --format json --listen 127.0.0.1:1 --set server.listen=127.0.0.1:2";
    let Command::Config(show) = parsed(line).unwrap() else { panic!("not config") };
    let answer = show.run(vec![("TIDEGATE__LOG__FILTER".to_owned(), "warn".to_owned())]);
    let shown: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(shown["server.listen"]["value"], "127.0.0.1:1", "the flag of its own wins");
    assert_eq!(shown["server.listen"]["origin"], "flag");
    assert_eq!(shown["log.filter"]["from"], "env TIDEGATE__LOG__FILTER");
    assert_eq!((answer.err.as_str(), answer.code), ("", 0));
}
