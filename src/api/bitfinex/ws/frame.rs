//! Array messages as a client wants them.

use std::fmt::Write as _;

use crate::market::UnixMs;

/// Flags of `conf` (docs.bitfinex.com/docs/ws-general, 2025-11).
mod flag {
    pub(super) const TIMESTAMP: u64 = 32_768;
    pub(super) const SEQ_ALL: u64 = 65_536;
    pub(super) const OB_CHECKSUM: u64 = 131_072;
    pub(super) const BULK_UPDATES: u64 = 536_870_912;
}

/// What numbers, brackets and commas around a message's content take at most.
const AROUND: usize = 64;

/// Writes the array messages of one socket.
#[derive(Debug, Default)]
pub(super) struct Framer {
    flags: u64,
    numbered: u64,
}

impl Framer {
    /// What the client wants from now on, in place of what it wanted before.
    pub(super) fn wants(&mut self, flags: u64) {
        self.flags = flags;
    }

    /// True if checksums of books are wanted.
    pub(super) fn checksums(&self) -> bool {
        self.flags & flag::OB_CHECKSUM != 0
    }

    /// True if changes of a book are wanted as arrays of rows.
    pub(super) fn bulk(&self) -> bool {
        self.flags & flag::BULK_UPDATES != 0
    }

    /// One message of a channel: the pieces of its content, joined, and what the flags add.
    pub(super) fn write(
        &mut self,
        channel: u64,
        content: &[&str],
        wall: UnixMs,
        out: &mut Vec<String>,
    ) {
        let length: usize = content.iter().map(|piece| piece.len()).sum();
        let mut text = String::with_capacity(length + AROUND);
        // Writing to a string does not fail.
        let _ = write!(text, "[{channel},");
        content.iter().for_each(|piece| text.push_str(piece));
        if self.flags & flag::SEQ_ALL != 0 {
            self.numbered += 1;
            let _ = write!(text, ",{}", self.numbered);
        }
        if self.flags & flag::TIMESTAMP != 0 {
            let _ = write!(text, ",{}", wall.millis());
        }
        text.push(']');
        out.push(text);
    }
}
