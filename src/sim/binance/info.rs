//! `exchangeInfo`: what is listed, its grids, and the limits.

use serde_json::{Value, json};

use crate::{market::UnixMs, sim::decimal::Decimal};

use super::{
    LIMIT,
    listing::{Listed, Listing},
    query::{Params, Wrong},
};

pub(super) const KNOWN: &[&str] =
    &["symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus"];

/// The body.
pub(super) fn body(listing: &Listing, params: Params<'_>, now: UnixMs) -> Result<String, Wrong> {
    let (one, some) = (params.symbol()?, params.symbols()?);
    let status = params.text("symbolStatus");
    if one.is_some() && some.is_some() {
        return Err(Wrong::either("symbol", "symbols"));
    }
    if status.is_some() && (one.is_some() || some.is_some()) {
        return Err(Wrong::either("symbolStatus", "symbol"));
    }
    let fits = |listed: &&Listed| status.is_none_or(|status| listed.status() == status);
    let listed: Vec<&Listed> = match (one, some) {
        (Some(symbol), _) => vec![listing.find(symbol).ok_or_else(Wrong::symbol)?],
        (_, Some(symbols)) => {
            let found = symbols.iter().map(|symbol| listing.find(symbol).ok_or_else(Wrong::symbol));
            found.collect::<Result<_, _>>()?
        }
        _ => listing.all().iter().filter(fits).collect(),
    };
    let with_permissions = params.text("showPermissionSets") != Some("false");
    let rows: Vec<Value> = listed.into_iter().map(|listed| row(listed, with_permissions)).collect();
    let limit = |kind: &str, interval: &str, number: u32, limit: u32| json!({"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit});
    let body = json!({
        "timezone": "UTC",
        "serverTime": now.millis(),
        "rateLimits": [
            limit("REQUEST_WEIGHT", "MINUTE", 1, LIMIT),
            limit("ORDERS", "SECOND", 10, 100),
            limit("ORDERS", "DAY", 1, 200_000),
            limit("RAW_REQUESTS", "MINUTE", 5, 61_000),
        ],
        "exchangeFilters": [],
        "symbols": rows,
    });
    Ok(body.to_string())
}

fn row(listed: &Listed, with_permissions: bool) -> Value {
    let tick = format!("{:.8}", Decimal::step(listed.market.places).value());
    let sets = if with_permissions { json!([["SPOT", "MARGIN"]]) } else { json!([]) };
    json!({
        "symbol": listed.symbol,
        "status": listed.status(),
        "baseAsset": listed.market.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listed.market.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": true,
        "ocoAllowed": true,
        "otoAllowed": true,
        "quoteOrderQtyMarketAllowed": true,
        "allowTrailingStop": true,
        "cancelReplaceAllowed": true,
        "isSpotTradingAllowed": listed.is_spot(),
        "isMarginTradingAllowed": false,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": "1000000.00000000",
                "tickSize": tick,
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": "0.00000001",
                "maxQty": "9000000000.00000000",
                "stepSize": "0.00000001",
            },
            {"filterType": "ICEBERG_PARTS", "limit": 10},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": "0.00000000",
                "maxQty": "9000000.00000000",
                "stepSize": "0.00000000",
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": "5.00000000",
                "applyMinToMarket": true,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": false,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        ],
        "permissions": [],
        "permissionSets": sets,
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    })
}
