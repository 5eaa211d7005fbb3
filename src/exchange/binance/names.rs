//! The exchange's market list (binance/binance-spot-api-docs, rest-api.md, Exchange information,
//! 2026-07).

use std::{borrow::Cow, collections::HashSet};

use bytes::Bytes;
use compact_str::CompactString;
use serde::Deserialize;

use crate::{
    exchange::{
        UpstreamError,
        json::{self, IfAny},
    },
    market::{Bound, Kind, Listing, Symbol},
};

/// What the exchange says of itself.
#[derive(Clone, Debug)]
pub struct Markets {
    /// Every market that can be traded on spot, in the exchange's order.
    pub listings: Vec<Listing>,
    /// The weight that an address may spend in a minute, where it says so.
    pub weight_per_minute: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info<'a> {
    #[serde(borrow, default)]
    rate_limits: Vec<Limit<'a>>,
    #[serde(borrow)]
    symbols: Vec<Row<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Limit<'a> {
    #[serde(borrow)]
    rate_limit_type: Cow<'a, str>,
    #[serde(borrow)]
    interval: Cow<'a, str>,
    interval_num: u32,
    limit: u32,
}

/// A market. Texts may have escapes: there are names that are not ASCII.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    base_asset: Cow<'a, str>,
    #[serde(borrow)]
    quote_asset: Cow<'a, str>,
    #[serde(default)]
    is_spot_trading_allowed: bool,
    is_margin_trading_allowed: Option<bool>,
    #[serde(borrow, default)]
    filters: Vec<Filter<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter<'a> {
    #[serde(borrow)]
    filter_type: Cow<'a, str>,
    #[serde(default)]
    tick_size: IfAny,
    #[serde(default)]
    step_size: IfAny,
    #[serde(default)]
    min_qty: IfAny,
    #[serde(default)]
    max_qty: IfAny,
}

/// The market list from the answer to a request for `exchangeInfo`.
///
/// Markets that are halted, or not open to spot trading, are left out. A pair's codes are those of
/// its row: nothing in its name tells where the one ends and the other begins.
pub fn markets(body: &Bytes) -> Result<Markets, UpstreamError> {
    let Info { rate_limits, symbols } = json::body("exchangeInfo", body)?;
    if symbols.is_empty() {
        return Err(json::invalid("exchangeInfo", "no markets"));
    }
    let weight = rate_limits
        .iter()
        .find(|limit| limit.rate_limit_type == "REQUEST_WEIGHT" && limit.interval == "MINUTE");
    let weight_per_minute = weight.and_then(|limit| limit.limit.checked_div(limit.interval_num));
    let mut seen = HashSet::new();
    let open = symbols.into_iter().filter(|row| {
        row.status == "TRADING" && row.is_spot_trading_allowed && !row.symbol.is_empty()
    });
    let listings = open.map(listing).filter(|listing| seen.insert(listing.symbol.clone()));
    Ok(Markets { listings: listings.collect(), weight_per_minute })
}

