//! Rows, names, numbers and errors as the exchange prints them.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::{NOW, calm, start};

#[tokio::test]
async fn every_route_has_its_shape() {
    let bench = start(calm()).await;
    // Path, number of rows, length of each; rows of 0: one flat row.
    for (path, rows, length) in [
        ("/v2/platform/status", 0, 1),
        ("/v2/ticker/tBTCUSD", 0, 11),
        ("/v2/ticker/fUSD", 0, 17),
        ("/v2/tickers?symbols=tBTCUSD,tDOGE:USD", 2, 12),
        ("/v2/tickers?symbols=fUSD", 1, 18),
        ("/v2/tickers/hist?symbols=tBTCUSD,tETHUSD", 100, 13),
        ("/v2/trades/tBTCUSD/hist", 125, 4),
        ("/v2/trades/fUSD/hist?limit=10", 10, 5),
        ("/v2/book/tBTCUSD/P0", 50, 3),
        ("/v2/book/tBTCUSD/P0?len=1", 2, 3),
        ("/v2/book/tBTCUSD/R0?len=100", 200, 3),
        ("/v2/book/tBTCUSD/P0?len=250", 500, 3),
        ("/v2/book/fUSD/P0", 50, 4),
        ("/v2/book/fUSD/R0", 50, 4),
        ("/v2/candles/trade:1m:tBTCUSD/hist", 100, 6),
        ("/v2/candles/trade:1m:tBTCUSD/last", 0, 6),
        ("/v2/candles/trade:1h:fUSD:p30/hist?limit=20", 20, 6),
        ("/v2/candles/trade:1h:fUSD:a30:p2:p30/hist?limit=20", 20, 6),
        ("/v2/stats1/pos.size:1m:tBTCUSD:long/hist?limit=7", 7, 2),
        ("/v2/stats1/pos.size:1m:tBTCUSD:short/last", 0, 2),
        ("/v2/stats1/credits.size.sym:1m:fUSD:tBTCUSD/last", 0, 2),
        ("/v2/stats1/vol.1d:30m:BFX/hist", 100, 2),
        ("/v2/stats1/vwap:1d:tBTCUSD/last", 0, 2),
        ("/v2/status/deriv?keys=tBTCF0:USTF0,tETHF0:BTCF0", 2, 24),
        ("/v2/status/deriv/tBTCF0:USTF0/hist?limit=9", 9, 23),
    ] {
        let reply = bench.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.headers["content-type"], "application/json; charset=utf-8");
        for header in ["cf-ray", "cf-cache-status", "date"] {
            assert!(reply.headers.contains_key(header), "{path} {header}");
        }
        let body = reply.json();
        let body = body.as_array().unwrap();
        if rows == 0 {
            assert_eq!(body.len(), length, "{path}");
            assert!(!body.iter().any(Value::is_array), "{path}");
        } else {
            assert_eq!(body.len(), rows, "{path}");
            assert!(body.iter().all(|row| row.as_array().unwrap().len() == length), "{path}");
        }
    }
    let all = bench.get("/v2/tickers?symbols=ALL").await.json();
    let all = all.as_array().unwrap();
    assert!(all.len() > 300);
    assert_eq!(all[0][0], "tBTCUSD");
    for row in all {
        let name = row[0].as_str().unwrap();
        let length = if name.starts_with('f') { 18 } else { 12 };
        assert_eq!(row.as_array().unwrap().len(), length, "{name}");
        assert!(row.as_array().unwrap()[1..11].iter().all(Value::is_number), "{name}: no nulls");
    }
}

#[tokio::test]
async fn funding_books_have_the_opposite_sign() {
    let bench = start(calm()).await;
    let rows = bench.get("/v2/book/fUSD/P0").await.rows();
    let (asks, bids): (Vec<_>, Vec<_>) = rows.iter().partition(|level| level[3] > 0.0);
    assert_eq!((bids.len(), asks.len()), (25, 25));
    assert!(bids[0][0] < asks[0][0]);
    assert!(rows.iter().all(|level| (2.0..=120.0).contains(&level[1]) && level[2] >= 1.0));
}

