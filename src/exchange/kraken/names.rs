//! The exchange's market list, and what its pairs are called outside of it.
//!
//! A pair has three names: the id that answers are keyed by (`XXBTZUSD`), a short one (`XBTUSD`),
//! and one with both currencies apart (`XBT/USD`), from which alone base and quote can be told:
//! the ids' X and Z are no mere prefixes (`XTZ`, `ZRX`). The WebSocket, version 2, has the last one
//! with other codes for two currencies: `BTC/USD`, `DOGE/USD` (docs.kraken.com, Get Tradable Asset
//! Pairs and WebSocket v2, 2026-09).

use std::collections::HashSet;

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    exchange::{
        UpstreamError,
        json::{self, Fields, IfAny, invalid},
    },
    market::{Bound, Kind, Listing, Number, Symbol},
};

/// Far above the longest id listed so far.
const MAX_ID_LEN: usize = 40;
/// More than any price or amount has.
const MAX_DECIMALS: u32 = 28;

/// States of a pair in which it takes orders, if not every kind of them; the other one is
/// `cancel_only` (docs.kraken.com, Get Tradable Asset Pairs, 2026-09).
const OPEN: [&str; 4] = ["online", "limit_only", "post_only", "reduce_only"];
/// Codes by which the WebSocket, version 2, knows currencies that lists call otherwise.
const STREAMED: [(&str, &str); 2] = [("XBT", "BTC"), ("XDG", "DOGE")];
/// Codes that mean something else everywhere else: here LUNA and UST are what was left of them in
/// 2022, which others call LUNC and USTC, and LUNA2 is what others call LUNA. The table is ccxt's
/// (4.5.90, `commonCurrencies`).
const ELSEWHERE: [(&str, &str); 3] = [("LUNA", "LUNC"), ("LUNA2", "LUNA"), ("UST", "USTC")];

/// One pair of the list (docs.kraken.com, Get Tradable Asset Pairs, 2026-09). `status` and
/// `tick_size` are missing in lists of 2021.
#[derive(Deserialize)]
struct Pair {
    wsname: Option<String>,
    status: Option<String>,
    pair_decimals: Option<u32>,
    lot_decimals: Option<u32>,
    #[serde(default)]
    tick_size: IfAny,
    #[serde(default)]
    ordermin: IfAny,
    leverage_buy: Option<Vec<Box<RawValue>>>,
}

/// Every pair that is traded in public, from the result of a request for all pairs.
///
/// Left out are pairs without a name that tells their currencies, those of the dark pool (`.d`)
/// and of other venues (`:`), and those that take no orders.
pub fn markets(result: &Bytes) -> Result<Vec<Listing>, UpstreamError> {
    let Fields(pairs) = json::body("AssetPairs", result)?;
    let mut listings = Vec::with_capacity(pairs.len());
    let mut seen = HashSet::new();
    for (id, pair) in pairs {
        let pair: Pair = json::parse("AssetPairs", pair.get())?;
        if let Some(listing) = listing(&id, &pair)
            && seen.insert(listing.symbol.clone())
        {
            listings.push(listing);
        }
    }
    if listings.is_empty() {
        return Err(invalid("AssetPairs", "empty"));
    }
    // A name that is another market's own is none of this one's.
    for listing in &mut listings {
        listing.aliases.retain(|alias| !seen.iter().any(|symbol| symbol.as_str() == alias));
    }
    Ok(listings)
}

fn listing(id: &str, pair: &Pair) -> Option<Listing> {
    let (base, quote) = pair.wsname.as_deref()?.split_once('/')?;
    let is_open = pair.status.as_deref().is_none_or(|status| OPEN.contains(&status));
    let is_plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
    };
    let fits = is_plain(base) && is_plain(quote) && is_plain(id) && id.len() <= MAX_ID_LEN;
    if !fits || !is_open || id.ends_with(".d") {
        return None;
    }
    let streamed = [base, quote].map(|code| renamed(code, &STREAMED));
    let unified = streamed.map(|code| renamed(code, &ELSEWHERE));
    let symbol = Symbol::spot(unified[0], unified[1]);
    Some(Listing {
        aliases: aliases([base, quote], streamed, unified),
        symbol,
        id: format_compact!("{}/{}", streamed[0], streamed[1]),
        listed_as: Some(id.into()),
        base: unified[0].into(),
        quote: unified[1].into(),
        settle: None,
        kind: Kind::Spot,
        margin: pair.leverage_buy.as_ref().map(|steps| !steps.is_empty()),
        amount: Bound { min: pair.ordermin.0.clone(), max: None },
        amount_decimals: pair.lot_decimals,
        price_significant_digits: None,
        amount_step: pair.lot_decimals.and_then(step),
        price_step: pair.tick_size.0.clone().or_else(|| step(pair.pair_decimals?)),
    })
}

fn renamed<'a>(code: &'a str, table: &[(&str, &'a str)]) -> &'a str {
    table.iter().find(|(from, _)| *from == code).map_or(code, |(_, to)| to)
}

/// Every other way to write the pair in codes that the exchange uses.
fn aliases(own: [&str; 2], streamed: [&str; 2], unified: [&str; 2]) -> Vec<CompactString> {
    let codes = |side: usize| {
        let mut codes = vec![unified[side]];
        for code in [streamed[side], own[side]] {
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        codes
    };
    let (bases, quotes) = (codes(0), codes(1));
    let pairs = bases.iter().flat_map(|base| quotes.iter().map(move |quote| (base, quote)));
    pairs.skip(1).map(|(base, quote)| format_compact!("{base}/{quote}").to_uppercase()).collect()
}

/// The last of so many decimals.
fn step(decimals: u32) -> Option<Number> {
    (decimals <= MAX_DECIMALS).then(|| Decimal::new(1, decimals).into())
}

#[cfg(test)]
#[path = "tests/names.rs"]
mod tests;
