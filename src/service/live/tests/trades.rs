use super::*;
use crate::{
    exchange::Report,
    feed::{Gap, Lapse},
};

fn ids(trades: &Trades) -> Vec<i64> {
    trades.rows().iter().map(|trade| trade.id).collect()
}

fn snapshot(ids: std::ops::Range<i64>) -> Data {
    Data::Trades(ids.map(trade).collect())
}

fn executed(id: i64) -> Data {
    Data::Trade(trade(id), Report::Executed)
}

#[tokio::test(start_paused = true)]
async fn live_trades_follow_those_that_were_fetched() {
    let bench = Bench::new().await;
    bench.script(|script| script.trades = (1..40).map(trade).collect());
    bench.trades(10, bench.ask()).await;
    assert_eq!(bench.asked(), ["trades 250"]);
    let topic = bench.trades_topic();
    bench.open(&topic, snapshot(30..45));
    for (id, report) in [
        (46, Report::Executed),
        (45, Report::Executed),
        (46, Report::Confirmed),
        (45, Report::Confirmed),
    ] {
        bench.data(&topic, Data::Trade(trade(id), report));
    }
    let trades = bench.trades(1000, bench.ask()).await;
    assert_eq!(ids(&trades), (1..47).collect::<Vec<_>>());
    assert!(trades.got().is_whole(), "the request has said that there are no older ones");
    assert_eq!(about(trades.got().stamp()), (Source::Stream, 0));
    sleep(secs(10)).await;
    bench.turn(&topic, Turn::Confirmed);
    sleep(secs(1)).await;
    let trades = bench.trades(5, bench.ask()).await;
    assert_eq!(about(trades.got().stamp()), (Source::Stream, 1000));
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_alone_is_never_the_whole_history() {
    let bench = Bench::new().await;
    bench.script(|script| script.trades = (1..40).map(trade).collect());
    let topic = bench.trades_topic();
    bench.open(&topic, snapshot(30..35));
    assert_eq!(ids(&bench.trades(5, bench.ask()).await), (30..35).collect::<Vec<_>>());
    assert_eq!(bench.asked(), Vec::<String>::new());
    assert_eq!(ids(&bench.trades(6, bench.ask()).await), (34..40).collect::<Vec<_>>());
    assert_eq!(bench.asked(), ["trades 250"]);
}

#[tokio::test(start_paused = true)]
async fn trades_behind_a_gap_stand_alone() {
    let bench = Bench::new().await;
    let topic = bench.trades_topic();
    bench.open(&topic, snapshot(1..31));
    let mut listener = bench.follow(&topic);
    listener.news();
    bench.turn(&topic, Turn::Lapsed(Lapse::Lost));
    bench.open(&topic, snapshot(40..70));
    let trades = bench.trades(30, bench.ask()).await;
    assert_eq!((ids(&trades), trades.got().rows.len()), ((40..70).collect(), 30));
    let at = |id| UnixMs::from_millis(START + id);
    let gap = News::Gap(Gap { after: at(30), before: at(40) });
    assert!(listener.news().contains(&gap));
    bench.turn(&topic, Turn::Lapsed(Lapse::Lost));
    bench.open(&topic, snapshot(69..80));
    assert_eq!(ids(&bench.trades(40, bench.ask()).await), (40..80).collect::<Vec<_>>());
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_missed_a_trade_does_not_make_it_vanish() {
    let bench = Bench::new().await;
    bench.script(|script| script.trades = (1..40).map(trade).collect());
    let topic = bench.trades_topic();
    bench.open(&topic, snapshot(10..40));
    bench.data(&topic, executed(40));
    sleep(ms(50)).await;
    let fetched = bench.trades(30, bench.ask_anew()).await;
    assert_eq!(ids(&fetched).last(), Some(&39), "made before the trade, received after it");
    bench.data(&topic, executed(41));
    assert_eq!(ids(&bench.trades(3, bench.ask()).await), [39, 40, 41]);
    sleep(ms(50)).await;
    let fetched = bench.trades(30, bench.ask_anew()).await;
    sleep(secs(1)).await;
    bench.turn(&topic, Turn::Confirmed);
    assert_eq!(about(fetched.got().stamp()), (Source::Rest, 1000));
    let trades = bench.trades(3, bench.ask()).await;
    assert_eq!(
        (ids(&trades), about(trades.got().stamp())),
        (vec![39, 40, 41], (Source::Stream, 0))
    );
}

#[tokio::test(start_paused = true)]
async fn a_series_grows_no_longer_than_it_was_wanted() {
    let bench = Bench::new().await;
    let topic = bench.trades_topic();
    bench.open(&topic, snapshot(1..31));
    for id in 31..1000 {
        bench.data(&topic, executed(id));
    }
    let held = bench.trades(250, bench.ask()).await;
    assert_eq!((held.got().rows.len(), held.got().rows[0].id), (250, 750));
    assert_eq!(bench.asked(), Vec::<String>::new());
    bench.script(|script| script.trades = (1..1000).map(trade).collect());
    assert_eq!(bench.trades(600, bench.ask()).await.rows().len(), 600);
    for id in 1000..1100 {
        bench.data(&topic, executed(id));
    }
    let held = bench.trades(600, bench.ask()).await;
    assert_eq!((ids(&held)[0], ids(&held)[599]), (500, 1099));
    assert_eq!(bench.asked(), ["trades 1000"], "what was wanted once is kept");
}

#[tokio::test(start_paused = true)]
async fn trades_told_out_of_order_stand_in_order_from_the_first_on() {
    let bench = Bench::new().await;
    let topic = bench.trades_topic();
    bench.open(&topic, Data::Trades(Vec::new()));
    sleep(ms(150)).await;
    assert_eq!(bench.asked(), ["trades 100"], "there may have been others before");
    for id in [8, 7, 9] {
        bench.data(&topic, executed(id));
    }
    bench.data(&topic, Data::Trade(trade(2), Report::Confirmed));
    assert_eq!(ids(&bench.trades(3, bench.ask()).await), [7, 8, 9]);
    assert_eq!(bench.asked(), Vec::<String>::new());
}