#[tokio::test]
async fn derivatives_and_hourly_tickers_put_their_fields_where_they_belong() {
    let bench = start(calm()).await;
    let row = &bench.get("/v2/status/deriv?keys=tBTCF0:USTF0").await.json()[0];
    let filled = [0, 1, 3, 4, 6, 8, 9, 10, 12, 15, 18, 22, 23];
    for (place, field) in row.as_array().unwrap().iter().enumerate() {
        assert_eq!(!field.is_null(), filled.contains(&place), "{place}: {field}");
    }
    assert_eq!(row[0], "tBTCF0:USTF0");
    assert_eq!(row[1], NOW / 3_000 * 3_000);
    assert_eq!(row[8].as_i64().unwrap() % (8 * 3_600_000), 0);
    let row = &bench.get("/v2/tickers/hist?symbols=tBTCUSD&limit=1").await.json()[0];
    let filled: Vec<_> = (0..13).filter(|&place| !row[place].is_null()).collect();
    assert_eq!((filled, &row[12]), (vec![0, 1, 3, 12], &json!(NOW / 3_600_000 * 3_600_000)));
    assert!(row[1].as_f64() < row[3].as_f64());
    assert_eq!(bench.get("/v2/status/deriv?keys=tNOPE").await.text, "[]");
    assert_eq!(bench.get("/v2/status/deriv").await.text, "[]");
}

