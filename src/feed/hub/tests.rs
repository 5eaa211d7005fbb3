use std::time::Duration;

use super::*;
use crate::{
    exchange::{Data, Report, Stream},
    market::{BookSide, Candle, Change, Number, Precision, Raw, Ticker, Timeframe, Trade},
};

fn hub(buffer: usize) -> Hub {
    let settings = config::Stream { buffer, ..config::Stream::default() };
    Hub::new(7, &settings, Clock::anchored(UnixMs::from_millis(1_700_000_000_000)))
}

fn topic(stream: Stream) -> Arc<Topic> {
    Arc::new(Topic { id: "tBTCUSD".into(), stream })
}

fn raw() -> Raw {
    Raw::copy_of(serde_json::from_str("[]").unwrap())
}

fn number(text: &str) -> Number {
    text.parse().unwrap()
}

fn ticker(last: &str) -> Data {
    Data::Ticker(Ticker { last: Some(number(last)), ..Ticker::bare(raw()) })
}

fn trade(id: i64) -> Trade {
    let at = UnixMs::from_millis(1_000 + id);
    let side = crate::market::Side::Buy;
    Trade { id, at, side, price: number("1"), amount: number("2"), raw: raw() }
}

fn level(price: &str, amount: Option<&str>) -> Change {
    let amount = amount.map(number);
    Change { side: BookSide::Bid, price: number(price), number: 0, amount, raw: raw() }
}

fn candle(minute: i64, close: &str) -> Candle {
    let one = || number("1");
    let open_time = UnixMs::from_millis(minute * 60_000);
    let (open, high, low, volume) = (one(), one(), one(), one());
    Candle { open_time, open, high, low, close: number(close), volume }
}

struct Rig {
    hub: Hub,
    line: Arc<Line>,
    follower: Follower,
    bell: Arc<Bell>,
}

fn rig(stream: Stream, buffer: usize) -> Rig {
    let hub = hub(buffer);
    let (topic, bell) = (topic(stream), Arc::new(Bell::default()));
    let follower = hub.follow(&topic, None, Identity::Price, &bell, None).unwrap();
    let line = hub.line(&topic).unwrap();
    Rig { hub, line, follower, bell }
}

impl Rig {
    fn put(&self, data: Data) -> bool {
        self.line.data(&data, Instant::now())
    }

    /// What the follower gets, each as its seq and a word.
    fn taken(&mut self) -> Vec<(u64, String)> {
        let mut items = Vec::new();
        self.follower.take(self.hub.published(), &mut items);
        items.iter().map(said).collect()
    }
}

fn said(item: &Item) -> (u64, String) {
    let update = match item {
        Item::Update(update) => update,
        Item::Skipped(count, _) => return (0, format!("skipped {count}")),
    };
    let word = match &update.news {
        News::Snapshot(Shown::Ticker(ticker)) => {
            format!("ticker! {:?}", ticker.last.as_ref().unwrap())
        }
        News::Snapshot(Shown::Trades(trades)) => format!("trades! {}", trades.len()),
        News::Snapshot(Shown::Book(book)) => format!("book! {}", book.bids.len()),
        News::Snapshot(Shown::Candles(bars)) => {
            let bars = bars
                .iter()
                .map(|(bar, closed)| format!("{}{}", bar.close, if *closed { "." } else { "" }));
            format!("candles! {}", bars.collect::<Vec<_>>().join(" "))
        }
        News::Snapshot(Shown::Row(_)) => "row!".to_owned(),
        News::Ticker(ticker) => format!("ticker {:?}", ticker.last.as_ref().unwrap()),
        News::Trade(trade, Report::Executed) => format!("trade {}", trade.id),
        News::Trade(trade, Report::Confirmed) => format!("confirmed {}", trade.id),
        News::Levels(changes) => format!("levels {}", changes[0].price),
        News::Candle(candle, closed) => {
            format!("candle {}{}", candle.close, if *closed { "." } else { "" })
        }
        News::Row(_) => "row".to_owned(),
        News::Checked(checksum) => format!("checked {checksum}"),
        News::Gap(gap) => format!("gap {}..{}", gap.after.millis(), gap.before.millis()),
        News::Mode(mode) => format!("{mode:?}"),
    };
    (update.seq, word)
}

fn words<const N: usize>(expected: [(u64, &str); N]) -> Vec<(u64, String)> {
    expected.map(|(seq, word)| (seq, word.to_owned())).into()
}

const BOOK: Stream = Stream::Book { precision: Precision::P0, depth: 25 };

