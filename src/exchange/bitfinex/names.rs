//! The exchange's market list, and what its pairs are called outside of it.
//!
//! Codes become unified by the exchange's own `pub:map:currency:sym` in upper case (`UST` is
//! `USDT`); no other table of names exists here (docs.bitfinex.com/reference/rest-public-conf,
//! 2025-11).

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use serde_json::value::RawValue;

use super::wire::{invalid, parse, rows};
use crate::{
    exchange::{MarketList, UpstreamError},
    market::{Bound, Kind, Listing, Number, Symbol},
};

/// The documents that make up the market list, in the order in which they are asked for.
pub const CONF_KEYS: [&str; 7] = [
    "pub:list:pair:exchange",
    "pub:list:pair:margin",
    "pub:list:pair:futures",
    "pub:list:pair:securities",
    "pub:map:currency:sym",
    "pub:info:pair",
    "pub:info:pair:futures",
];

/// Decimals of an amount and significant digits of a price, the same for every pair
/// (docs.bitfinex.com/docs/introduction, 2025-11).
const AMOUNT_DECIMALS: u32 = 8;
const PRICE_SIGNIFICANT_DIGITS: u32 = 5;
/// Far above the longest pair listed so far (`TESTBTCF0:TESTUSDTF0`).
const MAX_PAIR_LEN: usize = 32;

/// The market list from the answer to a request for [`CONF_KEYS`].
///
/// The lists of spot and perpetual pairs and the map of codes have to be there; margin,
/// securities and order sizes may be missing or `null`, and are then unknown or none.
pub fn markets(body: &Bytes) -> Result<MarketList, UpstreamError> {
    let elements = rows("conf", body)?;
    let element = |index: usize| elements.get(index).copied().filter(|raw| raw.get() != "null");
    let list =
        |index: usize| element(index).map(|raw| parse::<Vec<&str>>(CONF_KEYS[index], raw.get()));
    let needed = |index: usize| invalid(CONF_KEYS[index], "missing");

    let exchange = list(0).ok_or_else(|| needed(0))??;
    let margin = list(1).transpose()?.map(HashSet::<&str>::from_iter);
    let futures = list(2).ok_or_else(|| needed(2))??;
    let securities = list(3).transpose()?.unwrap_or_default();
    let map = element(4).ok_or_else(|| needed(4))?;
    let map = CodeMap::new(&parse::<Vec<(&str, &str)>>(CONF_KEYS[4], map.get())?);
    if exchange.is_empty() {
        return Err(invalid(CONF_KEYS[0], "empty"));
    }

    let spot =
        exchange.into_iter().chain(securities).filter_map(|text| Pair::new(text, Kind::Spot));
    let swaps = futures.into_iter().filter_map(|text| Pair::new(text, Kind::Swap));
    let mut listings = listed(&spot.collect::<Vec<_>>(), &map);
    listings.extend(listed(&swaps.collect::<Vec<_>>(), &map));

    let mut sizes = HashMap::new();
    for index in [5, 6] {
        if let Some(raw) = element(index) {
            sizes.extend(order_sizes(CONF_KEYS[index], raw)?);
        }
    }
    for listing in &mut listings {
        let pair = &listing.id[1..];
        listing.margin = margin.as_ref().map(|pairs| pairs.contains(pair));
        listing.amount = sizes.remove(pair).unwrap_or_default();
    }
    let documents = CONF_KEYS.iter().zip(&elements);
    let document =
        |(key, raw): (&&str, &&RawValue)| ((*key).to_owned(), body.slice_ref(raw.get().as_bytes()));
    Ok(MarketList { listings, documents: documents.map(document).collect() })
}

/// A pair in the exchange's words: `BTCUSD`, `DOGE:USD`, `BTCF0:USTF0`.
#[derive(Clone, Copy)]
struct Pair<'a> {
    text: &'a str,
    base: &'a str,
    quote: &'a str,
    kind: Kind,
}

impl<'a> Pair<'a> {
    /// `None` for a text that cannot be split: codes are joined by a colon, or have three letters
    /// each.
    fn new(text: &'a str, kind: Kind) -> Option<Self> {
        let plain = |code: &str| {
            !code.is_empty() && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        };
        let (base, quote) = match text.split_once(':') {
            Some(codes) => codes,
            None if text.len() == 6 && text.is_ascii() => text.split_at(3),
            None => return None,
        };
        // Only perpetuals, whose codes both carry the mark, are swaps.
        let kind_fits = kind == Kind::Spot || (base.ends_with("F0") && quote.ends_with("F0"));
        let fits = plain(base) && plain(quote) && text.len() <= MAX_PAIR_LEN && kind_fits;
        fits.then_some(Self { text, base, quote, kind })
    }

    /// Base and quote without the mark of perpetuals.
    fn codes(self) -> (&'a str, &'a str) {
        match self.kind {
            Kind::Spot => (self.base, self.quote),
            Kind::Swap => (unmarked(self.base), unmarked(self.quote)),
        }
    }
}

fn unmarked(code: &str) -> &str {
    code.strip_suffix("F0").filter(|code| !code.is_empty()).unwrap_or(code)
}

/// `pub:map:currency:sym` in upper case.
struct CodeMap {
    unified: HashMap<CompactString, CompactString>,
}

