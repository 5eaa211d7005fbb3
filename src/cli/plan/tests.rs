use std::ffi::OsString;

use crate::cli::{Answer, Command, parse};

fn run(line: &str) -> Answer {
    let Ok(Command::Plan(plan)) = parse(line.split_whitespace().map(OsString::from)) else {
        panic!("not a plan: {line}")
    };
    plan.run(Vec::new())
}

fn json(line: &str) -> (u8, serde_json::Value) {
    let answer = run(&format!("{line} --format json"));
    assert_eq!(answer.err, "");
    (answer.code, serde_json::from_str(&answer.out).unwrap())
}

#[test]
fn what_is_asked_often_is_live_and_fits() {
    let line = "tidegate plan --symbols BTC/USD,ETH/USD --timeframes 1m,5m --clients 20";
    let (code, told) = json(line);
    assert_eq!((code, &told["fits"]), (0, &true.into()));
    assert_eq!(told["live"]["channels"], 8);
    assert_eq!(told["live"]["sockets"], 1);
    assert_eq!(told["requests_per_minute"], 20.0 * 12.0 * 8.0);
    assert_eq!(told["refused_share"], 0.0);
    let text = run(line);
    assert_eq!(text.code, 0);
    assert!(
        text.out.starts_with("It fits: 1,920 requests a minute, 0 % refused.\n"),
        "{}",
        text.out
    );
    assert!(text.out.contains("\n  ohlcv 5m       BTC/USD, ETH/USD\n"), "{}", text.out);
}

#[test]
fn what_does_not_fit_is_told_what_would_make_it() {
    let symbols: Vec<String> = (0..20).map(|at| format!("A{at:02}/USD")).collect();
    let line = format!(
        "tidegate plan --symbols {} --ask candles --timeframes 1m,5m,15m --clients 20 \
         --set feed.enabled=false",
        symbols.join(",")
    );
    let (code, told) = json(&line);
    assert_eq!((code, &told["fits"]), (1, &false.into()));
    assert!(told["refused_share"].as_f64().unwrap() > 0.01, "{told}");
    let candles = &told["families"][0];
    assert_eq!((&candles["family"], &candles["limit"]), (&"candles".into(), &30.into()));
    assert!(candles["calls_per_minute"].as_f64().unwrap() > 28.5, "{candles}");
    let advice = told["advice"].as_array().unwrap();
    assert_eq!(advice[0]["settings"]["feed.enabled"], "true");
    // What is told to help does.
    for advice in advice {
        let sets = advice["settings"].as_object().unwrap().iter();
        let sets: Vec<_> =
            sets.map(|(key, value)| format!("--set {key}={}", value.as_str().unwrap())).collect();
        if !sets.is_empty() {
            let line = line.replace("--set feed.enabled=false", "") + " --set feed.enabled=false ";
            assert_eq!(run(&(line + &sets.join(" "))).code, 0, "{advice}");
        }
    }
}

/// Calls that are shared out by many keys leave few reads to each, and channels where they are short.
#[test]
fn another_exchange_is_planned_by_its_name() {
    let symbols: Vec<String> = (0..12).map(|at| format!("A{at:02}/USD")).collect();
    let line = format!(
        "tidegate plan --exchange kraken --symbols {} --ask orderbook --clients 1 --every 8s \
         --max-age 1s",
        symbols.join(",")
    );
    let (code, told) = json(&format!("{line} --set feed.enabled=false"));
    assert_eq!((code, &told["exchange"]), (1, &"kraken".into()));
    let pool = &told["families"][0];
    assert_eq!((&pool["family"], &pool["limit"]), (&"public".into(), &60.into()));
    assert!(pool["calls_per_minute"].as_f64().unwrap() > 55.0, "{pool}");
    let (code, told) = json(&line);
    assert_eq!((code, &told["live"]["channels"]), (0, &12.into()), "{told}");
    let text = run(&line).out;
    assert!(text.contains("\ncalls to kraken  a minute  limit "), "{text}");
    let told = json(&line.replace("--exchange kraken ", "")).1;
    assert_eq!((&told["exchange"], &told["live"]["channels"]), (&"bitfinex".into(), &0.into()));

    let answer = run(&line.replace("kraken", "krakn"));
    assert_eq!((answer.code, answer.out.as_str()), (2, ""));
    let known = "bitfinex, kraken, coinbase, binance";
    let told = format!("--exchange: no exchange \"krakn\"; known are {known}\n");
    assert!(answer.err.contains(&told), "{}", answer.err);
}