#[tokio::test]
async fn numbers_have_javascripts_text() {
    let bench = start(calm()).await;
    let mut tokens = HashSet::new();
    for path in [
        "/v2/tickers?symbols=ALL",
        "/v2/candles/trade:1m:tBTCUSD/hist?limit=1000",
        "/v2/candles/trade:1h:tBTTUSD/hist?limit=100",
        "/v2/book/tAPENFT:USD/P0",
        "/v2/trades/tBTTUSD/hist",
    ] {
        let text = bench.get(path).await.text;
        let numbers = text.split(['[', ']', ',']);
        tokens.extend(
            numbers
                .filter(|t| t.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
                .map(str::to_owned),
        );
    }
    for token in &tokens {
        let value: f64 = token.parse().unwrap();
        let exponent = token.contains('e');
        assert_eq!(exponent, value != 0.0 && value.abs() < 1e-6, "{token}");
        assert!(
            !token.contains('.') || !token.trim_end_matches(['e', '-']).ends_with('0'),
            "{token}"
        );
        assert!(token.chars().filter(char::is_ascii_digit).count() <= 24, "{token}");
    }
    assert!(tokens.iter().any(|token| token.ends_with("e-7")), "prices below 1e-6");
    assert!(tokens.iter().any(|token| token.len() >= 17 && token.contains('.')), "float noise");
}

#[tokio::test]
async fn names_may_be_encoded_and_unknown_parameters_are_ignored() {
    let bench = start(calm()).await;
    for (plain, other) in [
        ("/v2/ticker/tDOGE:USD", "/v2/ticker/tDOGE%3AUSD?_=17"),
        ("/v2/tickers?symbols=tBTCUSD,tDOGE:USD", "/v2/tickers?symbols=tBTCUSD%2CtDOGE%3AUSD"),
        ("/v2/tickers?symbols=tBTCUSD", "/v2/tickers?symbols=tNOPE,tBTCUSD,tbtcusd"),
        ("/v2/candles/trade:1m:tLINK:UST/hist", "/v2/candles/trade%3A1m%3AtLINK%3AUST/hist"),
        ("/v2/candles/trade:1W:tBTCUSD/hist", "/v2/candles/trade:7D:tBTCUSD/hist"),
        ("/v2/book/tBTCUSD/P0", "/v2/book/tBTCUSD/P0?length=100"),
        ("/v2/conf/pub:map:currency:sym", "/v2/conf/pub%3Amap%3Acurrency%3Asym"),
    ] {
        let (one, two) = (bench.get(plain).await, bench.get(other).await);
        assert_eq!((one.status, one.text), (two.status, two.text), "{other}");
    }
}

#[tokio::test]
async fn mistakes_are_answered_in_the_exchanges_words() {
    let bench = start(calm()).await;
    for (path, field) in [
        ("/v2/ticker/tNOPE", "symbol"),
        ("/v2/ticker/tbtcusd", "symbol"),
        ("/v2/ticker/tBTCUSDT", "symbol"),
        ("/v2/trades/tNOPE/hist", "symbol"),
        ("/v2/book/tNOPE/P0", "symbol"),
        ("/v2/book/tBTCUSD/P5", "prec"),
        ("/v2/book/tBTCUSD/P0?len=10", "len"),
        ("/v2/candles/trade:2h:tBTCUSD/hist", "time_interval"),
        ("/v2/candles/trade:1d:tBTCUSD/hist", "time_interval"),
        ("/v2/candles/trade:1m:tBTCUSD/hist?limit=10001", "limit"),
        ("/v2/trades/tBTCUSD/hist?limit=10001", "limit"),
        ("/v2/tickers/hist?symbols=tBTCUSD&limit=251", "limit"),
        ("/v2/tickers", "symbols"),
    ] {
        let expected = (500, format!("[\"error\",10020,\"{field}: invalid\"]"));
        assert_eq!(bench.answer(path).await, expected, "{path}");
    }
    for path in [
        "/v2/candles/trade:1m:tBTCUSDT/hist",
        "/v2/candles/trade:1m:fUSD/hist",
        "/v2/candles/trade:1m:fUSD:a7:p2:p30/hist",
        "/v2/tickers?symbols=tNOPE",
    ] {
        assert_eq!(bench.answer(path).await, (200, "[]".to_owned()), "{path}");
    }
    let lost = bench.get("/v2/nope").await;
    assert_eq!(
        (lost.status.as_u16(), &lost.headers["content-type"].as_bytes()[..9]),
        (404, &b"text/html"[..])
    );
    assert!(lost.text.contains("Cannot GET /api/v2/nope"), "{}", lost.text);
    let posted = bench.client.post(format!("{}/v2/ticker/tBTCUSD", bench.sim.rest_url()));
    let posted = posted.body("{}").send().await.unwrap();
    assert_eq!(posted.status(), 404);
    assert!(posted.text().await.unwrap().contains("Cannot POST /api/v2/ticker/tBTCUSD"));
}

#[tokio::test]
async fn conf_lists_what_clients_ask_for() {
    let bench = start(calm()).await;
    let keys = [
        "pub:list:currency",
        "pub:map:currency:sym",
        "pub:map:currency:label",
        "pub:map:currency:unit",
        "pub:map:currency:undl",
        "pub:map:currency:pool",
        "pub:map:currency:explorer",
        "pub:map:currency:tx:fee",
        "pub:map:currency:wfx",
        "pub:map:tx:method",
        "pub:info:tx:status",
        "pub:list:currency:margin",
        "pub:list:pair:exchange",
        "pub:list:pair:margin",
        "pub:list:pair:futures",
        "pub:list:pair:securities",
        "pub:info:pair",
        "pub:info:pair:futures",
    ];
    let body = bench.get(&format!("/v2/conf/{}", keys.join(","))).await.json();
    assert_eq!(body.as_array().unwrap().len(), keys.len());
    let of = |key| &body[keys.iter().position(|k| *k == key).unwrap()];
    for key in keys {
        assert!(of(key).as_array().is_some_and(|list| !list.is_empty()), "{key}");
        let single = bench.get(&format!("/v2/conf/{key}")).await.json();
        assert_eq!(single, json!([of(key)]), "{key} alone is wrapped too");
    }
    let names = |key| of(key).as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned());
    let codes: HashSet<String> = names("pub:list:currency").collect();
    for pair in names("pub:list:pair:exchange").chain(names("pub:list:pair:futures")) {
        let (base, quote) = pair.split_once(':').unwrap_or_else(|| pair.split_at(3));
        assert!(codes.contains(base) && codes.contains(quote), "{pair}");
        assert_eq!(pair.contains(':'), base.len() > 3 || quote.len() > 3, "{pair}");
    }
    for alias in
        [["UST", "USDt"], ["WBT", "WBTC"], ["WHBT", "WBT"], ["DSH", "DASH"], ["ALG", "ALGO"]]
    {
        assert!(
            of("pub:map:currency:sym").as_array().unwrap().contains(&json!(alias)),
            "{alias:?}"
        );
    }
    assert!(of("pub:map:currency:undl").as_array().unwrap().contains(&json!(["BTCF0", "BTC"])));
    for (key, length, pair) in
        [("pub:info:pair", 12, "BTCUSD"), ("pub:info:pair:futures", 10, "BTCF0:USTF0")]
    {
        let infos = of(key).as_array().unwrap();
        assert!(infos.iter().any(|info| info[0] == pair));
        for info in infos {
            let row = info[1].as_array().unwrap();
            assert_eq!(row.len(), length, "{info}");
            let sizes =
                [&row[3], &row[4]].map(|size| size.as_str().unwrap().parse::<f64>().unwrap());
            assert!(0.0 < sizes[0] && sizes[0] < sizes[1], "{info}");
        }
    }
    let listed = of("pub:info:pair").as_array().unwrap().len();
    assert_eq!(listed, of("pub:list:pair:exchange").as_array().unwrap().len());
    assert_eq!(bench.answer("/v2/conf/pub:nope").await, (200, "[[]]".to_owned()));
}