#[tokio::test]
async fn a_follower_sees_a_snapshot_and_then_every_update_in_order() {
    let mut rig = rig(Stream::Ticker, 16);
    assert_eq!(rig.taken(), words([]));
    rig.put(ticker("1"));
    assert_eq!(rig.taken(), words([(1, "ticker! 1")]));
    rig.put(ticker("2"));
    assert_eq!(rig.taken(), words([(2, "ticker 2")]));
    assert_eq!(rig.taken(), words([]));
    let mut second =
        rig.hub.follow(rig.line.topic(), None, Identity::Price, &rig.bell, None).unwrap();
    let mut items = Vec::new();
    second.take(rig.hub.published(), &mut items);
    assert_eq!(items.iter().map(said).collect::<Vec<_>>(), words([(2, "ticker! 2")]));
    assert!(!second.resumed());
}

#[tokio::test]
async fn tickers_and_candles_are_conflated_to_the_latest() {
    let mut rig = rig(Stream::Ticker, 16);
    for last in 1..=4 {
        rig.put(ticker(&last.to_string()));
    }
    assert_eq!(rig.taken(), words([(4, "ticker! 4")]));
    for last in 5..=9 {
        rig.put(ticker(&last.to_string()));
    }
    assert_eq!(rig.taken(), words([(9, "ticker 9")]));
    assert_eq!(rig.follower.left_out(), LeftOut { conflated: 4, skipped: 0 });

    let mut rig = self::rig(Stream::Candles(Timeframe::M1), 16);
    rig.put(Data::Candles(vec![candle(1, "1"), candle(2, "2")]));
    assert_eq!(rig.taken(), words([(1, "candles! 1. 2")]));
    rig.put(Data::Candle(candle(2, "3")));
    rig.put(Data::Candle(candle(2, "4")));
    rig.put(Data::Candle(candle(4, "5")));
    assert_eq!(rig.taken(), words([(4, "candle 4."), (5, "candle 5")]), "the end of a bar is told");
    rig.line.close_candle(Instant::now());
    rig.line.close_candle(Instant::now());
    assert_eq!(rig.taken(), words([(6, "candle 5.")]));
}

#[tokio::test]
async fn a_slow_follower_of_a_book_gets_its_state_instead_of_every_step() {
    let mut rig = rig(BOOK, 256);
    rig.put(Data::Book(vec![level("10", Some("1"))]));
    assert_eq!(rig.taken(), words([(1, "book! 1")]));
    rig.put(Data::Levels([level("9", Some("1"))].into_iter().collect()));
    rig.line.checked(-5, Instant::now());
    rig.put(Data::Levels([level("10", None)].into_iter().collect()));
    let expected = words([(2, "levels 9"), (2, "checked -5"), (3, "levels 10")]);
    assert_eq!(rig.taken(), expected);
    for price in 100..140 {
        rig.put(Data::Levels([level(&price.to_string(), Some("1"))].into_iter().collect()));
    }
    assert_eq!(rig.taken(), words([(43, "book! 41")]));
    assert_eq!(rig.follower.left_out().conflated, 40);
}

#[tokio::test]
async fn trades_are_told_once_and_a_slow_follower_hears_how_many_he_missed() {
    let mut rig = rig(Stream::Trades, 8);
    assert!(!rig.put(Data::Trades(vec![trade(1), trade(2)])));
    assert_eq!(rig.taken(), words([(1, "trades! 2")]));
    rig.put(Data::Trade(trade(3), Report::Executed));
    rig.put(Data::Trade(trade(3), Report::Confirmed));
    rig.put(Data::Trade(trade(4), Report::Confirmed));
    let expected = words([(2, "trade 3"), (2, "confirmed 3"), (3, "trade 4"), (3, "confirmed 4")]);
    assert_eq!(rig.taken(), expected);
    for id in 5..25 {
        rig.put(Data::Trade(trade(id), Report::Executed));
    }
    let taken = rig.taken();
    assert_eq!(taken[0].1, "skipped 12");
    assert_eq!(taken[1], (16, "trade 17".to_owned()));
    assert_eq!((taken.len(), rig.follower.left_out().skipped), (9, 12));
}

#[tokio::test]
async fn what_a_snapshot_does_not_reach_back_to_is_a_gap() {
    let mut rig = rig(Stream::Trades, 8);
    rig.put(Data::Trades(vec![trade(1), trade(2)]));
    rig.taken();
    assert!(!rig.put(Data::Trades(vec![trade(2), trade(3)])), "it goes on where we were");
    assert_eq!(rig.taken(), words([(2, "trade 3"), (2, "confirmed 3")]));
    assert!(rig.put(Data::Trades(vec![trade(7), trade(8)])));
    assert_eq!(rig.taken(), words([(3, "gap 1003..1007"), (4, "trades! 2")]));

    let mut rig = self::rig(Stream::Candles(Timeframe::M1), 8);
    rig.put(Data::Candles(vec![candle(1, "1"), candle(2, "2")]));
    rig.taken();
    assert!(rig.put(Data::Candles(vec![candle(5, "5"), candle(6, "6")])));
    assert_eq!(rig.taken(), words([(2, "gap 120000..300000"), (3, "candles! 5. 6")]));
    rig.line.fill(&[candle(2, "2"), candle(3, "3"), candle(6, "0")], Instant::now());
    assert_eq!(rig.taken(), words([(4, "candles! 2. 3. 5. 6")]), "the newest is never replaced");
}

