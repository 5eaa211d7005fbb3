//! The decoders against bodies that were recorded from the exchange by open-source projects.
//!
//! The recordings are kept beside the project, not in it; where they are not there, these tests
//! say so and check nothing.

use std::{fs, io::Write as _, path::PathBuf};

use bytes::Bytes;
use serde_json::Value;
use tidegate::{
    exchange::bitfinex::{CONF_KEYS, market_list, wire},
    market::{Kind, Number, Side, Timeframe},
    registry::Registry,
};

/// A recorded file, or `None` where there are no recordings.
fn recorded(file: &str) -> Option<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    if !folder.is_dir() {
        // Past the harness, which keeps what a passing test prints.
        let _ = writeln!(std::io::stderr(), "skipped: no recordings in {}", folder.display());
        return None;
    }
    Some(fs::read_to_string(folder.join(file)).unwrap())
}

/// The element of a recorded conf answer; the file begins with method, path and a flag.
fn conf(file: &str) -> Option<Value> {
    let text = recorded(&format!("Bitfinex.Net/{file}.txt"))?;
    let body = text.splitn(4, '\n').nth(3).unwrap();
    let elements: Vec<Value> = serde_json::from_str(body).unwrap();
    elements.into_iter().next()
}

/// What a WebSocket snapshot `[CHANNEL, ROWS]` holds, as a REST body would.
fn snapshot(text: &str) -> Bytes {
    let (_, rows) = text.trim().strip_prefix('[').unwrap().split_once(',').unwrap();
    Bytes::from(rows.strip_suffix(']').unwrap().to_owned())
}

#[test]
fn conf_of_2024_becomes_a_market_list() {
    let Some(pairs) = conf("GetSymbolNames") else { return };
    let infos = conf("GetSymbols").unwrap();
    let futures = conf("GetFuturesSymbols").unwrap();
    let names = |infos: &Value| -> Vec<Value> {
        infos.as_array().unwrap().iter().map(|row| row[0].clone()).collect()
    };
    // The list of that recording is older than its sizes and has no pair with a colon.
    let mut spot = pairs.as_array().unwrap().clone();
    spot.extend(names(&infos));
    let count = spot.iter().map(Value::to_string).collect::<std::collections::HashSet<_>>().len();
    let swaps = names(&futures);
    assert_eq!(swaps.len(), 89);
    let map = conf("GetAssetSymbols").unwrap();
    let body = serde_json::json!([spot, null, swaps, null, map, infos, futures]).to_string();
    let list = market_list(&Bytes::from(body)).unwrap();

    assert_eq!(list.listings.len(), count + swaps.len());
    assert_eq!(list.documents.len(), CONF_KEYS.len());
    let registry = Registry::new(list.listings);
    for (text, symbol, id) in [
        ("BTC/USD", "BTC/USD", "tBTCUSD"),
        ("btc-usdt", "BTC/USDT", "tBTCUST"),
        ("BTCUST", "BTC/USDT", "tBTCUST"),
        ("DASHUSD", "DASH/USD", "tDSHUSD"),
        ("1inch_usd", "1INCH/USD", "t1INCH:USD"),
        ("tAVAX:UST", "AVAX/USDT", "tAVAX:UST"),
        ("MANA/USD", "MANA/USD", "tMNAUSD"),
        // The map of 2024 called tether's perpetual code USDt0.
        ("BTCF0/USTF0", "BTC/USDT0:USDT0", "tBTCF0:USTF0"),
    ] {
        let listing = registry.resolve(text).unwrap();
        assert_eq!((listing.symbol.as_str(), listing.id.as_str()), (symbol, id));
    }
    let aave = registry.by_id("tAAVE:USD").unwrap();
    assert_eq!(aave.amount.min.as_ref().map(Number::as_str), Some("0.02"));
    assert_eq!(aave.amount.max.as_ref().map(Number::as_str), Some("5000.0"));
    let swap = registry.by_id("tALGF0:USTF0").unwrap();
    assert_eq!(
        (swap.kind, swap.amount.min.as_ref().map(Number::as_str)),
        (Kind::Swap, Some("8.0"))
    );
    // Every listing is found under every name it has.
    for listing in registry.all() {
        for name in [listing.symbol.as_str(), listing.id.as_str()] {
            assert_eq!(registry.resolve(name).unwrap().id, listing.id);
        }
        for alias in &listing.aliases {
            assert_eq!(registry.resolve(alias).unwrap().id, listing.id, "{alias}");
        }
    }
}

