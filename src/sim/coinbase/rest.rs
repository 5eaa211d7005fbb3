//! The public REST API: numbers as strings without zeros at the end, errors as objects.

use crate::{
    market::UnixMs,
    sim::{
        answer::{Answer, JSON},
        dialect::Ask,
        engine::{Bar, Window},
        listing::{Deal, Level, Quoted},
        query::Query,
    },
};

use super::{
    ROOT,
    products::{Product, Products, volume},
};

/// Buckets that a span of candles may have, both ends included.
const MOST_BUCKETS: i64 = 350;
/// Levels a side that a book has at most, whatever is asked for.
const MOST_LEVELS: usize = 1_000;
/// Trades at most, where no time is given.
const NEWEST_TRADES: usize = 100;
const MOST_TRADES: usize = 1_000;

pub(super) fn refused(status: u16, error: &str, message: &str) -> Answer {
    let message = message.replace(['"', '\\'], "'");
    let body =
        format!(r#"{{"error":"{error}","error_details":"{message}","message":"{message}"}}"#);
    Answer::new(status, JSON, body)
}

fn invalid(message: &str) -> Answer {
    refused(400, "INVALID_ARGUMENT", message)
}

fn unknown() -> Answer {
    refused(404, "NOT_FOUND", "valid product_id is required")
}

/// Answers a GET. Parameters that an endpoint does not know are ignored.
pub(super) fn answer(products: &Products, ask: &Ask<'_>) -> Answer {
    let body = match ask.path.strip_prefix(ROOT) {
        Some(rest) => market(products, ask, rest),
        None => match ask.path {
            "/v2/currencies" => Ok(MONEY.to_owned()),
            "/v2/currencies/crypto" => Ok(coins(products)),
            "/v2/exchange-rates" => {
                Ok(r#"{"data":{"currency":"USD","rates":{"USD":"1.0"}}}"#.to_owned())
            }
            "/v2/time" => Ok(format!(
                r#"{{"data":{{"iso":"{}","epoch":{}}}}}"#,
                ask.now.iso(),
                ask.now.millis() / 1_000
            )),
            "/api/v3/brokerage/time" => Ok(format!(
                r#"{{"iso":"{}","epochSeconds":"{}","epochMillis":"{}"}}"#,
                ask.now.iso(),
                ask.now.millis() / 1_000,
                ask.now.millis()
            )),
            path if path.starts_with("/api/v3/brokerage/") => {
                Err(Answer::new(401, "text/plain", "Unauthorized\n".to_owned()))
            }
            path => Err(Answer::not_found("GET", path)),
        },
    };
    body.map_or_else(
        |refusal| refusal,
        // What caches between are told; the exchange's own forgets within a second.
        |body| Answer::json(body).with_header("cache-control", "public, max-age=14400"),
    )
}

const MONEY: &str = r#"{"data":[{"id":"USD","name":"US Dollar","min_size":"0.01"},{"id":"EUR","name":"Euro","min_size":"0.01"},{"id":"GBP","name":"British Pound","min_size":"0.01"}]}"#;

fn coins(products: &Products) -> String {
    let mut codes: Vec<&str> = products.all.iter().map(|one| one.market.base.as_str()).collect();
    codes.extend(["USDC", "USDT"]);
    codes.sort_unstable();
    codes.dedup();
    let rows = codes.iter().enumerate().map(|(place, code)| {
        format!(
            r#"{{"asset_id":"00000000-0000-4000-8000-{place:012}","code":"{code}","name":"{code}","color":"","sort_index":{place},"exponent":8,"type":"crypto","address_regex":""}}"#
        )
    });
    format!(r#"{{"data":[{}]}}"#, joined(rows))
}

fn joined(rows: impl Iterator<Item = String>) -> String {
    rows.collect::<Vec<_>>().join(",")
}

fn market(products: &Products, ask: &Ask<'_>, rest: &str) -> Result<String, Answer> {
    let find = |id: &str| products.find(id).ok_or_else(unknown);
    match rest.split('/').collect::<Vec<_>>().as_slice() {
        ["products"] => list(products, ask),
        ["products", id] => {
            let missing = || refused(404, "NOT_FOUND", &format!("Product {id} not supported"));
            let product = products.find(id).ok_or_else(missing)?;
            Ok(product.print(quoted(ask, product)))
        }
        ["products", id, "ticker"] => trades(products, ask, find(id)?),
        ["products", id, "candles"] => candles(ask, find(id)?),
        ["product_book"] => {
            let id = ask.query.text("product_id").unwrap_or_default();
            book(products, ask, find(id)?)
        }
        _ => Err(Answer::not_found("GET", ask.path)),
    }
}

fn quoted<'a>(ask: &Ask<'a>, product: &'a Product) -> Quoted<'a> {
    Quoted { engine: ask.engine, market: &product.market, now: ask.now }
}

/// Answers carry the id of the product that an alias means.
fn canonical<'a>(products: &'a Products, product: &'a Product) -> &'a str {
    products.canonical(&product.id).map_or(&product.id, |place| &products.all[place].id)
}

fn whole(query: &Query, name: &str) -> Result<Option<i64>, Answer> {
    match query.text(name) {
        None | Some("") => Ok(None),
        Some(text) => {
            text.parse().map(Some).map_err(|_| invalid(&format!("{name} argument is invalid")))
        }
    }
}

fn list(products: &Products, ask: &Ask<'_>) -> Result<String, Answer> {
    let query = ask.query;
    let wanted: Vec<&str> = query.all("product_ids").collect();
    let limit = whole(query, "limit")?.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    let offset = whole(query, "offset")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let spot = matches!(query.text("product_type"), None | Some("SPOT" | "UNKNOWN_PRODUCT_TYPE"));
    let chosen = products
        .all
        .iter()
        .filter(|one| spot && (wanted.is_empty() || wanted.contains(&one.id.as_str())));
    let rows: Vec<String> = chosen
        .skip(offset)
        .take(limit.unwrap_or(usize::MAX))
        .map(|one| one.print(quoted(ask, one)))
        .collect();
    Ok(format!(
        r#"{{"products":[{}],"num_products":{},"pagination":{{"prev_cursor":"","next_cursor":"","has_next":false,"has_prev":false}}}}"#,
        rows.join(","),
        rows.len()
    ))
}

fn book(products: &Products, ask: &Ask<'_>, product: &Product) -> Result<String, Answer> {
    if product.is_delisted() {
        return Err(refused(404, "NOT_FOUND", "no pricebook found"));
    }
    let asked = whole(ask.query, "limit")?.and_then(|limit| usize::try_from(limit).ok());
    let len = asked.filter(|limit| *limit > 0).unwrap_or(MOST_LEVELS).min(MOST_LEVELS);
    let quoted = quoted(ask, product);
    let depth = quoted.depth(len);
    let side = |levels: &[Level]| {
        joined(levels.iter().map(|one| {
            format!(r#"{{"price":"{}","size":"{}"}}"#, one.price.short(), one.amount.short())
        }))
    };
    let [bid, ask_price] = [depth.bids[0].price, depth.asks[0].price].map(|price| price.value());
    let (middle, spread) = ((bid + ask_price) / 2.0, ask_price - bid);
    let places = product.market.places as usize;
    Ok(format!(
        r#"{{"pricebook":{{"product_id":"{}","bids":[{}],"asks":[{}],"time":"{}"}},"last":"{}","mid_market":"{middle:.*}","spread_bps":"{:.3}","spread_absolute":"{spread:.places$}"}}"#,
        canonical(products, product),
        side(&depth.bids),
        side(&depth.asks),
        ask.now.iso(),
        quoted.price(quoted.last()).short(),
        places + 1,
        spread / middle * 1e4,
    ))
}

/// Widths of candles, seconds.
fn granularity(name: &str) -> Option<i64> {
    Some(match name {
        "ONE_MINUTE" => 60,
        "FIVE_MINUTE" => 300,
        "FIFTEEN_MINUTE" => 900,
        "THIRTY_MINUTE" => 1_800,
        "ONE_HOUR" => 3_600,
        "TWO_HOUR" => 7_200,
        "FOUR_HOUR" => 14_400,
        "SIX_HOUR" => 21_600,
        "ONE_DAY" => 86_400,
        _ => return None,
    })
}

/// Newest first; buckets without trades are left out.
fn candles(ask: &Ask<'_>, product: &Product) -> Result<String, Answer> {
    let query = ask.query;
    let width = query.text("granularity").and_then(granularity);
    let width = width.ok_or_else(|| invalid("granularity argument is invalid"))?;
    let time = |name: &str| {
        let missing = || invalid(&format!("{name} argument is invalid"));
        whole(query, name)?.filter(|at| (0..=100_000_000_000).contains(at)).ok_or_else(missing)
    };
    let (start, end) = (time("start")?, time("end")?);
    let buckets = end.div_euclid(width) - (start + width - 1).div_euclid(width) + 1;
    if start > end {
        return Err(invalid("start must be before end"));
    }
    if buckets > MOST_BUCKETS {
        return Err(invalid(
            "start and end argument is invalid - number of candles requested should be less than 350",
        ));
    }
    let limit = whole(query, "limit")?.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| *limit > 0).unwrap_or(MOST_BUCKETS as usize);
    let quoted = quoted(ask, product);
    let bars = quoted.bars(width * 1_000, start * 1_000, end * 1_000);
    let rows = bars.iter().rev().take(limit).map(|bar| candle(quoted, bar, ""));
    Ok(format!(r#"{{"candles":[{}]}}"#, joined(rows)))
}

/// `more`: further fields, the comma before them included.
pub(super) fn candle(quoted: Quoted<'_>, bar: &Bar, more: &str) -> String {
    let [low, high, open, close] =
        [bar.low, bar.high, bar.open, bar.close].map(|raw| quoted.price(raw).short());
    format!(
        r#"{{"start":"{}","low":"{low}","high":"{high}","open":"{open}","close":"{close}","volume":"{}"{more}}}"#,
        bar.start / 1_000,
        volume(bar.volume),
    )
}

/// The latest trades, newest first, and the best prices.
fn trades(products: &Products, ask: &Ask<'_>, product: &Product) -> Result<String, Answer> {
    let query = ask.query;
    let limit = whole(query, "limit")?.unwrap_or(NEWEST_TRADES as i64);
    let limit = usize::try_from(limit).unwrap_or(0);
    if limit > MOST_TRADES {
        return Err(refused(500, "INTERNAL", "failed to fetch market trades"));
    }
    let (start, end) = (whole(query, "start")?, whole(query, "end")?);
    let most = if start.is_some() || end.is_some() { MOST_TRADES } else { NEWEST_TRADES };
    let quoted = quoted(ask, product);
    let deals = quoted.trades(Window {
        start: start.map_or(i64::MIN, |start| start * 1_000),
        end: end.map_or(i64::MAX, |end| end * 1_000),
        limit: limit.min(most),
        ascending: false,
    });
    let id = canonical(products, product);
    let rows = deals.iter().map(|deal| {
        let known = trade(id, deal);
        format!(r#"{},"bid":"","ask":"","exchange":"cbe"}}"#, known.trim_end_matches('}'))
    });
    let depth = quoted.depth(1);
    Ok(format!(
        r#"{{"trades":[{}],"best_bid":"{}","best_ask":"{}"}}"#,
        joined(rows),
        depth.bids[0].price.short(),
        depth.asks[0].price.short(),
    ))
}

/// A trade with the side of its maker, which is the other one than the taker's.
pub(super) fn trade(id: &str, deal: &Deal) -> String {
    let maker = if deal.bought { "SELL" } else { "BUY" };
    format!(
        r#"{{"product_id":"{id}","trade_id":"{}","price":"{}","size":"{}","time":"{}","side":"{maker}"}}"#,
        deal.id,
        deal.price.short(),
        deal.amount.short(),
        UnixMs::from_millis(deal.ms).iso(),
    )
}