#[tokio::test]
async fn a_snapshot_confirms_what_it_lists_once() {
    let mut rig = rig(Stream::Trades, 8);
    rig.put(Data::Trades(vec![trade(1)]));
    for (id, report) in [(2, Report::Executed), (2, Report::Confirmed), (3, Report::Executed)] {
        rig.put(Data::Trade(trade(id), report));
    }
    rig.taken();
    rig.put(Data::Trades(vec![trade(1), trade(2), trade(3), trade(4)]));
    rig.put(Data::Trade(trade(4), Report::Confirmed));
    assert_eq!(rig.taken(), words([(3, "confirmed 3"), (4, "trade 4"), (4, "confirmed 4")]));
}

#[tokio::test]
async fn a_token_leads_back_to_where_its_follower_was() {
    let rig = rig(Stream::Trades, 8);
    rig.put(Data::Trades(vec![trade(1)]));
    rig.put(Data::Trade(trade(2), Report::Executed));
    let token = rig.hub.token(rig.hub.published());
    rig.put(Data::Trade(trade(3), Report::Executed));
    let Resume::After(number) = rig.hub.resume(&token) else { panic!("{token}") };
    let follow = |after| {
        rig.hub.follow(rig.line.topic(), None, Identity::Price, &rig.bell, Some(after)).unwrap()
    };
    let mut back = follow(number);
    assert!(back.resumed());
    let mut items = Vec::new();
    back.take(rig.hub.published(), &mut items);
    assert_eq!(items.iter().map(said).collect::<Vec<_>>(), words([(3, "trade 3")]));

    for id in 4..20 {
        rig.put(Data::Trade(trade(id), Report::Executed));
    }
    assert!(!follow(number).resumed(), "too much has happened since");
    for foreign in ["", "00000008-1", "00000007-x", "00000007", "00000007-999"] {
        assert_eq!(rig.hub.resume(foreign), Resume::Foreign, "{foreign}");
    }
}

#[tokio::test(start_paused = true)]
async fn updates_without_followers_are_forgotten_after_a_while() {
    let rig = rig(Stream::Trades, 8);
    let (hub, line) = (rig.hub.clone(), rig.line.clone());
    line.feed_by(Mode::Live, Instant::now());
    rig.put(Data::Trades(vec![trade(1)]));
    let here = hub.published();
    drop(rig);
    tokio::time::advance(Duration::from_secs(59)).await;
    hub.sweep(Instant::now());
    let bell = Arc::new(Bell::default());
    let back = hub.follow(line.topic(), None, Identity::Price, &bell, Some(here)).unwrap();
    assert!(back.resumed());
    drop(back);
    line.data(&Data::Trade(trade(2), Report::Executed), Instant::now());
    tokio::time::advance(Duration::from_secs(60)).await;
    hub.sweep(Instant::now());
    let mut anew = hub.follow(line.topic(), None, Identity::Price, &bell, Some(here)).unwrap();
    assert!(!anew.resumed());
    let mut items = Vec::new();
    anew.take(hub.published(), &mut items);
    assert_eq!(items.iter().map(said).collect::<Vec<_>>(), words([(2, "trades! 2")]));
    drop(anew);
    line.feed_by(Mode::Stale(Lapse::Silent), Instant::now());
    drop(line);
    tokio::time::advance(Duration::from_secs(61)).await;
    hub.sweep(Instant::now());
    assert!(hub.all().is_empty());
}

#[tokio::test]
async fn nothing_is_missed_by_a_follower_who_looks_while_more_is_published() {
    let mut rig = rig(Stream::Trades, 64);
    rig.put(Data::Trades(vec![trade(1)]));
    let before = rig.hub.published();
    rig.put(Data::Trade(trade(2), Report::Executed));
    let mut items = Vec::new();
    rig.follower.take(before, &mut items);
    // The snapshot shows everything, however late it is asked for.
    assert_eq!(items.iter().map(said).collect::<Vec<_>>(), words([(2, "trades! 2")]));
    let before = rig.hub.published();
    rig.put(Data::Trade(trade(3), Report::Executed));
    rig.follower.take(before, &mut items);
    assert_eq!(items.len(), 1);
    rig.bell.heard().await;
    assert_eq!(rig.taken(), words([(3, "trade 3")]));
}

#[test]
fn topics_are_bounded() {
    let settings = config::Stream { max_total_topics: 1, ..config::Stream::default() };
    let hub = Hub::new(1, &settings, Clock::system());
    let bell = Arc::new(Bell::default());
    let follow = |stream| hub.follow(&topic(stream), None, Identity::Price, &bell, None);
    let first = follow(Stream::Ticker).unwrap();
    assert_eq!(follow(Stream::Trades).unwrap_err(), TooManyTopics(1));
    assert!(follow(Stream::Ticker).is_ok());
    drop(first);
}
