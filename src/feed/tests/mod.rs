//! The room as its callers see it, in paused virtual time.

mod books;
mod channels;
mod life;
mod pace;
mod plan;
mod relief;
mod rig;
mod sending;
mod venue;

use rig::{Rig, assert_paced, lapsed, millis, secs, settings, topic, topics};
