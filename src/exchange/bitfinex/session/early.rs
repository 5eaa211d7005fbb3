//! Messages of channels that are not acknowledged yet.

use std::collections::HashMap;

use bytes::Bytes;

const MOST_CHANNELS: usize = 32;
const MOST_MESSAGES: usize = 64;
/// Of all channels together; the snapshot of a book of 250 levels a side has some 15 KiB.
const MOST_BYTES: usize = 1024 * 1024;

/// What came of channels before their acknowledgement.
#[derive(Debug, Default)]
pub(super) struct Early {
    channels: HashMap<u64, Kept, foldhash::fast::RandomState>,
    bytes: usize,
}

/// What came of one channel.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) messages: Vec<Bytes>,
    /// More came than is kept; then nothing is.
    pub(super) overflowed: bool,
}

impl Early {
    /// Keeps a copy, so that no memory is held that a socket may share with further messages.
    pub(super) fn keep(&mut self, channel: u64, text: &Bytes) {
        let known = self.channels.len();
        if known == MOST_CHANNELS && !self.channels.contains_key(&channel) {
            return;
        }
        let kept = self.channels.entry(channel).or_default();
        let fits = kept.messages.len() < MOST_MESSAGES && self.bytes + text.len() <= MOST_BYTES;
        if fits && !kept.overflowed {
            kept.messages.push(Bytes::copy_from_slice(text));
            self.bytes += text.len();
        } else {
            kept.overflowed = true;
            self.bytes -= kept.messages.drain(..).map(|text| text.len()).sum::<usize>();
        }
    }

    pub(super) fn take(&mut self, channel: u64) -> Kept {
        let kept = self.channels.remove(&channel).unwrap_or_default();
        self.bytes -= kept.messages.iter().map(Bytes::len).sum::<usize>();
        kept
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut early = Early::default();
        let text = Bytes::from_static(b"[1,\"hb\"]");
        for channel in 0..100 {
            early.keep(channel, &text);
        }
        assert_eq!(early.channels.len(), MOST_CHANNELS);
        for _ in 0..MOST_MESSAGES {
            early.keep(7, &text);
        }
        let kept = early.take(7);
        assert!(kept.overflowed && kept.messages.is_empty());
        assert_eq!(early.bytes, text.len() * (MOST_CHANNELS - 1));
        let large = Bytes::from(vec![b' '; MOST_BYTES]);
        early.keep(3, &large);
        assert!(early.take(3).overflowed);
        early.clear();
        early.keep(5, &large);
        let kept = early.take(5);
        assert_eq!((kept.messages.len(), kept.overflowed, early.bytes), (1, false, 0));
    }
}
