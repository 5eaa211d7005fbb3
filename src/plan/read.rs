//! One read: fresh, answer; stale, answer and fly; miss, fly.

use super::{
    key::{Held, Product, Verdict, Waiter},
    lane::Class,
    model::Model,
    tally::{Read, Served},
    time::Us,
};

/// What is about to change is looked at again after this long at the latest.
const LOOK: Us = 100_000;

/// What becomes of one part of a read.
enum Part {
    Served {
        key: usize,
        held: Held,
    },
    /// It is given because it cannot be fetched anew.
    Overdue {
        key: usize,
        held: Held,
    },
    Waits {
        key: usize,
        held: Option<Held>,
    },
    Missing {
        key: usize,
    },
}

impl Model<'_> {
    /// Reads what an ask wants, and all the same for those who ask until something may have
    /// changed. Returns when the next one asks after that.
    pub(super) fn read(&mut self, ask: usize) -> Us {
        let (keys, max_age) = (self.asks[ask].keys.clone(), self.asks[ask].max_age);
        let mut until = Us::MAX;
        let mut parts = Vec::with_capacity(keys.len());
        for key in keys {
            let (part, end) = self.part(key, self.asks[ask].rows, max_age);
            parts.push(part);
            until = until.min(end);
        }
        let (now, dice) = (self.now, &mut self.dice);
        let (next, others) = self.asks[ask].arrivals.after(now, until, dice);
        // Those who come later find it so much older, on average.
        let later = if others == 0 { 0 } else { (until - now) / 2 };
        let mut read = Read::new(ask, now, self.counts());
        read.weight = 1 + others;
        for part in &parts {
            match part {
                Part::Served { key, held } | Part::Overdue { key, held } => {
                    let overdue = matches!(part, Part::Overdue { .. });
                    let age = now.saturating_sub(held.at) + later;
                    read.take(Some(Served { age, overdue }), *key);
                    self.keys[*key].was_read = true;
                    self.keys[*key].warmth.reads += read.weight;
                }
                Part::Missing { key } => read.take(None, *key),
                Part::Waits { .. } => read.pending += 1,
            }
        }
        if read.pending == 0 {
            let ask = &mut self.asks[ask];
            ask.tally.count(&read, 0, ask.is_context, &ask.keys);
            return next;
        }
        let read = self.reads.insert(read);
        let deadline = now + self.settings.request_deadline;
        for part in parts {
            let Part::Waits { key, held } = part else { continue };
            match &mut self.keys[key].flight {
                Some(flight) => flight.waiters.push(Waiter { read, deadline, held, max_age }),
                // Boarding another part has ended this one.
                None => self.settle(read, key, None),
            }
        }
        next
    }

    /// One part, and until when others would get the same.
    fn part(&mut self, key: usize, rows: u32, max_age: Option<Us>) -> (Part, Us) {
        let now = self.now;
        let held = self.keys[key].held(now);
        match (self.keys[key].judge(held, max_age, now), held) {
            (Verdict::Fresh(until), Some(held)) => (Part::Served { key, held }, until),
            (Verdict::Stale(until), Some(held)) => {
                let failed_until = self.keys[key].failed_until;
                let flies = self.keys[key].flight.is_some();
                let again = if failed_until > now { failed_until } else { now + LOOK };
                if failed_until <= now && !flies {
                    self.board(key, Class::Refresh);
                }
                (Part::Served { key, held }, until.min(again))
            }
            _ => match self.computed(key, rows, max_age) {
                Some((narrow, held, until)) => (Part::Served { key: narrow, held }, until),
                None => self.awaited(key, held, max_age),
            },
        }
    }

    /// A narrower series that these candles can be computed from, fresh and long enough.
    fn computed(&self, key: usize, rows: u32, max_age: Option<Us>) -> Option<(usize, Held, Us)> {
        let it = &self.keys[key];
        let Product::Candles(width) = it.product else { return None };
        width.sources().find_map(|source| {
            let narrow = (0..self.keys.len()).find(|other| {
                let other = &self.keys[*other];
                other.market == it.market && other.product == Product::Candles(source)
            })?;
            let parts = width.fixed()?.as_millis() / source.fixed()?.as_millis();
            let needed = u128::from(rows) * parts;
            if u128::from(self.keys[narrow].depth(self.now)) < needed {
                return None;
            }
            let held = self.keys[narrow].held(self.now)?;
            match self.keys[narrow].judge(Some(held), max_age, self.now) {
                Verdict::Fresh(until) => Some((narrow, held, until)),
                Verdict::Stale(_) | Verdict::Unusable => None,
            }
        })
    }

    fn awaited(&mut self, key: usize, held: Option<Held>, max_age: Option<Us>) -> (Part, Us) {
        let now = self.now;
        if self.keys[key].flight.is_none() && self.keys[key].failed_until <= now {
            self.board(key, Class::Client);
        }
        if let Some(flight) = &self.keys[key].flight {
            let until = flight.lands.unwrap_or(Us::MAX).min(now + LOOK);
            return (Part::Waits { key, held }, until);
        }
        let until = self.keys[key].failed_until.max(now + 1);
        match (self.keys[key].on_error(held, max_age, now), held) {
            (Some(end), Some(held)) => (Part::Overdue { key, held }, until.min(end)),
            _ => {
                self.ticket(key);
                (Part::Missing { key }, until)
            }
        }
    }
}