impl CodeMap {
    fn new(rows: &[(&str, &str)]) -> Self {
        let row = |(code, name): &(&str, &str)| {
            (CompactString::from(*code), CompactString::from(name.to_uppercase()))
        };
        Self { unified: rows.iter().map(row).collect() }
    }

    /// The unified code; for a perpetual's code the entry with the mark goes before the one
    /// without it.
    fn unified(&self, code: &str, kind: Kind) -> CompactString {
        let found = match kind {
            Kind::Spot => self.unified.get(code),
            Kind::Swap => self.unified.get(code).or_else(|| self.unified.get(unmarked(code))),
        };
        let unified = found.map_or(code, CompactString::as_str);
        if kind == Kind::Swap { unmarked(unified).into() } else { unified.into() }
    }

    /// True if the map calls another currency than `code` by that name.
    fn names_another(&self, code: &str) -> bool {
        self.unified.iter().any(|(other, name)| name == code && unmarked(other) != code)
    }
}

/// Codes of one kind of pairs with their unified names, no name given twice.
struct Codes<'a> {
    unified: HashMap<&'a str, CompactString>,
}

impl<'a> Codes<'a> {
    fn new(pairs: &[Pair<'a>], map: &CodeMap) -> Self {
        let mut unified = HashMap::new();
        for pair in pairs {
            let (base, quote) = pair.codes();
            unified.insert(base, map.unified(pair.base, pair.kind));
            unified.insert(quote, map.unified(pair.quote, pair.kind));
        }
        let mut codes = Self { unified };
        // Each turn takes at least one name back, so this ends.
        while codes.take_back_shared_names() {}
        codes
    }

    /// Where a name is shared, whoever bears it natively keeps it, the others go by their own
    /// code; true if there was any.
    fn take_back_shared_names(&mut self) -> bool {
        let mut bearers: HashMap<CompactString, usize> = HashMap::new();
        for name in self.unified.values() {
            *bearers.entry(name.clone()).or_default() += 1;
        }
        let mut changed = false;
        for (code, name) in &mut self.unified {
            if bearers[name] > 1 && name != code {
                *name = CompactString::from(*code);
                changed = true;
            }
        }
        changed
    }

    /// The names that mean this code: the unified one first, then its own where that means
    /// nothing else.
    fn names(&self, code: &'a str, map: &CodeMap) -> Vec<&str> {
        let unified = self.unified[code].as_str();
        let own_is_free = unified != code
            && !map.names_another(code)
            && !self.unified.values().any(|name| name == code);
        if own_is_free { vec![unified, code] } else { vec![unified] }
    }
}

fn listed(pairs: &[Pair<'_>], map: &CodeMap) -> Vec<Listing> {
    let codes = Codes::new(pairs, map);
    let mut seen = HashSet::new();
    let listings = pairs.iter().map(|pair| listing(*pair, &codes, map));
    listings.filter(|listing| seen.insert(listing.symbol.clone())).collect()
}

fn listing(pair: Pair<'_>, codes: &Codes<'_>, map: &CodeMap) -> Listing {
    let (base, quote) = pair.codes();
    let (bases, quotes) = (codes.names(base, map), codes.names(quote, map));
    let symbol = |base: &str, quote: &str| match pair.kind {
        Kind::Spot => Symbol::spot(base, quote),
        Kind::Swap => Symbol::swap(base, quote, quote),
    };
    let unified = symbol(bases[0], quotes[0]);
    let all = bases.iter().flat_map(|base| quotes.iter().map(move |quote| symbol(base, quote)));
    let mut aliases: Vec<CompactString> =
        all.skip(1).map(|symbol| CompactString::from(symbol.as_str())).collect();
    if pair.kind == Kind::Swap {
        aliases.push(format_compact!("{}/{}", pair.base, pair.quote));
    }
    Listing {
        symbol: unified,
        id: format_compact!("t{}", pair.text),
        base: bases[0].into(),
        quote: quotes[0].into(),
        settle: (pair.kind == Kind::Swap).then(|| quotes[0].into()),
        kind: pair.kind,
        margin: None,
        amount: Bound::default(),
        amount_decimals: Some(AMOUNT_DECIMALS),
        price_significant_digits: Some(PRICE_SIGNIFICANT_DIGITS),
        listed_as: None,
        amount_step: None,
        price_step: None,
        aliases,
    }
}

/// Smallest and largest order by pair, from `[PAIR, [null, null, null, MIN, MAX, ...]]`. The
/// sizes are numbers in strings.
fn order_sizes<'a>(key: &str, raw: &'a RawValue) -> Result<Vec<(&'a str, Bound)>, UpstreamError> {
    let rows: Vec<Vec<&RawValue>> = parse(key, raw.get())?;
    let size = |columns: &[&RawValue], index: usize| -> Option<Number> {
        columns.get(index)?.get().trim_matches('"').parse().ok()
    };
    let sized = |row: Vec<&'a RawValue>| {
        let [pair, columns, ..] = row.as_slice() else { return Err(invalid(key, "row too short")) };
        let pair: &str = parse(key, pair.get())?;
        let columns: Vec<&RawValue> = parse::<Option<_>>(key, columns.get())?.unwrap_or_default();
        Ok((pair, Bound { min: size(&columns, 3), max: size(&columns, 4) }))
    };
    rows.into_iter().map(sized).collect()
}

#[cfg(test)]
mod tests;
