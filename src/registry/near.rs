//! Which markets an unknown name may have meant.
//!
//! Unknown names cost nothing upstream, so a client may send any number of them; what is done
//! for each has to stay small. Letters are compared as sets first, which leaves few names for the
//! edit distance.

use std::{collections::HashMap, sync::Arc};

use compact_str::CompactString;
use foldhash::fast::RandomState;

use super::{is_separator, without_separators};
use crate::market::Listing;

/// No more markets are suggested for one name.
pub(super) const MAX_SUGGESTIONS: usize = 3;
/// The edit distance is computed for no more names than these, those with most letters in common.
const MAX_COMPARED: usize = 32;
/// The shortest code that a joined name is searched for.
const MIN_CODE: usize = 2;

#[derive(Debug)]
pub(super) struct Index {
    names: Vec<Name>,
    by_base: HashMap<CompactString, Vec<usize>, RandomState>,
}

#[derive(Debug)]
struct Name {
    joined: CompactString,
    letters: u64,
}

impl Index {
    pub(super) fn new(listings: &[Arc<Listing>]) -> Self {
        let mut by_base: HashMap<_, Vec<usize>, _> = HashMap::default();
        for (position, listing) in listings.iter().enumerate() {
            by_base.entry(listing.base.to_ascii_uppercase()).or_default().push(position);
        }
        let name = |listing: &Arc<Listing>| {
            let joined = without_separators(listing.symbol.as_str());
            Name { letters: letters(&joined), joined }
        };
        Self { names: listings.iter().map(name).collect(), by_base }
    }

    /// Positions of the markets whose name is a slip of the pen away from `upper`, then of those
    /// with the same base.
    pub(super) fn suggestions(&self, upper: &str) -> Vec<usize> {
        let asked = without_separators(upper);
        let slips = match asked.len() {
            0..=4 => 1,
            5..=10 => 2,
            _ => 3,
        };
        let set = letters(&asked);
        // One slip changes the length by one at most, and the set of letters by two.
        let comparable = self.names.iter().enumerate().filter_map(|(position, name)| {
            let apart = (name.letters ^ set).count_ones() as usize;
            let fits = name.joined.len().abs_diff(asked.len()) <= slips && apart <= 2 * slips;
            fits.then_some((apart, position))
        });
        let mut comparable: Vec<(usize, usize)> = comparable.collect();
        comparable.sort_unstable();
        comparable.truncate(MAX_COMPARED);
        let distance = |(_, position): (usize, usize)| {
            (strsim::osa_distance(&self.names[position].joined, &asked), position)
        };
        let mut near: Vec<_> = comparable.into_iter().map(distance).collect();
        near.retain(|(distance, _)| *distance <= slips);
        near.sort_unstable();
        let mut found: Vec<usize> = near.into_iter().map(|(_, position)| position).collect();
        found.truncate(MAX_SUGGESTIONS);
        for position in self.of_same_base(upper) {
            if found.len() < MAX_SUGGESTIONS && !found.contains(position) {
                found.push(*position);
            }
        }
        found
    }

    fn of_same_base(&self, upper: &str) -> &[usize] {
        let with_base = |base: &str| self.by_base.get(base).map(Vec::as_slice);
        let found = match upper.bytes().position(is_separator) {
            Some(end) => with_base(&upper[..end]),
            None => (MIN_CODE..upper.len()).rev().find_map(|end| with_base(&upper[..end])),
        };
        found.unwrap_or_default()
    }
}

/// The letters and digits of `text`, one bit each.
fn letters(text: &str) -> u64 {
    let bit = |b: u8| match b {
        b'A'..=b'Z' => 1 << (b - b'A'),
        b'0'..=b'9' => 1 << (26 + b - b'0'),
        _ => 1 << 40,
    };
    text.bytes().fold(0, |set, b| set | bit(b))
}
