//! The outgoing side of a conversation where frames are objects, with the faults that befall it.

use crate::sim::venue::State;

use super::{
    Frame, WsAction,
    faults::{Occasion, WsFault},
    talk::Opening,
};

/// Counts the frames of data, ends, and hears of what is done to all connections.
pub(in crate::sim) struct Line {
    /// Nothing more is said.
    pub(in crate::sim) over: bool,
    /// Frames of data so far, lost ones too.
    frames: u64,
    acted: u64,
}

impl Line {
    pub(in crate::sim) const fn new(opening: &Opening<'_>) -> Self {
        Self { over: false, frames: 0, acted: opening.acted }
    }

    /// Says something that no fault befalls: an acknowledgement, an error, a status.
    pub(in crate::sim) fn say(&self, text: String, out: &mut Vec<Frame>) {
        if !self.over {
            out.push(Frame::Text(text));
        }
    }

    /// Sends a frame of a channel's data, unless the script says otherwise. A frame that is lost
    /// has its number all the same.
    pub(in crate::sim) fn tell(
        &mut self,
        state: &State,
        occasion: Occasion<'_>,
        text: String,
        out: &mut Vec<Frame>,
    ) {
        if self.over {
            return;
        }
        let mut script = state.ws_script();
        let drops = |fault: &WsFault| match fault {
            WsFault::Drop { after_frames } if self.frames >= *after_frames => Some(()),
            _ => None,
        };
        if script.strike(occasion, drops).is_some() {
            return self.end(Frame::Drop, out);
        }
        self.frames += 1;
        let loses = |fault: &WsFault| (*fault == WsFault::LoseFrame).then_some(());
        if script.strike(occasion, loses).is_none() {
            out.push(Frame::Text(text));
        }
    }

    pub(in crate::sim) fn end(&mut self, how: Frame, out: &mut Vec<Frame>) {
        if !self.over {
            self.over = true;
            out.push(how);
        }
    }

    /// What was done to all connections since the last call, oldest first.
    pub(in crate::sim) fn news(&mut self, state: &State) -> Vec<WsAction> {
        let door = state.door();
        let actions = door.actions_after(self.acted);
        self.acted = door.acted();
        actions
    }
}

/// True if this very fault strikes at the occasion.
pub(in crate::sim) fn strikes(state: &State, occasion: Occasion<'_>, fault: &WsFault) -> bool {
    let same = |other: &WsFault| (other == fault).then_some(());
    state.ws_script().strike(occasion, same).is_some()
}

/// By how many milliseconds an acknowledgement is late, if it is, and whether its data is not.
pub(in crate::sim) fn late_ack(state: &State, occasion: Occasion<'_>) -> Option<(bool, i64)> {
    let late = |fault: &WsFault| match fault {
        WsFault::SlowAck { ms } => Some((false, ms.cast_signed())),
        WsFault::DataFirst { ms } => Some((true, ms.cast_signed())),
        _ => None,
    };
    state.ws_script().strike(occasion, late).map(|(late, _)| late)
}
