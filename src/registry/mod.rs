//! Which markets an exchange lists, and what clients may call them.

mod near;

use std::{collections::HashMap, sync::Arc};

use compact_str::CompactString;
use foldhash::fast::RandomState;
use smallvec::SmallVec;

use crate::market::{Listing, Symbol};

/// Longer texts are refused before anything is compared with them.
const MAX_TEXT: usize = 40;

/// The markets of one exchange, found by any of their names.
///
/// It never changes: after a refresh of the market list the whole value is replaced.
///
/// A name is, in this order: the unified symbol; the exchange's id; the unified codes with a
/// separator (`/`, `-`, `_` or `:`); an alias with one; codes without a separator, or the id, in
/// any letter case. Within a step a name that fits two markets names neither.
#[derive(Debug)]
pub struct Registry {
    listings: Vec<Arc<Listing>>,
    unified: Names,
    ids: Names,
    separated: Names,
    aliases: Names,
    joined: Names,
    near: near::Index,
}

/// A text that names no market.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown symbol {asked:?}")]
pub struct Unknown {
    /// What was asked for, cut to 40 characters.
    pub asked: String,
    /// Up to three markets that may have been meant, the likeliest first.
    pub suggestions: Vec<Symbol>,
}

/// Positions in `Registry::listings` by name; more than one for a name that fits several.
type Names = HashMap<CompactString, SmallVec<[usize; 1]>, RandomState>;

impl Registry {
    /// A registry of `listings`, in their order. Of two with the same symbol or id the first
    /// counts under it.
    pub fn new(listings: Vec<Listing>) -> Self {
        let listings: Vec<Arc<Listing>> = listings.into_iter().map(Arc::new).collect();
        let near = near::Index::new(&listings);
        let empty = Names::default;
        let (unified, ids, separated) = (empty(), empty(), empty());
        let (aliases, joined) = (empty(), empty());
        let mut registry = Self { listings, unified, ids, separated, aliases, joined, near };
        for (position, listing) in (0..).zip(&registry.listings) {
            let symbol = listing.symbol.as_str();
            add(&mut registry.unified, symbol.into(), position);
            add(&mut registry.ids, listing.id.clone(), position);
            if let Some(name) = &listing.listed_as {
                add(&mut registry.ids, name.clone(), position);
                add(&mut registry.joined, without_separators(name), position);
            }
            add(&mut registry.separated, canonical(symbol), position);
            add(&mut registry.joined, without_separators(symbol), position);
            // An id that another market bears as well is that one's name.
            if registry.ids.get(&listing.id).is_some_and(|bearers| bearers[0] == position) {
                add(&mut registry.joined, listing.id.to_ascii_uppercase(), position);
                add(&mut registry.joined, without_separators(&listing.id), position);
                add(&mut registry.joined, joined_id(&listing.id), position);
            }
            for alias in &listing.aliases {
                add(&mut registry.aliases, canonical(alias), position);
                add(&mut registry.joined, without_separators(alias), position);
            }
        }
        registry
    }

    /// The market that `text` names.
    pub fn resolve(&self, text: &str) -> Result<&Arc<Listing>, Unknown> {
        if text.len() > MAX_TEXT || !text.is_ascii() {
            return Err(Unknown::new(text, Vec::new()));
        }
        if let Some(exact) = self.first(&self.unified, text).or_else(|| self.first(&self.ids, text))
        {
            return Ok(exact);
        }
        let upper = CompactString::from(text).to_ascii_uppercase();
        let canonical = canonical(&upper);
        let found =
            [(&self.separated, &canonical), (&self.aliases, &canonical), (&self.joined, &upper)]
                .into_iter()
                .find_map(|(names, name)| names.get(name));
        match found.map(SmallVec::as_slice) {
            Some([position]) => Ok(self.at(*position)),
            Some(several) => {
                let few = several.iter().take(near::MAX_SUGGESTIONS);
                Err(Unknown::new(
                    text,
                    few.map(|position| self.at(*position).symbol.clone()).collect(),
                ))
            }
            None => {
                let near = self.near.suggestions(&upper);
                let symbols = near.into_iter().map(|position| self.at(position).symbol.clone());
                Err(Unknown::new(text, symbols.collect()))
            }
        }
    }

    /// The market of the exchange's own id, in its letter case.
    pub fn by_id(&self, id: &str) -> Option<&Arc<Listing>> {
        self.first(&self.ids, id)
    }

    /// The market of a unified symbol.
    pub fn by_symbol(&self, symbol: &Symbol) -> Option<&Arc<Listing>> {
        self.first(&self.unified, symbol.as_str())
    }

    /// Every market, in the exchange's order.
    pub fn all(&self) -> &[Arc<Listing>] {
        &self.listings
    }

    fn at(&self, position: usize) -> &Arc<Listing> {
        &self.listings[position]
    }

    fn first(&self, names: &Names, name: &str) -> Option<&Arc<Listing>> {
        names.get(name)?.first().map(|position| self.at(*position))
    }
}

impl Unknown {
    fn new(text: &str, suggestions: Vec<Symbol>) -> Self {
        Self { asked: text.chars().take(MAX_TEXT).collect(), suggestions }
    }
}

fn add(names: &mut Names, name: CompactString, position: usize) {
    let positions = names.entry(name).or_default();
    if !positions.contains(&position) {
        positions.push(position);
    }
}

const fn is_separator(byte: u8) -> bool {
    matches!(byte, b'/' | b'-' | b'_' | b':')
}

/// `name` in upper case, every separator a slash.
fn canonical(name: &str) -> CompactString {
    let slash = |c: char| if u8::try_from(c).is_ok_and(is_separator) { '/' } else { c };
    name.chars().map(|c| slash(c.to_ascii_uppercase())).collect()
}

fn without_separators(name: &str) -> CompactString {
    let kept = name.chars().filter(|c| !u8::try_from(*c).is_ok_and(is_separator));
    kept.map(|c| c.to_ascii_uppercase()).collect()
}

/// The pair within an id, joined: an id may begin with a lower-case letter that tells the kind of
/// market (`tBTCUSD`) and belongs to no code.
fn joined_id(id: &str) -> CompactString {
    let pair = match id.as_bytes() {
        [mark, code, ..] if mark.is_ascii_lowercase() && !code.is_ascii_lowercase() => &id[1..],
        _ => id,
    };
    without_separators(pair)
}

#[cfg(test)]
mod tests;
