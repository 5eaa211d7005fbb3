//! Every endpoint, without anything going wrong.

use serde_json::Value;

use crate::{
    Case,
    rig::{Rig, number, rows, texts},
};

pub(crate) async fn a_market_is_found_by_every_name_and_no_other(case: Case) {
    let rig = Rig::ample(case).await;
    let list = rig.json("markets").await;
    let listed = rows(&list, "markets");
    assert!(listed.len() > 20, "{}", listed.len());
    for market in listed {
        let (base, quote) = (market["base"].as_str().unwrap(), market["quote"].as_str().unwrap());
        let symbol = market["symbol"].as_str().unwrap();
        assert!(symbol.starts_with(&format!("{base}/{quote}")), "{market}");
        assert!(!market["id"].as_str().unwrap().is_empty(), "{market}");
    }
    let mut symbols: Vec<&str> = listed.iter().map(|it| it["symbol"].as_str().unwrap()).collect();
    symbols.sort_unstable();
    assert!(symbols.windows(2).all(|pair| pair[0] != pair[1]), "a symbol twice");
    let own = listed.iter().find(|it| it["symbol"] == case.market).expect("the busy market");
    let id = own["id"].as_str().unwrap().to_owned();
    for spelling in case.spellings.iter().copied().chain([case.market, id.as_str()]) {
        let ticker = rig.json(&format!("ticker/{}", spelling.replace('/', "%2F"))).await;
        assert_eq!(ticker["symbol"], case.market, "{spelling}");
    }
    let calls = rig.calls();
    assert_eq!(calls, 1, "all names are one entry");
    let path = "/api/market-data/ticker/BTC-USDX";
    let problem = rig.get(path).await.problem(path, 404, "unknown_symbol");
    let suggestions = texts(&problem, "suggestions");
    assert!(!suggestions.is_empty() && suggestions.len() <= 3, "{problem}");
    assert!(suggestions.iter().all(|it| symbols.contains(it)), "{problem}");
    assert_eq!(rig.calls(), calls, "an unknown name costs nothing");
}

fn is_possible(ticker: &Value) {
    let (bid, ask) = (&ticker["bid"], &ticker["ask"]);
    if !bid.is_null() && !ask.is_null() {
        assert!(bid.as_f64().unwrap() < ask.as_f64().unwrap(), "{ticker}");
    }
    assert!(number(ticker, "last") > 0.0 && ticker["close"] == ticker["last"], "{ticker}");
    if !ticker["high"].is_null() {
        assert!(number(ticker, "high") >= number(ticker, "low"), "{ticker}");
    }
    assert!(ticker["info"].is_object() || ticker["info"].is_array(), "{ticker}");
}

pub(crate) async fn tickers_come_one_by_one_and_all_at_once(case: Case) {
    let rig = Rig::ample(case).await;
    let one = rig.json(&format!("ticker/{}", case.market)).await;
    is_possible(&one);
    assert!(number(&one, "bid") > 0.0 && number(&one, "ask") > 0.0, "{one}");
    assert_eq!(rig.calls(), 1);
    let all = rig.json("tickers").await;
    let all = all["tickers"].as_object().unwrap();
    assert!(all.len() > 20, "{}", all.len());
    all.values().for_each(is_possible);
    assert_eq!(rig.calls(), 2, "all of them cost one call");
    rig.sim().reset_counts();
    let some = rig.json(&format!("tickers?symbols={},{}", case.market, case.other)).await;
    assert_eq!(some["exchange"], case.kind.as_str());
    assert_eq!(some["tickers"].as_object().map(serde_json::Map::len), Some(2));
    for symbol in [case.market, case.other] {
        is_possible(&some["tickers"][symbol]);
    }
    let asked = rig.calls();
    assert!(asked <= 1, "one call brings what is missing");
    let again = rig.json(&format!("ticker/{}", case.market)).await;
    assert_eq!(again["bid"].is_null(), one["bid"].is_null(), "the list spoils no single ticker");
    assert_eq!(rig.calls(), asked);
}

fn is_sound(book: &Value) {
    let side = |name| {
        rows(book, name).iter().map(|level| {
            let amount = level[1].as_f64().unwrap();
            assert!(amount > 0.0, "{level}");
            level[0].as_f64().unwrap()
        })
    };
    let (bids, asks): (Vec<f64>, Vec<f64>) = (side("bids").collect(), side("asks").collect());
    assert!(!bids.is_empty() && !asks.is_empty(), "{book}");
    assert!(bids.is_sorted_by(|better, worse| better > worse), "{bids:?}");
    assert!(asks.is_sorted_by(|better, worse| better < worse), "{asks:?}");
    assert!(bids[0] < asks[0], "{book}");
}

