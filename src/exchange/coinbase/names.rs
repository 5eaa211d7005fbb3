//! The exchange's market list, and what its products are called outside of it.
//!
//! A product is named by the codes of its two currencies (`BTC-USD`). One that is an alias shares
//! book and trades with another (`BTC-USDC` with `BTC-USD`): both are markets with names of their
//! own and the id of the one that is none (docs.cdp.coinbase.com, List Public Products, 2026-07;
//! recorded 2026-08).

use std::collections::HashSet;

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use serde::Deserialize;

use crate::{
    exchange::{
        MarketList, UpstreamError,
        json::{self, IfAny},
    },
    market::{Bound, Kind, Listing, Symbol},
};

/// Codes of the exchange that mean another currency's unified code, as ccxt 4.5.90 has them.
const RENAMED: [(&str, &str); 1] = [("CGLD", "CELO")];
/// Far above the longest id listed so far, of 15 characters.
const MAX_ID_LEN: usize = 32;

#[derive(Deserialize)]
struct Products<'a> {
    #[serde(borrow)]
    products: Vec<Product<'a>>,
    #[serde(default)]
    pagination: Pagination,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pagination {
    has_next: bool,
}

#[derive(Deserialize)]
struct Product<'a> {
    product_id: &'a str,
    base_currency_id: &'a str,
    quote_currency_id: &'a str,
    product_type: &'a str,
    status: &'a str,
    /// The id of the product that this one is another name of; empty for none.
    #[serde(default)]
    alias: &'a str,
    #[serde(default)]
    is_disabled: bool,
    #[serde(default)]
    trading_disabled: bool,
    #[serde(default)]
    cancel_only: bool,
    base_increment: IfAny,
    #[serde(default)]
    price_increment: IfAny,
    quote_increment: IfAny,
    base_min_size: IfAny,
    base_max_size: IfAny,
}

/// The market list from `/products`: spot products that are traded.
///
/// Others are left out: of what is delisted there is no book. Aliases stand behind the products
/// that they are other names of.
pub fn markets(body: &Bytes) -> Result<MarketList, UpstreamError> {
    let Products { products, pagination } = json::body("products", body)?;
    if pagination.has_next {
        return Err(json::invalid("products", "there are more than these"));
    }
    let mut traded: Vec<Product<'_>> = products.into_iter().filter(is_traded).collect();
    if traded.is_empty() {
        return Err(json::invalid("products", "none is traded"));
    }
    traded.sort_by_key(|product| !product.alias.is_empty());
    let codes: HashSet<CompactString> = traded
        .iter()
        .flat_map(|product| [product.base_currency_id, product.quote_currency_id])
        .map(CompactString::from)
        .collect();
    let mut seen = HashSet::new();
    let listings = traded.into_iter().map(|product| listing(product, &codes));
    let listings = listings.filter(|listing| seen.insert(listing.symbol.clone())).collect();
    Ok(MarketList { listings, documents: Vec::new() })
}

/// True for a text that can be a product's id.
pub(super) fn is_id(text: &str) -> bool {
    let code = |code: &str| {
        !code.is_empty() && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    text.len() <= MAX_ID_LEN
        && text.split_once('-').is_some_and(|(base, quote)| code(base) && code(quote))
}

fn is_traded(product: &Product<'_>) -> bool {
    let Product { product_id, base_currency_id, quote_currency_id, alias, .. } = product;
    let is_named = product_id.split_once('-') == Some((base_currency_id, quote_currency_id))
        && is_id(product_id)
        && (alias.is_empty() || is_id(alias));
    is_named
        && product.product_type == "SPOT"
        && product.status == "online"
        && !(product.is_disabled || product.trading_disabled || product.cancel_only)
}

fn listing(product: Product<'_>, codes: &HashSet<CompactString>) -> Listing {
    let unified = |code: &str| {
        let renamed = RENAMED.iter().find(|(own, _)| *own == code);
        // Who bears a name natively keeps it.
        let renamed = renamed.filter(|(_, name)| !codes.contains(*name));
        CompactString::from(renamed.map_or(code, |(_, name)| name))
    };
    let (own_base, own_quote) = (product.base_currency_id, product.quote_currency_id);
    let (base, quote) = (unified(own_base), unified(own_quote));
    let is_renamed = base != own_base || quote != own_quote;
    let is_alias = !product.alias.is_empty();
    Listing {
        symbol: Symbol::spot(&base, &quote),
        id: if is_alias { product.alias } else { product.product_id }.into(),
        listed_as: is_alias.then(|| product.product_id.into()),
        base,
        quote,
        settle: None,
        kind: Kind::Spot,
        margin: None,
        amount: Bound { min: product.base_min_size.0, max: product.base_max_size.0 },
        amount_decimals: None,
        price_significant_digits: None,
        amount_step: product.base_increment.price(),
        price_step: product.price_increment.price().or_else(|| product.quote_increment.price()),
        aliases: if is_renamed {
            vec![format_compact!("{own_base}/{own_quote}")]
        } else {
            Vec::new()
        },
    }
}

#[cfg(test)]
mod tests;
