//! What an exchange bears on one connection.

use super::{venue::Venue, *};
use crate::feed::Standing;

#[tokio::test(start_paused = true)]
async fn no_second_holds_more_texts_than_the_exchange_allows_and_all_go_out_in_order() {
    let venue = Venue::with(|live| {
        (live.messages_per_second, live.channels_per_socket) = (4, 20);
        live.books_per_socket = 20;
    });
    let rig = Rig::at(venue, &settings());
    let names = "A B C D E F G H I J K";
    rig.feed.pin(topics(names));
    rig.run_with(secs(9), |world| world.each("hb")).await;
    assert_eq!(rig.all(&Standing::Live), names);
    let (heard, times) = {
        let world = rig.world();
        let connection = &world.connections[0];
        (connection.heard.clone(), connection.times.clone())
    };
    let asked: Vec<String> = names.split(' ').map(|name| format!("sub {name}")).collect();
    assert_eq!((heard[0].as_str(), &heard[1..]), ("hello", &asked[..]));
    for window in times.windows(5) {
        assert!(window[4] - window[0] >= secs(1), "five in {:?}", window[4] - window[0]);
    }
    let took = *times.last().unwrap() - times[0];
    assert!(took < secs(2) + millis(50), "12 texts took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn books_are_counted_apart_from_other_channels() {
    let venue = Venue::with(|live| (live.channels_per_socket, live.books_per_socket) = (10, 2));
    let rig = Rig::at(venue, &settings());
    let tickers = ["T", "U", "V"].map(|name| {
        let stream = crate::exchange::Stream::Ticker;
        std::sync::Arc::new(crate::exchange::Topic { id: name.into(), stream })
    });
    rig.feed.pin(topics("A B C").into_iter().chain(tickers).collect());
    rig.run_with(secs(15), |world| world.each("hb")).await;
    let mut open = rig.world().open();
    open.sort_by_key(String::len);
    assert_eq!(open, ["C", "A B T U V"]);
}

#[tokio::test(start_paused = true)]
async fn the_exchange_may_ask_for_longer_pauses_between_connections_than_the_settings() {
    let rig = Rig::at(Venue::with(|live| live.connect_interval = secs(7)), &settings());
    rig.feed.pin(topics("A B C D"));
    rig.run_with(secs(20), |world| world.each("hb")).await;
    let attempts = rig.world().attempts.clone();
    assert_eq!(attempts.len(), 2);
    assert!(attempts[0] - rig.start >= secs(7) && attempts[1] - attempts[0] >= secs(7));
}