pub(crate) async fn books_have_the_depth_that_was_asked_for(case: Case) {
    let rig = Rig::ample(case).await;
    let depths = [1_usize, 20, 25, 100, 250];
    let mut best = None;
    for limit in depths {
        let book = rig.json(&format!("orderbook/{}?limit={limit}", case.market)).await;
        is_sound(&book);
        for side in ["bids", "asks"] {
            let levels = rows(&book, side).len();
            assert!(levels <= limit && (levels == limit || limit > 25), "{limit}: {levels}");
        }
        if limit <= 25 {
            let shown = (book["bids"][0].clone(), book["asks"][0].clone());
            assert_eq!(*best.get_or_insert_with(|| shown.clone()), shown, "one entry, cut");
        }
    }
    assert!(rig.calls() <= 3, "{} calls for five depths", rig.calls());
    let path = format!("/api/market-data/orderbook/{}?limit=251", case.market);
    rig.get(&path).await.problem(&path, 422, "invalid_parameter");
}

const MINUTE: i64 = 60_000;

/// Nominal minutes of a width.
fn minutes(width: &str) -> i64 {
    let (count, unit) = width.split_at(width.len() - 1);
    let unit = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 1_440,
        "w" => 10_080,
        _ => 43_200,
    };
    count.parse::<i64>().unwrap() * unit
}

/// How long after its bucket's end a candle may still change.
const GRACE: i64 = 2_000;

/// Rows in order, each possible, each at an opening; gives their times. The newest may be open, and
/// the one before it where the newest opened within the grace before it was read: nothing was read
/// before the rig was up.
fn are_whole(rig: &Rig, body: &Value, width: &str) -> Vec<i64> {
    let candles = rows(body, "candles");
    let newest = candles.last().map_or(0, |last| last["timestamp"].as_i64().unwrap());
    let newest_is_young = newest + GRACE > rig.up_since.millis();
    let times: Vec<i64> = candles
        .iter()
        .enumerate()
        .map(|(place, candle)| {
            let is_next_to_last = place + 2 == candles.len();
            let [open, high, low, close] =
                ["open", "high", "low", "close"].map(|name| number(candle, name));
            assert!(high >= open.max(close) && low <= open.min(close) && low > 0.0, "{candle}");
            let volume = number(candle, "volume");
            let is_empty = candle["empty"] == true;
            assert_eq!(is_empty, volume == 0.0, "{candle}");
            if is_empty {
                assert!(open == high && high == low && low == close, "{candle}");
                assert_eq!(body["empty_buckets"], "filled", "{candle}");
            }
            let at = candle["timestamp"].as_i64().unwrap();
            let may_be_open = at == newest || (is_next_to_last && newest_is_young);
            let closed = candle["closed"].as_bool().unwrap();
            assert!(closed || may_be_open, "only the last is open: {candle} of {newest}");
            at
        })
        .collect();
    assert!(times.is_sorted_by(|earlier, later| earlier < later), "{times:?}");
    if minutes(width) <= 1_440 {
        assert!(times.iter().all(|at| at % (minutes(width) * MINUTE) == 0), "{width}: {times:?}");
    }
    times
}

pub(crate) async fn candles_of_every_width_are_whole(case: Case) {
    let rig = Rig::ample(case).await;
    let offer = rig.offer().await;
    let own = texts(&offer, "timeframes");
    assert!(own.contains(&"1m") && own.contains(&"5m") && own.contains(&"1d"), "{own:?}");
    for width in own.iter().chain(&texts(&offer, "derived_timeframes")) {
        let path = format!("ohlcv/{}?timeframe={width}&limit=20", case.market);
        let body = rig.json(&path).await;
        let times = are_whole(&rig, &body, width);
        assert!(!times.is_empty() && times.len() <= 20, "{width}: {body}");
        assert_eq!(body["timeframe"], *width);
        let calls = rig.calls();
        assert_eq!(rig.json(&path).await["candles"], body["candles"]);
        assert_eq!(rig.calls(), calls, "{width}: what is held is not asked for again");
    }
}

