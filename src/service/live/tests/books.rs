use super::*;
use crate::feed::Lapse;

fn snapshot(best_bid: i64) -> Data {
    let side =
        |side, price: i64, step: i64| (0..3).map(move |at| level(side, price + step * at, Some(1)));
    let levels = side(BookSide::Bid, best_bid, -1).chain(side(BookSide::Ask, best_bid + 1, 1));
    Data::Book(levels.collect())
}

fn better_bid(price: i64) -> Data {
    Data::Levels([level(BookSide::Bid, price, Some(1))].into_iter().collect())
}

async fn read(bench: &Bench, levels: u32) -> (String, (Source, u128)) {
    let got = bench.desk.books.get(&bench.market, Precision::P0, levels, bench.ask()).await;
    let got = got.unwrap();
    (got.bids[0].price.as_str().to_owned(), about(got.stamp()))
}

fn streamed(best: &str, age: u128) -> (String, (Source, u128)) {
    (best.to_owned(), (Source::Stream, age))
}

#[tokio::test(start_paused = true)]
async fn only_books_whose_checksum_held_are_served() {
    let bench = Bench::new().await;
    let topic = bench.book_topic(25);
    bench.open(&topic, snapshot(100));
    assert_eq!(read(&bench, 20).await, streamed("100", 0));
    sleep(secs(1)).await;
    bench.data(&topic, Data::Levels([level(BookSide::Bid, 100, None)].into_iter().collect()));
    assert_eq!(read(&bench, 20).await, streamed("100", 1000), "not verified yet");
    bench.turn(&topic, Turn::Confirmed);
    assert_eq!(read(&bench, 20).await, streamed("100", 1000), "something has changed since");
    sleep(secs(1)).await;
    bench.turn(&topic, Turn::Checked(1));
    assert_eq!(read(&bench, 20).await, streamed("99", 0));
    sleep(secs(5)).await;
    assert_eq!(read(&bench, 20).await, streamed("99", 5000));
    bench.turn(&topic, Turn::Confirmed);
    assert_eq!(read(&bench, 20).await, streamed("99", 0), "nothing has changed since");
    sleep(secs(1)).await;
    bench.turn(&topic, Turn::Checked(1));
    assert_eq!(read(&bench, 20).await, streamed("99", 0));
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_book_whose_checksum_fails_goes_back_to_requests_as_it_last_held() {
    let bench = Bench::new().await;
    bench.script(|script| script.book = 50);
    let topic = bench.book_topic(25);
    bench.open(&topic, snapshot(100));
    sleep(ms(500)).await;
    // The connection lives, but what it had to say of the book may have been lost by now.
    bench.turn(&topic, Turn::Confirmed);
    bench.data(&topic, Data::Levels([level(BookSide::Bid, 100, None)].into_iter().collect()));
    sleep(ms(500)).await;
    bench.turn(&topic, Turn::Lapsed(Lapse::Checksum));
    assert_eq!(read(&bench, 20).await, streamed("100", 1000));
    sleep(secs(1)).await;
    assert_eq!(read(&bench, 20).await, streamed("100", 2000), "stale by requests' ttl of 2 s");
    sleep(secs(1)).await;
    assert_eq!(read(&bench, 20).await.0, "50");
    assert_eq!(bench.asked(), ["book 25"]);
    bench.turn(&topic, Turn::Checked(1));
    bench.turn(&topic, Turn::Confirmed);
    assert_eq!(read(&bench, 20).await.1.0, Source::Rest, "what is shut cannot be checked");
}

#[tokio::test(start_paused = true)]
async fn a_deeper_live_book_saves_the_call_for_a_shallower_one() {
    let bench = Bench::new().await;
    bench.script(|script| script.book = 50);
    assert_eq!(read(&bench, 20).await.0, "50");
    let deep = bench.book_topic(250);
    bench.open(&deep, snapshot(100));
    assert_eq!(read(&bench, 20).await.0, "50", "what is fresh needs no other");
    sleep(secs(2)).await;
    assert_eq!(read(&bench, 20).await, streamed("100", 2000));
    assert_eq!(read(&bench, 100).await, streamed("100", 2000));
    assert_eq!(bench.asked(), ["book 25"]);
    bench.turn(&deep, Turn::Lapsed(Lapse::Silent));
    assert_eq!(read(&bench, 100).await.0, "50");
    assert_eq!(bench.asked(), ["book 100"], "what has lapsed is no better than a call");
}

#[tokio::test(start_paused = true)]
async fn a_book_that_was_fetched_meanwhile_is_not_confirmed_but_replaced() {
    let bench = Bench::new().await;
    bench.script(|script| script.book = 50);
    let topic = bench.book_topic(25);
    bench.open(&topic, snapshot(100));
    sleep(secs(1)).await;
    let fetched = bench.desk.books.get(&bench.market, Precision::P0, 25, bench.ask_anew()).await;
    let fetched = fetched.unwrap();
    sleep(secs(1)).await;
    bench.turn(&topic, Turn::Confirmed);
    assert_eq!(about(fetched.stamp()), (Source::Rest, 1000));
    assert_eq!(read(&bench, 25).await, streamed("100", 0));
}

#[tokio::test(start_paused = true)]
async fn an_empty_book_is_not_believed() {
    let bench = Bench::new().await;
    bench.script(|script| script.book = 50);
    bench.open(&bench.book_topic(25), Data::Book(Vec::new()));
    assert_eq!(read(&bench, 25).await.0, "50");
    assert_eq!(bench.asked(), ["book 25"]);
    bench.data(&bench.book_topic(25), better_bid(60));
    assert_eq!(read(&bench, 25).await.0, "50");
}
