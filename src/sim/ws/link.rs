//! One connection's outgoing side: what every frame has in common.

use crate::{market::UnixMs, sim::venue::State};

use super::{
    Frame,
    faults::{Occasion, WsFault},
    feed::Update,
    topic::Topic,
};

/// Flags of `conf` (docs.bitfinex.com/docs/ws-general#configuration, 2025-11).
const TIMESTAMP: u64 = 32_768;
const SEQ_ALL: u64 = 65_536;
const OB_CHECKSUM: u64 = 131_072;
const BULK_UPDATES: u64 = 536_870_912;

/// Flags, sequence numbers and the end of a connection.
#[derive(Default)]
pub(super) struct Link {
    flags: u64,
    seq: u64,
    /// Array frames so far, lost ones too.
    frames: u64,
    pub(super) over: bool,
}

impl Link {
    /// Flags replace those before them.
    pub(super) const fn set_flags(&mut self, flags: u64) {
        self.flags = flags;
    }

    pub(super) const fn checksums(&self) -> bool {
        self.flags & OB_CHECKSUM != 0
    }

    pub(super) const fn bulk(&self) -> bool {
        self.flags & BULK_UPDATES != 0
    }

    pub(super) fn end(&mut self, how: Frame, out: &mut Vec<Frame>) {
        self.over = true;
        out.push(how);
    }

    /// Sends an array frame of a channel, unless the script says otherwise.
    pub(super) fn tell(
        &mut self,
        state: &State,
        (id, topic): (i64, &Topic),
        update: Update,
        now: UnixMs,
        out: &mut Vec<Frame>,
    ) {
        if self.over {
            return;
        }
        let occasion = Occasion { channel: topic.channel(), symbol: topic.symbol(), now };
        let mut script = state.ws_script();
        let drops = |fault: &WsFault| match fault {
            WsFault::Drop { after_frames } if self.frames >= *after_frames => Some(()),
            _ => None,
        };
        if script.strike(occasion, drops).is_some() {
            return self.end(Frame::Drop, out);
        }
        let mut strikes = |wanted: &WsFault| {
            script.strike(occasion, |fault| (fault == wanted).then_some(())).is_some()
        };
        let payload = if update.is_row && strikes(&WsFault::GrowRow) {
            grown(&update.payload)
        } else {
            update.payload
        };
        self.frames += 1;
        self.seq += u64::from(self.flags & SEQ_ALL != 0);
        if strikes(&WsFault::LoseFrame) {
            return;
        }
        let mut text = format!("[{id},");
        if let Some(tag) = update.tag {
            text.push_str(&format!("\"{tag}\","));
        }
        text.push_str(&payload);
        if self.flags & SEQ_ALL != 0 {
            text.push_str(&format!(",{}", self.seq));
        }
        if self.flags & TIMESTAMP != 0 {
            text.push_str(&format!(",{}", now.millis()));
        }
        text.push(']');
        out.push(Frame::Text(text));
    }
}

/// Each row of the payload with two columns more.
fn grown(payload: &str) -> String {
    const MORE: &str = ",null,7]";
    match payload.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(rows) if rows.starts_with('[') => format!("[{}]", rows.replace(']', MORE)),
        Some(row) => format!("[{row}{MORE}"),
        None => payload.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_grow_at_their_ends() {
        assert_eq!(grown("[1,2.5]"), "[1,2.5,null,7]");
        assert_eq!(grown("[[1,2],[3,4]]"), "[[1,2,null,7],[3,4,null,7]]");
    }
}
