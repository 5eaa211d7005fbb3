//! Who has read a value lately.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::telemetry::ClientId;

/// What is longer ago than this is not lately.
const LATELY: i64 = 60_000_000;
/// A reader who comes again within this time is not written down again.
const AGAIN: i64 = 1_000_000;
/// Bits of a lane that hold the client's number, one higher so that 0 is an empty lane.
const CLIENT_BITS: u32 = 16;
const CLIENT_MASK: u64 = (1 << CLIENT_BITS) - 1;

/// The last four clients and when each read last, in microseconds after the value was received.
///
/// A reader that is among them costs one relaxed load for each lane up to his own, and once a
/// second a store. Two that come at the same time may take the same lane: one is then not shown.
#[derive(Debug, Default)]
pub(super) struct Readers([AtomicU64; 4]);

fn lane(client: ClientId, at: i64) -> u64 {
    (at.cast_unsigned() << CLIENT_BITS) | (u64::from(client.bits()) + 1)
}

fn at(lane: u64) -> i64 {
    lane.cast_signed() >> CLIENT_BITS
}

fn client(lane: u64) -> Option<ClientId> {
    let number = u16::try_from(lane & CLIENT_MASK).ok()?.checked_sub(1)?;
    Some(ClientId::from_bits(number))
}

impl Readers {
    /// Notes that this client read at this time.
    pub(super) fn note(&self, who: ClientId, now: i64) {
        let mut longest_ago = (i64::MAX, &self.0[0]);
        for place in &self.0 {
            let held = place.load(Relaxed);
            match client(held) {
                Some(known) if known == who => {
                    if now - at(held) >= AGAIN {
                        place.store(lane(who, now), Relaxed);
                    }
                    return;
                }
                Some(_) if at(held) >= longest_ago.0 => {}
                Some(_) => longest_ago = (at(held), place),
                None if longest_ago.0 == i64::MIN => {}
                None => longest_ago = (i64::MIN, place),
            }
        }
        longest_ago.1.store(lane(who, now), Relaxed);
    }

    /// Those who have read lately, the last one first.
    pub(super) fn lately(&self, now: i64) -> Vec<ClientId> {
        let held = self.0.iter().map(|place| place.load(Relaxed));
        let known = held.filter_map(|held| Some((at(held), client(held)?)));
        let mut known: Vec<_> = known.filter(|(at, _)| now - at <= LATELY).collect();
        known.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
        let mut clients: Vec<ClientId> = Vec::with_capacity(known.len());
        for (_, client) in known {
            if !clients.contains(&client) {
                clients.push(client);
            }
        }
        clients
    }

    /// Goes on from the readers of a value that was received this much earlier.
    pub(super) fn inherit(&self, older: &Self, earlier: i64) {
        for (place, held) in self.0.iter().zip(&older.0) {
            let held = held.load(Relaxed);
            if let Some(client) = client(held) {
                let moved = lane(client, at(held) - earlier);
                // Whoever has read the new value already stays.
                let _ = place.compare_exchange(0, moved, Relaxed, Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn clients<const N: usize>(numbers: [u16; N]) -> Vec<ClientId> {
        numbers.map(ClientId::from_bits).to_vec()
    }

    fn read(readers: &Readers, number: u16, second: i64) {
        readers.note(ClientId::from_bits(number), second * SECOND);
    }

    #[test]
    fn the_last_four_of_the_last_minute_are_known() {
        let readers = Readers::default();
        assert_eq!(readers.lately(0), []);
        for number in 0..4 {
            read(&readers, number, i64::from(number));
        }
        assert_eq!(readers.lately(3 * SECOND), clients([3, 2, 1, 0]));
        read(&readers, 0, 5);
        read(&readers, 255, 6);
        assert_eq!(readers.lately(6 * SECOND), clients([255, 0, 3, 2]));
        assert_eq!(readers.lately(62 * SECOND), clients([255, 0, 3, 2]));
        assert_eq!(readers.lately(63 * SECOND), clients([255, 0, 3]));
        assert_eq!(readers.lately(67 * SECOND), []);
    }

    #[test]
    fn a_newer_value_goes_on_with_them_at_the_right_time() {
        let older = Readers::default();
        read(&older, 7, 10);
        read(&older, 8, 40);
        let newer = Readers::default();
        newer.inherit(&older, 60 * SECOND);
        assert_eq!(newer.lately(0), clients([8, 7]));
        assert_eq!(newer.lately(11 * SECOND), clients([8]));
        read(&newer, 7, 12);
        assert_eq!(newer.lately(12 * SECOND), clients([7, 8]));
    }

    #[test]
    fn who_comes_again_at_once_writes_nothing() {
        let readers = Readers::default();
        read(&readers, 1, 0);
        let before = readers.0[0].load(Relaxed);
        readers.note(ClientId::from_bits(1), SECOND - 1);
        assert_eq!(readers.0[0].load(Relaxed), before);
        read(&readers, 1, 1);
        assert_ne!(readers.0[0].load(Relaxed), before);
        assert_eq!(readers.0[1].load(Relaxed), 0);
    }
}
