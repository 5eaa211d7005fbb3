use super::*;
use crate::store::SavedBudget;

#[tokio::test(start_paused = true)]
async fn calls_and_bans_survive_a_restart() {
    let bench = Bench::new().await;
    let store = &bench.store;
    for (pool, units, seconds) in [("candles", 2, -3), ("book", 1, -61), ("candles", 80, -60)] {
        store.note_call("bitfinex", pool, units, at(NOON + seconds * 1000));
    }
    store.note_call("other", "candles", 1, at(NOON));
    store.note_ban("bitfinex", Some("candles"), Some(minute(1)));
    store.note_ban("bitfinex", Some("candles"), Some(minute(2)));
    store.note_ban("bitfinex", Some("book"), Some(minute(0)));
    store.note_ban("bitfinex", None, Some(minute(3)));
    store.note_ban("other", None, Some(minute(4)));

    let bench = bench.again().await;
    let since = at(NOON - 60_000);
    let saved = bench.store.budget("bitfinex", since).await;
    let candles = || "candles".to_owned();
    let calls = vec![(candles(), 80, since), (candles(), 2, at(NOON - 3000))];
    let bans = vec![(None, minute(3)), (Some(candles()), minute(2))];
    assert_eq!(saved, SavedBudget { calls, bans }, "the ban of the books is over");

    bench.store.note_ban("bitfinex", None, None);
    bench.store.flush().await;
    let saved = bench.store.budget("bitfinex", minute(9)).await;
    let bans = vec![(Some(candles()), minute(2))];
    assert_eq!(saved, SavedBudget { calls: Vec::new(), bans });
}

#[tokio::test(start_paused = true)]
async fn calls_are_forgotten_after_the_longest_window() {
    let bench = Bench::new().await;
    for ago in [59, 61, 600] {
        bench.store.note_call("bitfinex", "candles", 1, minute(-ago));
    }
    let bench = bench.again().await;
    let saved = bench.store.budget("bitfinex", at(0)).await;
    let kept: Vec<UnixMs> = saved.calls.iter().map(|(_, _, at)| *at).collect();
    assert_eq!(kept, [minute(-59)]);
}
