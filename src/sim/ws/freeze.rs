//! Channels that stand still by script.

use super::faults::{Hold, Occasion, WsFault, WsScript};

/// Whether one channel is frozen.
#[derive(Default)]
pub(in crate::sim) struct Freezer {
    frozen: Option<Frozen>,
    /// Second and revision of the script when it was last asked.
    asked: Option<(i64, u64)>,
}

struct Frozen {
    heartbeats: bool,
    hold: Hold,
}

/// How a channel is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Freeze {
    /// It goes on.
    None,
    /// It says nothing.
    Stands,
    /// It goes on again; what happened meanwhile is not made up for.
    Thawed,
}

impl Freezer {
    pub(in crate::sim) fn look(&mut self, script: &mut WsScript, occasion: Occasion<'_>) -> Freeze {
        let now = occasion.now;
        let mut found = Freeze::None;
        if let Some(frozen) = &self.frozen {
            if script.holds(frozen.hold, now) {
                return Freeze::Stands;
            }
            self.frozen = None;
            found = Freeze::Thawed;
        }
        let asking = Some((now.millis().div_euclid(1_000), script.revision()));
        if self.asked == asking {
            return found;
        }
        self.asked = asking;
        let freezes = |fault: &WsFault| match fault {
            WsFault::Freeze { heartbeats } => Some(*heartbeats),
            _ => None,
        };
        let struck = script.strike(occasion, freezes);
        self.frozen = struck.map(|(heartbeats, hold)| Frozen { heartbeats, hold });
        if self.frozen.is_some() { Freeze::Stands } else { found }
    }

    /// True while its heartbeats fail too.
    pub(in crate::sim) fn is_silent(&self) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| !frozen.heartbeats)
    }
}