pub(crate) async fn the_past_is_told_as_far_as_it_reaches(case: Case) {
    let rig = Rig::ample(case).await;
    let newest = rig.json(&format!("ohlcv/{}?timeframe=1m&limit=300", case.market)).await;
    let times = are_whole(&rig, &newest, "1m");
    assert!(times.len() > 125, "{}", times.len());
    // A span within: the same rows by another request.
    let (from, to) = (times[20], times[120]);
    let span = format!("ohlcv/{}?timeframe=1m&since={from}&until={to}&limit=1000", case.market);
    let span = rig.json(&span).await;
    assert_eq!(are_whole(&rig, &span, "1m"), times[20..=120]);
    assert_eq!(rows(&span, "candles"), &rows(&newest, "candles")[20..=120]);
    // More than one request brings: page by page, no row twice and none left out. In a quiet market
    // half the minutes may have no trade.
    let to = times[times.len() - 5];
    let from = to - 699 * MINUTE;
    let long = format!("ohlcv/{}?timeframe=1m&since={from}&until={to}&limit=1000", case.market);
    let long = are_whole(&rig, &rig.json(&long).await, "1m");
    assert!(long.len() > 350 && long[0] >= from && *long.last().unwrap() == to, "{}", long.len());
    // Beyond the reach of its history it is said, and nothing is spent.
    let offer = rig.offer().await;
    if let Some(reach) = offer["candle_history"].as_i64() {
        let calls = rig.calls();
        let to = to - 2 * reach * MINUTE;
        let path = format!(
            "/api/market-data/ohlcv/{}?timeframe=1m&since={}&until={to}",
            case.market,
            to - 50 * MINUTE
        );
        let problem = rig.get(&path).await.problem(&path, 501, "unsupported");
        assert!(problem["detail"].as_str().unwrap().contains(&reach.to_string()), "{problem}");
        assert_eq!(rig.calls(), calls);
    } else {
        let to = to - 3_000 * MINUTE;
        let far = format!(
            "ohlcv/{}?timeframe=1m&since={}&until={to}&limit=100",
            case.market,
            to - 99 * MINUTE
        );
        assert!(are_whole(&rig, &rig.json(&far).await, "1m").len() > 20);
    }
}

pub(crate) async fn trades_are_in_order(case: Case) {
    let rig = Rig::ample(case).await;
    let body = rig.json(&format!("trades/{}?limit=50", case.market)).await;
    let trades = body.as_array().unwrap();
    assert_eq!(trades.len(), 50);
    let times: Vec<i64> = trades.iter().map(|it| it["timestamp"].as_i64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let mut ids: Vec<&str> = trades.iter().map(|it| it["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "a trade twice");
    for trade in trades {
        assert_eq!(trade["symbol"], case.market);
        assert!(trade["side"] == "buy" || trade["side"] == "sell", "{trade}");
        let cost = number(trade, "price") * number(trade, "amount");
        assert!((number(trade, "cost") - cost).abs() <= 1e-9 * cost, "{trade}");
    }
    assert!(trades.iter().any(|it| it["side"] == "buy"), "both sides");
    assert!(trades.iter().any(|it| it["side"] == "sell"), "both sides");
    // The taker lifts an offer: his price is not below the one that a seller got just before.
    let fewer = rig.json(&format!("trades/{}?limit=20", case.market)).await;
    assert_eq!(fewer.as_array().unwrap()[..], trades[30..]);
    assert_eq!(rig.calls(), 1);
}

pub(crate) async fn a_context_costs_its_parts_once(case: Case) {
    let rig = Rig::ample(case).await;
    let path = format!("market-context/{}?timeframe=5m&limit=50", case.market);
    let context = rig.json(&path).await;
    assert_eq!(context["exchange"], case.kind.as_str());
    assert_eq!(context["data_quality"]["degraded"].as_array().map(Vec::len), Some(0), "{context}");
    assert_eq!(context["data_quality"]["ohlcv_rows"], 50);
    assert!(number(&context, "best_bid") < number(&context, "best_ask"), "{context}");
    assert!(number(&context, "volatility_pct") > 0.0 && number(&context, "current_price") > 0.0);
    assert_eq!(rig.calls(), 3, "candles, ticker and book");
    rig.json(&path).await;
    for part in ["ohlcv/{}?timeframe=5m&limit=50", "ticker/{}", "orderbook/{}?limit=20"] {
        rig.json(&part.replace("{}", case.market)).await;
    }
    let verdict = rig.json(&format!("validate-market/{}?timeframe=5m&limit=50", case.market)).await;
    assert!(verdict["valid"].is_boolean() && !rows(&verdict, "checks").is_empty(), "{verdict}");
    assert_eq!(rig.calls(), 3, "the same entries answer all of it");
}

pub(crate) async fn what_it_lacks_is_said_and_costs_nothing(case: Case) {
    let rig = Rig::ample(case).await;
    let offer = rig.offer().await;
    let mut paths = Vec::new();
    if let Some(width) = case.lacks {
        paths.push(format!("/api/market-data/ohlcv/{}?timeframe={width}", case.market));
    }
    if !texts(&offer, "precisions").contains(&"P3") {
        paths.push(format!("/api/market-data/orderbook/{}?precision=P3", case.market));
    }
    if offer["trade_history"] == "newest" {
        let since = "2026-01-01T00:00:00Z";
        paths.push(format!("/api/market-data/trades/{}?since={since}", case.market));
    }
    for path in paths {
        let problem = rig.get(&path).await.problem(&path, 501, "unsupported");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(case.kind.as_str()), "{problem}");
    }
    assert!(rig.calls() <= 1, "the newest trades may be looked at");
    let path = "/api/market-data/ticker/BTC-USD?exchange=mtgox";
    rig.get(path).await.problem(path, 404, "unknown_exchange");
}
