//! Merging of single asks.

use std::collections::HashMap;

use super::*;
use crate::upstream::{Lost, Merge};

#[derive(Clone, Debug, PartialEq)]
enum Fault {
    Lost,
    Down,
}

impl From<Lost> for Fault {
    fn from(_: Lost) -> Self {
        Self::Lost
    }
}

type Loads = Arc<Mutex<Vec<Vec<u32>>>>;

/// Doubles every key; leaves 13 out, fails on 500, panics on 666.
fn doubling(max: usize) -> (Merge<u32, u32, Fault>, Loads) {
    let loads = Loads::default();
    let log = loads.clone();
    let tasks = Tasks::new(|_| {});
    let merge = Merge::new(millis(5), max, &tasks, move |mut keys: Vec<u32>, _| {
        keys.sort_unstable();
        log.lock().unwrap().push(keys.clone());
        async move {
            sleep(millis(100)).await;
            assert!(!keys.contains(&666));
            if keys.contains(&500) {
                return Err(Fault::Down);
            }
            let listed = keys.into_iter().filter(|key| *key != 13);
            Ok(listed.map(|key| (key, key * 2)).collect::<HashMap<_, _>>())
        }
    });
    (merge, loads)
}

fn ask_all(
    merge: &Merge<u32, u32, Fault>,
    keys: impl IntoIterator<Item = u32>,
) -> JoinSet<Result<Option<u32>, Fault>> {
    let mut asks = JoinSet::new();
    for key in keys {
        let merge = merge.clone();
        asks.spawn(async move { merge.ask(key, Wait::Client.into()).await });
    }
    asks
}

#[tokio::test(start_paused = true)]
async fn asks_within_the_window_are_one_load_without_duplicates() {
    let (merge, loads) = doubling(100);
    let start = Instant::now();
    let first = ask_all(&merge, [1, 2, 2, 13]);
    sleep(millis(3)).await;
    let second = ask_all(&merge, [2, 3]);
    sleep(millis(5)).await;
    let third = ask_all(&merge, [4]);
    let mut answers = first.join_all().await;
    assert_about(start.elapsed(), millis(106));
    answers.extend(second.join_all().await);
    answers.sort_by_key(|answer| *answer.as_ref().unwrap());
    let expected = [None, Some(2), Some(4), Some(4), Some(4), Some(6)];
    assert_eq!(answers, expected.map(Ok));
    assert_eq!(third.join_all().await, [Ok(Some(8))]);
    assert_eq!(*loads.lock().unwrap(), [vec![1, 2, 3, 13], vec![4]]);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_does_not_wait_and_the_rest_is_the_next() {
    let (merge, loads) = doubling(3);
    let start = Instant::now();
    let asks = ask_all(&merge, 1..=7);
    assert_eq!(asks.join_all().await.len(), 7);
    assert_about(start.elapsed(), millis(106));
    let sizes: Vec<_> = loads.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [3, 3, 1]);
    let start = Instant::now();
    ask_all(&merge, 1..=3).join_all().await;
    assert!(start.elapsed() < millis(103), "waited for the window");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_hangs_up_cancels_nothing() {
    let (merge, loads) = doubling(100);
    let mut first = ask_all(&merge, [1]);
    sleep(millis(1)).await;
    let second = ask_all(&merge, [2]);
    sleep(millis(50)).await;
    first.abort_all();
    assert!(first.join_next().await.unwrap().is_err());
    assert_eq!(second.join_all().await, [Ok(Some(4))]);
    assert_eq!(*loads.lock().unwrap(), [vec![1, 2]]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_everyones_and_only_this_batchs() {
    let (merge, _loads) = doubling(100);
    assert_eq!(ask_all(&merge, [1, 500]).join_all().await, [Err(Fault::Down), Err(Fault::Down)]);
    assert_eq!(merge.ask(1, Wait::Client.into()).await, Ok(Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_and_not_a_hang() {
    let (merge, _loads) = doubling(100);
    assert_eq!(ask_all(&merge, [1, 666]).join_all().await, [Err(Fault::Lost), Err(Fault::Lost)]);
    assert_eq!(merge.ask(1, Wait::Client.into()).await, Ok(Some(2)));
}