#[test]
fn conf_of_2021_becomes_a_market_list() {
    let Some(text) = recorded("cryptofeed/BITFINEX.jsonl") else { return };
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let element = |path: &str| -> Value {
        let of = |line: &&Value| line["url"].as_str().is_some_and(|url| url.ends_with(path));
        let body = lines.iter().find(of).unwrap()["data"].as_str().unwrap();
        serde_json::from_str::<Vec<Value>>(body).unwrap().remove(0)
    };
    let (spot, swaps) = (element("pub:list:pair:exchange"), element("pub:list:pair:future"));
    assert_eq!((spot.as_array().unwrap().len(), swaps.as_array().unwrap().len()), (293, 35));
    let body = serde_json::json!([spot, null, swaps, null, [["UST", "USDt"]]]).to_string();
    let list = market_list(&Bytes::from(body)).unwrap();
    assert_eq!(list.listings.len(), 293 + 35);
    let registry = Registry::new(list.listings);
    assert_eq!(registry.resolve("DOT/BTC:BTC").unwrap().id, "tDOTF0:BTCF0");
    assert_eq!(registry.resolve("TESTBTC/TESTUSD").unwrap().id, "tTESTBTC:TESTUSD");
    assert_eq!(registry.resolve("AAVE/USDT").unwrap().id, "tAAVE:UST");
}

#[test]
fn snapshots_of_2021_decode() {
    let Some(text) = recorded("cryptofeed/BITFINEX.jsonl") else { return };
    let (mut books, mut trades, mut tickers) = (0, 0, 0);
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let Some(frame) = line["data"].as_str().filter(|_| line["t"] == "recv") else { continue };
        // Every frame of that recording ends in a running number.
        let Some((frame, _)) = frame.strip_suffix(']').and_then(|f| f.rsplit_once(',')) else {
            continue;
        };
        if frame.contains(",[[") {
            let rows = snapshot(&format!("{frame}]"));
            let columns = serde_json::from_slice::<Vec<Vec<Value>>>(&rows).unwrap()[0].len();
            if columns == 4 {
                let decoded = wire::trades(&rows).unwrap();
                assert_eq!(decoded.len(), 30);
                assert!(decoded.windows(2).all(|pair| pair[0].at <= pair[1].at));
                trades += 1;
            } else {
                let book = wire::book(&rows, 100).unwrap();
                assert!(!book.bids.is_empty() && !book.asks.is_empty());
                books += 1;
            }
        } else if let Some(row) = frame.split_once(",[").map(|(_, row)| row)
            && row.matches(',').count() == 9
        {
            let ticker = wire::ticker(&Bytes::from(format!("[{row}"))).unwrap();
            assert!(ticker.is_complete() || ticker.base_volume.is_some());
            tickers += 1;
        }
    }
    assert_eq!((books, trades), (7, 7));
    assert!(tickers >= 7, "{tickers}");
}

#[test]
fn bodies_of_2017_decode() {
    let Some(text) = recorded("bitfinex-api-node/response-ticker-pairs.json") else { return };
    let ticker = wire::ticker(&Bytes::from(text)).unwrap();
    assert_eq!(ticker.bid.as_ref().map(Number::as_str), Some("1781.8"));
    assert_eq!(ticker.change_relative.as_ref().map(Number::as_str), Some("-0.0196"));
    assert_eq!(ticker.open().as_ref().map(Number::as_str), Some("1817.5"));

    let text = recorded("bitfinex-api-node/response-trades-pairs.json").unwrap();
    let count = serde_json::from_str::<Vec<Value>>(&text).unwrap().len();
    let trades = wire::trades(&Bytes::from(text)).unwrap();
    assert_eq!(trades.len(), count);
    let last = trades.last().unwrap();
    assert_eq!((last.id, last.side, last.price.as_str()), (32_179_419, Side::Sell, "1760.2"));
    assert_eq!(last.raw.as_str(), "[32179419,1494853783000,-0.04824433,1760.2]");

    for (precision, best_bid, best_ask) in [("P0", "1921.8", "1921.9"), ("P1", "1779", "1780")] {
        let file = format!("bitfinex-api-node/response-ws2-server-order-book-{precision}.json");
        let book = wire::book(&snapshot(&recorded(&file).unwrap()), 25).unwrap();
        assert_eq!((book.bids.len(), book.asks.len()), (25, 25));
        assert_eq!(book.bids[0].price.as_str(), best_bid);
        assert_eq!(book.asks[0].price.as_str(), best_ask);
    }
    // A book of single orders is none of price levels.
    let orders = recorded("bitfinex-api-node/response-ws2-server-order-book-R0.json").unwrap();
    assert!(wire::book(&snapshot(&orders), 25).is_err());
    let funding = recorded("bitfinex-api-node/response-trades-funding.json").unwrap();
    assert!(wire::candles(&Bytes::from(funding), Timeframe::M1).is_err());
}

#[test]
fn prices_below_a_millionth_keep_their_text() {
    let Some(text) = recorded("transcribed/checksum_vector_XRPBTC_P0.json") else { return };
    let vector: Value = serde_json::from_str(&text).unwrap();
    let frames = vector["frames"].as_array().unwrap();
    let frame = frames.iter().filter_map(Value::as_str).find(|frame| frame.contains("[[")).unwrap();
    let book = wire::book(&snapshot(frame), 25).unwrap();
    let texts: Vec<_> = book.bids.iter().map(|level| level.price.as_str()).collect();
    assert_eq!(&texts[8..12], ["0.00000101", "0.000001", "7e-7", "6.6e-7"]);
}