/// The default exchange's budget, in what it counts.
#[test]
fn a_budget_of_weight_is_planned_by_weight() {
    let line = "tidegate plan --symbols BTC/USDT --ask orderbook,candles --clients 1 --every 10s \
                --max-age 1s --set feed.enabled=false --set exchanges.binance.enabled=true \
                --set exchanges.default=binance --set exchanges.binance.budget.weight";
    let (code, told) = json(&format!("{line}=3000"));
    assert_eq!((code, told["families"].as_array().map(Vec::len)), (0, Some(1)));
    let pool = &told["families"][0];
    let number = |name: &str| pool[name].as_f64().unwrap();
    assert_eq!((&pool["family"], &pool["unit"]), (&"weight".into(), &"weight".into()));
    assert_eq!(pool["limit"], 3000);
    // Six books of 5 and six times candles of 2 a minute, and now and then the list of markets.
    let lists = number("calls_per_minute") - 12.0;
    assert!((0.05..0.15).contains(&lists), "{pool}");
    assert!((number("units_per_minute") - 42.0 - lists * 20.0).abs() < 0.1, "{pool}");
    let text = run(&format!("{line}=3000")).out;
    assert!(text.contains("3000 weight"), "{text}");
    // What would be plenty for so many calls is not enough for what they weigh.
    let (code, told) = json(&format!("{line}=24"));
    assert_eq!(code, 1, "{told}");
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let answer =
        run("tidegate plan --symbols BTC/USD,§ --timeframes 1m,7h --clients 0 --every soon \
         --set cache.ticker.ttl=never");
    assert_eq!((answer.code, answer.out.as_str()), (2, ""));
    assert_eq!(
        answer.err,
        "1 mistake in the settings:\n  \
         flag: cache.ticker.ttl: expected a duration from 1ms to 24h, found \"never\"\n\
         4 mistakes in the workload:\n  \
         --symbols: expected a market such as BTC/USD, got \"§\"\n  \
         --timeframes: unknown timeframe \"7h\"; known are 1m, 3m, 5m, 15m, 30m, 1h, 2h, 3h, 4h, \
         6h, 8h, 12h, 1d, 1w, 2w, 1M\n  \
         --clients: expected a whole number from 1 to 1000000, got \"0\"\n  \
         --every: expected a duration from 1ms to 24h, such as 5s, got \"soon\"\n"
    );
}

#[test]
fn a_file_describes_groups_of_clients() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("workload.toml");
    let groups = "latency = \"100ms\"\n\
        [[clients]]\nwhat = \"ticker\"\nsymbols = [\"BTC/USD\"]\nclients = 3\nevery = \"10s\"\n\
        [[clients]]\nwhat = [\"context\", \"trades\"]\nsymbols = \"ETH/USD\"\nmax_age = \"30s\"\n";
    std::fs::write(&path, groups).unwrap();
    let (code, told) = json(&format!("tidegate plan --file {}", path.display()));
    assert_eq!(code, 0, "{told}");
    let kinds: Vec<_> = (0..3).map(|at| told["demands"][at]["what"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ticker", "context 5m", "trades"]);
    assert_eq!(told["demands"][2]["max_age_seconds"], 30);

    std::fs::write(&path, format!("exchange = \"binance\"\n{groups}")).unwrap();
    let line = format!("tidegate plan --file {}", path.display());
    assert_eq!(json(&line).1["exchange"], "binance");
    assert_eq!(json(&format!("{line} --exchange coinbase")).1["exchange"], "coinbase");
    std::fs::write(&path, format!("exchange = \"binanz\"\n{groups}")).unwrap();
    let told = format!("{}:1: exchange: no exchange \"binanz\"; known are ", path.display());
    assert!(run(&line).err.contains(&told), "{}", run(&line).err);

    std::fs::write(&path, "speed = 1\n[[clients]]\nwhat = \"book\"\nevery = 5\nfee = 1\n").unwrap();
    let answer = run(&format!("tidegate plan --file {}", path.display()));
    let place = path.display();
    assert_eq!(answer.code, 2);
    for told in [
        format!("{place}:1: unknown key \"speed\"; known are latency, exchange and [[clients]]\n"),
        format!("{place}:5: fee: unknown key; known are symbols, "),
        format!("{place}:4: every: expected a duration from 1ms to 24h, such as 5s, got \"5\"\n"),
        format!("{place}:3: what: must be one of ticker, orderbook, trades, candles, context, "),
        format!("{place}:2: symbols are missing\n"),
    ] {
        assert!(answer.err.contains(&told), "{told}\n{}", answer.err);
    }
    assert!(answer.err.starts_with("5 mistakes in the workload:\n"), "{}", answer.err);
}