fn listing(row: Row<'_>) -> Listing {
    let mut listing = Listing {
        symbol: Symbol::spot(&row.base_asset, &row.quote_asset),
        id: CompactString::from(row.symbol),
        listed_as: None,
        base: CompactString::from(row.base_asset),
        quote: CompactString::from(row.quote_asset),
        settle: None,
        kind: Kind::Spot,
        margin: row.is_margin_trading_allowed,
        amount: Bound::default(),
        amount_decimals: None,
        price_significant_digits: None,
        amount_step: None,
        price_step: None,
        aliases: Vec::new(),
    };
    // A zero switches a rule off (filters.md, 2026-07).
    for filter in row.filters {
        match &*filter.filter_type {
            "PRICE_FILTER" => listing.price_step = filter.tick_size.price(),
            "LOT_SIZE" => {
                listing.amount_step = filter.step_size.price();
                let (min, max) = (filter.min_qty.price(), filter.max_qty.price());
                listing.amount = Bound { min, max };
            }
            _ => {}
        }
    }
    listing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Number;

    const INFO: &str = r#"{"timezone":"UTC","serverTime":1790000000000,"rateLimits":[
        {"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":61000},
        {"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000}],
        "exchangeFilters":[],"symbols":[
        {"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","baseAssetPrecision":8,"quoteAsset":"USDT",
         "isSpotTradingAllowed":true,"isMarginTradingAllowed":true,"filters":[
         {"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000","tickSize":"0.01000000"},
         {"filterType":"LOT_SIZE","minQty":"0.00001000","maxQty":"9000.00000000","stepSize":"0.00001000"},
         {"filterType":"MARKET_LOT_SIZE","minQty":"0.00000000","maxQty":"87.4","stepSize":"0.00000000"},
         {"filterType":"MAX_NUM_ORDERS","maxNumOrders":200}],"permissionSets":[]},
        {"symbol":"1000SATSTRY","status":"TRADING","baseAsset":"1000SATS","quoteAsset":"TRY",
         "isSpotTradingAllowed":true,"isMarginTradingAllowed":false,"filters":[
         {"filterType":"PRICE_FILTER","tickSize":"0.00000000"},
         {"filterType":"LOT_SIZE","minQty":"1.00","maxQty":"0.00000000","stepSize":"1.00"}]},
        {"symbol":"\u5e01USDT","status":"TRADING","baseAsset":"\u5e01","quoteAsset":"USDT","isSpotTradingAllowed":true},
        {"symbol":"BTCUSDT2","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","isSpotTradingAllowed":true},
        {"symbol":"BCCBTC","status":"BREAK","baseAsset":"BCC","quoteAsset":"BTC","isSpotTradingAllowed":true},
        {"symbol":"ETHBTC","status":"HALT","baseAsset":"ETH","quoteAsset":"BTC","isSpotTradingAllowed":true},
        {"symbol":"XRPBTC","status":"TRADING","baseAsset":"XRP","quoteAsset":"BTC","isSpotTradingAllowed":false},
        {"symbol":"LTCBTC","status":"TRADING","baseAsset":"LTC","quoteAsset":"BTC"}]}"#;

    fn read(text: &str) -> Result<Markets, UpstreamError> {
        markets(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn what_is_open_to_spot_trading_is_listed_by_its_row() {
        let markets = read(INFO).unwrap();
        assert_eq!(markets.weight_per_minute, Some(6000));
        let shown: Vec<_> =
            markets.listings.iter().map(|it| (it.symbol.as_str(), it.id.as_str())).collect();
        let expected =
            [("BTC/USDT", "BTCUSDT"), ("1000SATS/TRY", "1000SATSTRY"), ("币/USDT", "币USDT")];
        assert_eq!(shown, expected);

        let text = |number: &Option<Number>| number.as_ref().map(|it| it.as_str().to_owned());
        let btc = &markets.listings[0];
        assert_eq!(
            (btc.base.as_str(), btc.quote.as_str(), btc.margin),
            ("BTC", "USDT", Some(true))
        );
        assert_eq!(text(&btc.amount_step).as_deref(), Some("0.00001000"));
        assert_eq!(text(&btc.price_step).as_deref(), Some("0.01000000"));
        assert_eq!(text(&btc.amount.min).as_deref(), Some("0.00001000"));
        assert_eq!(text(&btc.amount.max).as_deref(), Some("9000.00000000"));
        let sats = &markets.listings[1];
        assert_eq!((text(&sats.price_step), text(&sats.amount.max)), (None, None));
        assert_eq!((sats.margin, text(&sats.amount.min).as_deref()), (Some(false), Some("1.00")));
        assert_eq!(markets.listings[2].margin, None);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"symbols":[]}"#,
            r#"{"symbols":[{"symbol":"A"}]}"#,
            r#"{"symbols":[{"symbol":1,"status":"TRADING","baseAsset":"A","quoteAsset":"B"}]}"#,
            &INFO[..INFO.len() - 1],
            &INFO.replace(r#""tickSize":"0.01000000""#, r#""tickSize":"cheap""#),
        ] {
            let error = read(bad).unwrap_err();
            assert!(matches!(error, UpstreamError::Invalid(_)), "{bad} {error}");
        }
        let by_the_second =
            INFO.replace(r#""MINUTE","intervalNum":1"#, r#""SECOND","intervalNum":1"#);
        assert_eq!(read(&by_the_second).unwrap().weight_per_minute, None);
        let in_two = INFO.replace(r#""MINUTE","intervalNum":1"#, r#""MINUTE","intervalNum":2"#);
        assert_eq!(read(&in_two).unwrap().weight_per_minute, Some(3000));
    }
}
