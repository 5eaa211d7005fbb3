//! Twenty bots that keep within the budget, and a backfill that wants far more than all of it: the
//! bots do not notice, and the backfill gets what they leave over. In virtual time, call by call.

mod town;

use std::time::Duration;

use tidegate::telemetry::Wait;

use town::{Outcome, Town};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn print() {
    for backfill in [
        None,
        Some((Wait::Client, 0)),
        Some((Wait::Background, 0)),
        Some((Wait::Client, 5)),
        Some((Wait::Background, 5)),
    ] {
        let outcome = town::run(Town { backfill, minutes: 30, ..Town::default() });
        for f in &outcome.families {
            println!(
                "{backfill:?} {:?}: asked {} failed {} p50 {:?} p90 {:?} p99 {:?} max {:?} backfill {} left {} = {:.3}",
                f.family,
                f.asked,
                f.failed,
                f.percentile(50),
                f.percentile(90),
                f.percentile(99),
                f.percentile(100),
                f.backfill,
                f.left_over(),
                f64::from(f.backfill) / f64::from(f.left_over())
            );
        }
    }
}
