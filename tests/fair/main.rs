//! Twenty bots that keep within the budget, and a backfill that wants far more than all of it: the
//! bots do not notice, and the backfill gets what they leave over. In virtual time, call by call.

mod town;

use std::time::Duration;

use tidegate::{exchange::Family, telemetry::Wait};

use town::{Tally, Town};

/// The same bots with the same calls: of each family what it was alone, and beside the backfill.
fn beside(alone: Town, class: Wait, before: u32) -> Vec<(Tally, Tally)> {
    let together = Town { backfill: Some((class, before)), ..alone };
    town::run(alone).into_iter().zip(town::run(together)).collect()
}

/// As many answers, and 99 of 100 of them as fast as without it.
fn assert_unnoticed(alone: &Tally, together: &Tally, case: &str) {
    let family = alone.family;
    assert_eq!(together.asked, alone.asked, "{case}, {family:?}: the same bots");
    assert_eq!((alone.failed, together.failed), (0, 0), "{case}, {family:?}");
    let (before, now) = (alone.percentile(99), together.percentile(99));
    let most = before + Duration::from_millis(5);
    assert!(now <= most, "{case}, {family:?}: p99 {before:?} alone, {now:?} beside the backfill");
}

#[test]
fn bots_do_not_notice_a_backfill_and_it_gets_what_they_leave() {
    for class in [Wait::Client, Wait::Background] {
        for before in [0, 5] {
            let case = format!("as {class:?}, {before} minutes before");
            for (alone, together) in beside(Town::default(), class, before) {
                assert_unnoticed(&alone, &together, &case);
                // What bots do not hold at any moment. One of a rhythm of a minute holds two slots
                // while it is answered, as a slot is held for a minute from the answer on.
                let (got, spare) = (together.backfill, alone.never_held());
                let family = alone.family;
                assert!(got * 10 >= spare * 9, "{case}, {family:?}: {got} of {spare} slots");
                let left = alone.left_over();
                let least = if family == Family::Candles { 75 } else { 90 };
                assert!(got * 100 >= left * least, "{case}, {family:?}: {got} of {left} left over");
                assert!(together.asked + got <= alone.budget(), "{case}, {family:?}");
            }
        }
    }
}

/// Bots that come when they like, within two seconds.
#[test]
fn bots_without_a_strict_rhythm_do_not_notice_either() {
    let loose = Town { jitter: Duration::from_secs(2), ..Town::default() };
    for class in [Wait::Client, Wait::Background] {
        let case = format!("loosely, as {class:?}");
        for (alone, together) in beside(loose, class, 5) {
            assert_unnoticed(&alone, &together, &case);
            let (got, spare) = (together.backfill, alone.never_held());
            assert!(got * 10 >= spare * 9, "{case}, {:?}: {got} of {spare}", alone.family);
        }
    }
}
