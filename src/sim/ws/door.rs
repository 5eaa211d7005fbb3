//! Who is let in, and what all connections share.

use std::collections::VecDeque;

use serde::Serialize;
use tokio::time::Instant;

use crate::sim::dialect::Connections;

use super::WsAction;

/// Sums over all WebSocket connections since the start or the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WsCounts {
    /// Connections let in.
    pub connections: u64,
    /// Connections refused, because of the limit or by script.
    pub refused_connections: u64,
    /// Connections that are open now. Not a sum; a reset leaves it as it is.
    pub open: u64,
    /// Requests to subscribe, refused ones too.
    pub subscribes: u64,
    /// Requests to unsubscribe, refused ones too.
    pub unsubscribes: u64,
    /// Text frames received.
    pub frames_received: u64,
    /// Text frames sent.
    pub frames_sent: u64,
    /// The most connections asked for within any one window, refused ones too.
    pub peak_connections: u64,
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too many connections within the window; the block goes on until its end.
    #[error("too many connections")]
    Limit,
    /// By script, with this HTTP status.
    #[error("refused with status {0}")]
    Scripted(u16),
}

impl Refused {
    /// The HTTP status that answers the upgrade.
    pub const fn status(self) -> u16 {
        match self {
            Self::Limit => 429,
            Self::Scripted(status) => status,
        }
    }
}

/// Actions that are remembered for connections that have not looked yet.
const ACTIONS: usize = 64;

/// Counts connections, keeps their limit, and passes on what happens to all of them.
pub(in crate::sim) struct Door {
    enforce: bool,
    limit: Connections,
    arrivals: VecDeque<Instant>,
    admitted: VecDeque<Instant>,
    blocked_until: Option<Instant>,
    pub(in crate::sim) counts: WsCounts,
    /// Connections since the start, never reset: each has a number.
    numbers: u64,
    maintenance: bool,
    actions: VecDeque<WsAction>,
    /// Actions since the start.
    acted: u64,
}

impl Door {
    pub(in crate::sim) fn new(enforce: bool, limit: Connections) -> Self {
        Self {
            enforce,
            limit,
            arrivals: VecDeque::new(),
            admitted: VecDeque::new(),
            blocked_until: None,
            counts: WsCounts::default(),
            numbers: 0,
            maintenance: false,
            actions: VecDeque::new(),
            acted: 0,
        }
    }

    /// Lets a connection in and numbers it, from 1. The one beyond the limit is refused and begins
    /// the block; attempts during the block do not prolong it.
    pub(super) fn admit(&mut self, scripted: Option<u16>, now: Instant) -> Result<u64, Refused> {
        for times in [&mut self.arrivals, &mut self.admitted] {
            while times.front().is_some_and(|&at| now - at >= self.limit.window) {
                times.pop_front();
            }
        }
        self.arrivals.push_back(now);
        self.counts.peak_connections = self.counts.peak_connections.max(self.arrivals.len() as u64);
        let blocked = self.blocked_until.is_some_and(|until| now < until);
        let full = self.admitted.len() >= self.limit.most;
        if self.enforce && full && !blocked {
            self.blocked_until = Some(now + self.limit.block);
        }
        let refused = match scripted {
            _ if self.enforce && (blocked || full) => Some(Refused::Limit),
            scripted => scripted.map(Refused::Scripted),
        };
        if let Some(refused) = refused {
            self.counts.refused_connections += 1;
            return Err(refused);
        }
        self.admitted.push_back(now);
        self.counts.connections += 1;
        self.counts.open += 1;
        self.numbers += 1;
        Ok(self.numbers)
    }

    pub(super) const fn leave(&mut self) {
        self.counts.open = self.counts.open.saturating_sub(1);
    }

    pub(super) const fn in_maintenance(&self) -> bool {
        self.maintenance
    }

    /// How many actions there were so far.
    pub(in crate::sim) const fn acted(&self) -> u64 {
        self.acted
    }

    pub(in crate::sim) fn act(&mut self, action: WsAction) {
        match action {
            WsAction::MaintenanceStart => self.maintenance = true,
            WsAction::MaintenanceEnd => self.maintenance = false,
            WsAction::Drop | WsAction::Restart => {}
        }
        if self.actions.len() == ACTIONS {
            self.actions.pop_front();
        }
        self.actions.push_back(action);
        self.acted += 1;
    }

    /// The actions after the first `seen`, oldest first.
    pub(in crate::sim) fn actions_after(&self, seen: u64) -> Vec<WsAction> {
        let missed = usize::try_from(self.acted - seen).unwrap_or(usize::MAX);
        let skipped = self.actions.len().saturating_sub(missed);
        self.actions.iter().skip(skipped).copied().collect()
    }

    pub(in crate::sim) fn reset_counts(&mut self) {
        self.counts = WsCounts { open: self.counts.open, ..WsCounts::default() };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn door() -> Door {
        const MINUTE: Duration = Duration::from_secs(60);
        Door::new(true, Connections { most: 20, window: MINUTE, block: MINUTE })
    }

    #[test]
    fn the_twenty_first_connection_of_a_minute_begins_a_block_that_ends_by_itself() {
        let mut door = door();
        let start = Instant::now();
        let mut ask =
            |seconds: f64, scripted| door.admit(scripted, start + Duration::from_secs_f64(seconds));
        for second in 0_u32..20 {
            assert_eq!(ask(f64::from(second), None), Ok(u64::from(second) + 1));
        }
        assert_eq!(ask(59.9, None), Err(Refused::Limit));
        assert_eq!(ask(119.8, None), Err(Refused::Limit), "the window is free, the block is not");
        assert_eq!(ask(119.9, Some(503)), Err(Refused::Scripted(503)));
        assert_eq!(ask(119.9, None), Ok(21));
        let counts = door.counts;
        assert_eq!((counts.connections, counts.refused_connections, counts.open), (21, 3, 21));
        assert_eq!(counts.peak_connections, 21);
        door.leave();
        door.reset_counts();
        assert_eq!(door.counts, WsCounts { open: 20, ..WsCounts::default() });
    }

    #[test]
    fn actions_reach_those_who_have_not_seen_them() {
        let mut door = door();
        door.act(WsAction::MaintenanceStart);
        assert!(door.in_maintenance());
        let seen = door.acted();
        assert!(door.actions_after(seen).is_empty());
        door.act(WsAction::MaintenanceEnd);
        door.act(WsAction::Restart);
        assert!(!door.in_maintenance());
        assert_eq!(door.actions_after(seen), [WsAction::MaintenanceEnd, WsAction::Restart]);
        for _ in 0..200 {
            door.act(WsAction::Drop);
        }
        assert_eq!(door.actions_after(seen), [WsAction::Drop; ACTIONS]);
    }
}
