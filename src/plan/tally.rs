//! What became of reads.

use super::time::Us;

/// A part of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    /// How old it is, on average over the reads that are told at once.
    pub(super) age: Us,
    /// It is older than the settings allow: there was no call left to fetch it anew.
    pub(super) overdue: bool,
}

/// A read under way; it stands for `weight` reads of the same kind within a moment.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) ask: usize,
    pub(super) since: Us,
    pub(super) weight: u64,
    /// Parts that are not decided.
    pub(super) pending: usize,
    /// The age of its oldest part.
    age: Us,
    overdue: bool,
    /// Keys without an answer.
    missing: Vec<usize>,
    /// It began when things counted.
    counts: bool,
}

impl Read {
    pub(super) fn new(ask: usize, since: Us, counts: bool) -> Self {
        Self {
            ask,
            since,
            weight: 0,
            pending: 0,
            age: 0,
            overdue: false,
            missing: Vec::new(),
            counts,
        }
    }

    pub(super) fn take(&mut self, served: Option<Served>, key: usize) {
        match served {
            Some(served) => {
                self.age = self.age.max(served.age);
                self.overdue |= served.overdue;
            }
            None => self.missing.push(key),
        }
    }
}

/// Reads of one kind, counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) reads: u64,
    pub(super) refused: u64,
    /// Contexts without a book.
    pub(super) degraded: u64,
    /// Given although they were older than the settings allow.
    pub(super) overdue: u64,
    /// Ages of those that were served, added up (µs).
    pub(super) age: f64,
    pub(super) oldest: Us,
    /// Times that reads waited, added up (µs).
    pub(super) wait: f64,
    pub(super) longest_wait: Us,
}

impl Tally {
    pub(super) fn count(&mut self, read: &Read, wait: Us, is_context: bool, keys: &[usize]) {
        if !read.counts {
            return;
        }
        self.reads += read.weight;
        self.wait += wait as f64 * read.weight as f64;
        self.longest_wait = self.longest_wait.max(wait);
        let book = keys.last().filter(|_| is_context);
        if read.missing.iter().any(|key| Some(key) != book) {
            self.refused += read.weight;
            return;
        }
        self.degraded += if read.missing.is_empty() { 0 } else { read.weight };
        self.overdue += if read.overdue { read.weight } else { 0 };
        self.age += read.age as f64 * read.weight as f64;
        self.oldest = self.oldest.max(read.age);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.refused += other.refused;
        self.degraded += other.degraded;
        self.overdue += other.overdue;
        self.age += other.age;
        self.oldest = self.oldest.max(other.oldest);
        self.wait += other.wait;
        self.longest_wait = self.longest_wait.max(other.longest_wait);
    }
}
