//! Notes find the request and the flight that they belong to.

use tracing::Span;

use super::{
    CallNote, FlightRecord, Note, Role, Trail, aboard, asked, looked_on_disk, merges_into,
};
use crate::telemetry::{CacheOutcome, ClientId, DataKind, Payer};
use tokio::time::{Duration, Instant, advance};

fn read(outcome: Option<CacheOutcome>) {
    let mut note = Note::begin(&"key", DataKind::Ticker);
    note.decides(|| "one".to_owned());
    note.decides(|| "two".to_owned());
    note.fails(outcome, || "nothing".to_owned());
}

#[tokio::test]
async fn a_read_is_noted_by_the_request_that_wants_to_know() {
    let trail = Trail::new(Instant::now());
    read(None);
    asked("deaf", None, async { read(None) }).await;
    asked("curious", Some(trail.clone()), async {
        looked_on_disk(true);
        (0..70).for_each(|_| read(Some(CacheOutcome::Negative)));
    })
    .await;
    trail.parts(|parts, omitted| {
        assert_eq!((parts.len(), omitted), (64, 6));
        let part = &parts[0];
        assert_eq!((part.key.as_str(), part.decision.as_str()), ("key", "one; two"));
        assert_eq!(part.outcome, Some(CacheOutcome::Negative));
        assert_eq!(part.subject.downcast_ref::<&str>(), Some(&"key"));
    });
    assert_eq!(trail.disk(), [true]);
}

#[tokio::test(start_paused = true)]
async fn a_flight_knows_who_started_it_and_what_its_calls_cost() {
    let call = async {
        let note = CallNote::begin("ticker", Payer::of(ClientId::ANONYMOUS), 1);
        advance(Duration::from_millis(30)).await;
        note.sent(|| 7);
        advance(Duration::from_millis(20)).await;
        note.ended("ok");
    };
    let record = asked("first", None, async { FlightRecord::begin(Span::none()) }).await;
    aboard(record.clone(), call).await;
    assert_eq!(record.started_by(), Some("first"));
    let calls = record.calls();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    let sent = call.sent.unwrap();
    assert_eq!(sent - call.asked, Duration::from_millis(30));
    assert_eq!(call.ended.unwrap() - sent, Duration::from_millis(20));
    assert_eq!((call.result, call.budget_left), (Some("ok"), Some(7)));
    // Nobody is aboard.
    CallNote::begin("ticker", Payer::of(ClientId::GATEWAY), 1).ended("ok");
    assert_eq!(FlightRecord::begin(Span::none()).started_by(), None);
}

#[tokio::test]
async fn who_is_merged_into_a_load_tells_of_its_calls() {
    let one = asked("first", None, async { FlightRecord::begin(Span::none()) }).await;
    let load = aboard(one.clone(), async { FlightRecord::begin(Span::none()) }).await;
    assert_eq!(load.started_by(), Some("first"));
    load.loads(2);
    let two = FlightRecord::begin(Span::none());
    for record in [&one, &two] {
        aboard(record.clone(), async { merges_into(&load) }).await;
    }
    aboard(load, async {
        CallNote::begin("tickers", Payer::of(ClientId::ANONYMOUS), 1).refused("budget", || 0);
        looked_on_disk(false);
    })
    .await;
    for record in [one, two] {
        assert_eq!((record.keys(), record.calls()[0].result), (2, Some("budget")));
        assert_eq!(record.calls()[0].sent, None);
        assert_eq!(record.disk(), [false; 0]);
    }
    assert_eq!(Role::Refreshes.as_str(), "refresh_started");
}
