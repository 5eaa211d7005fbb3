//! The room as its callers see it, in paused virtual time.

mod channels;
mod life;
mod pace;
mod plan;
mod rig;
mod venue;

use rig::{Rig, assert_paced, lapsed, millis, secs, settings, topic, topics};
