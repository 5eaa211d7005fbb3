//! Trades that a channel, or the answer it is joined with, leaves out.

use super::{super::tail::Tail, *};
use crate::{exchange::Report, feed::Lapse};

const LOST: Mode = Mode::Stale(Lapse::Lost);

/// Whose ids count up by one.
async fn counting() -> Bench {
    let profile = Some(Profile { trade_ids_are_consecutive: true, ..PROFILE.clone() });
    Bench::at(Fake { profile, ..Fake::default() }, Config::default()).await
}

impl Bench {
    fn lists(&self, ids: impl IntoIterator<Item = i64>) {
        let trades = ids.into_iter().map(trade).collect();
        self.script(|script| script.trades = trades);
    }

    fn tell(&self, id: i64) {
        self.data(&self.trades_topic(), Data::Trade(trade(id), Report::Confirmed));
    }

    /// The newest three, whence they are, and how old.
    async fn newest(&self) -> (Vec<i64>, Source, u128) {
        let trades = self.trades(3, self.ask()).await;
        let (source, age) = about(trades.got().stamp());
        (trades.rows().iter().map(|trade| trade.id).collect(), source, age)
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_lacks_a_trade_is_asked_for_again() {
    let bench = counting().await;
    bench.lists(1..41);
    let topic = bench.trades_topic();
    bench.open(&topic, Data::Trades(Vec::new()));
    bench.tell(42);
    sleep(ms(150)).await;
    assert_eq!((bench.mode(&topic), bench.asked()), (Mode::Starting, vec!["trades 100".into()]));
    assert_eq!(bench.newest().await, (vec![38, 39, 40], Source::Rest, 0));
    assert_eq!(bench.asked(), ["trades 250"]);
    bench.tell(43);
    bench.turn(&topic, Turn::Confirmed);
    assert_eq!(bench.newest().await.1, Source::Rest, "41 is known to neither");
    bench.lists(1..43);
    sleep(secs(2)).await;
    assert_eq!((bench.mode(&topic), bench.asked()), (Mode::Live, vec!["trades 100".into()]));
    bench.tell(44);
    assert_eq!(bench.newest().await, (vec![42, 43, 44], Source::Stream, 0));
    let all = bench.trades(44, bench.ask()).await;
    assert_eq!(all.rows().iter().map(|trade| trade.id).collect::<Vec<_>>(), Vec::from_iter(1..45));
    sleep(secs(10)).await;
    assert_eq!((bench.mode(&topic), bench.asked()), (Mode::Live, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn what_lacks_nothing_is_asked_for_once() {
    let bench = counting().await;
    bench.lists(1..41);
    let topic = bench.trades_topic();
    bench.open(&topic, Data::Trades(Vec::new()));
    bench.tell(40);
    bench.tell(41);
    sleep(ms(150)).await;
    bench.tell(42);
    bench.tell(42);
    sleep(secs(10)).await;
    bench.turn(&topic, Turn::Confirmed);
    assert_eq!(bench.newest().await, (vec![40, 41, 42], Source::Stream, 0));
    assert_eq!((bench.mode(&topic), bench.asked()), (Mode::Live, vec!["trades 100".into()]));
}

#[tokio::test(start_paused = true)]
async fn an_id_that_the_exchange_lists_no_trade_of_is_not_waited_for() {
    let bench = counting().await;
    bench.lists((1..41).chain([42]));
    let topic = bench.trades_topic();
    bench.open(&topic, Data::Trades(Vec::new()));
    bench.tell(42);
    sleep(ms(150)).await;
    assert_eq!((bench.mode(&topic), bench.asked()), (Mode::Live, vec!["trades 100".into()]));
    bench.tell(43);
    assert_eq!(bench.newest().await, (vec![40, 42, 43], Source::Stream, 0));
    bench.lists((1..41).chain([42, 43, 45]));
    bench.tell(45);
    assert_eq!(bench.mode(&topic), LOST);
    sleep(ms(150)).await;
    bench.tell(46);
    assert_eq!(bench.newest().await, (vec![43, 45, 46], Source::Stream, 0));
    assert_eq!((bench.mode(&topic), bench.asked()), (Mode::Live, vec!["trades 100".into()]));
}

#[tokio::test(start_paused = true)]
async fn a_live_channel_that_leaves_out_a_trade_is_not_believed_until_it_is_known() {
    let bench = counting().await;
    bench.lists(1..41);
    let topic = bench.trades_topic();
    bench.open(&topic, Data::Trades(Vec::new()));
    sleep(ms(150)).await;
    let mut listener = bench.follow(&topic);
    listener.news();
    bench.asked();
    sleep(secs(600)).await;
    bench.turn(&topic, Turn::Confirmed);
    bench.tell(42);
    assert_eq!(bench.mode(&topic), LOST);
    assert_eq!(bench.newest().await.1, Source::Rest, "something was missing ten minutes long");
    bench.lists(1..44);
    bench.tell(44);
    sleep(secs(2)).await;
    let told = listener.news().into_iter().filter_map(|news| match news {
        News::Trade(trade, Report::Executed) => Some(trade.id),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [41, 42, 43, 44]);
    assert_eq!(bench.newest().await, (vec![42, 43, 44], Source::Stream, 900));
    assert_eq!((bench.mode(&topic), bench.asked().len()), (Mode::Live, 3), "one by the client");
}

#[tokio::test(start_paused = true)]
async fn holes_one_after_the_other_cost_a_call_in_a_while() {
    let bench = counting().await;
    bench.lists((0..41).step_by(2));
    let topic = bench.trades_topic();
    bench.open(&topic, Data::Trades(Vec::new()));
    sleep(ms(150)).await;
    bench.asked();
    for id in (42..100).step_by(2) {
        bench.lists((0..=id).step_by(2));
        bench.tell(id);
        sleep(ms(700)).await;
    }
    assert_eq!(bench.asked(), ["trades 100"; 5], "in 20.3 seconds");
}

#[test]
fn holes_are_those_that_no_answer_has_told() {
    let rows = |ids: &[i64]| ids.iter().copied().map(trade).collect::<Vec<_>>();
    let joined = |fetched: &[i64], told: &[i64]| {
        let joined = Tail::of(&rows(told)).behind_all(&rows(fetched));
        joined.map(|rows| rows.iter().map(|row| row.id).collect::<Vec<_>>())
    };
    for (fetched, told, all) in [
        (&[1, 2, 3][..], &[4, 5][..], Some(&[1, 2, 3, 4, 5][..])),
        (&[1, 2, 3], &[2, 3], Some(&[1, 2, 3])),
        (&[1, 2, 3], &[], Some(&[1, 2, 3])),
        (&[], &[7, 8], Some(&[7, 8])),
        (&[1, 2, 3], &[5], None),
        (&[1, 2, 3], &[3, 5], None),
        (&[1, 2, 3], &[4, 6], None),
        (&[1, 3, 5], &[5, 6], Some(&[1, 3, 5, 6])),
        (&[1, 2, 3, 4], &[2, 4], Some(&[1, 2, 3, 4])),
        (&[6, 7], &[2, 4, 5, 6, 7, 8], Some(&[4, 5, 6, 7, 8])),
        (&[6, 7], &[2, 4, 7, 8], Some(&[6, 7, 8])),
        (&[6, 7], &[2, 4, 7, 9], None),
    ] {
        assert_eq!(joined(fetched, told).as_deref(), all, "{fetched:?} and {told:?}");
    }
    let many: Vec<i64> = (100..350).collect();
    assert_eq!(joined(&[1, 2, 3], &many), Some(many.clone()), "as many as are kept");
}
