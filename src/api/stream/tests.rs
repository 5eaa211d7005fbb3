//! What cannot be brought about over a socket at will.

use bytes::Bytes;
use tokio::{net::TcpListener, time::Instant};

use super::{following::Following, message::Subject};
use crate::{
    app::App,
    cache::Ask,
    clock,
    config::Config,
    exchange::{Data, bitfinex::wire},
    feed::Item,
    market::Channel,
    sim::{Kind, Sim, SimConfig},
    tasks::Tasks,
    telemetry::{ClientId, StreamKind},
};

#[tokio::test(start_paused = true)]
async fn nobody_is_told_to_go_on_from_beyond_what_was_taken() {
    let _time = clock::stopped();
    let tasks = Tasks::new(|name| panic!("{name} panicked"));
    let bind = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sim = Sim::start(SimConfig::default(), bind().await, &tasks).await.unwrap();
    let mut config = Config::default();
    config.feed.enabled = false;
    config.exchanges["bitfinex"].rest_url = sim.rest_url();
    let app = App::start(config, bind().await).await.unwrap();
    let reader = app.gateway().reader();
    let desk = &reader.desks.all()[0];
    let deadline = Instant::now() + reader.config.now().server.request_deadline;
    let ask = Ask::by(deadline);
    let market = desk.markets.resolve("BTC/USD", ask).await.unwrap();

    let topic = desk.live.topic(&market, Channel::Ticker).unwrap();
    let client = reader.metrics.stream(StreamKind::Sse).client(ClientId::ANONYMOUS);
    let mut following = Following::new(10, reader.clock.clone(), client);
    let subject = Subject { exchange: desk.shelf.name(), market, channel: Channel::Ticker };
    following.follow(desk, &subject, None).unwrap();
    let line = desk.live.hub().line(&topic).unwrap();
    let before = desk.live.hub().published();
    for last in 1..=3 {
        let row = format!("[99.9,5,100.1,5,1,0.01,{last},1234,101,98]");
        line.data(&Data::Ticker(wire::ticker(&Bytes::from(row)).unwrap()), Instant::now());
    }
    // As if the last two had been published while the topics were being looked at.
    let group = &mut following.exchanges[0];
    group.upto = before + 1;
    let mut items = Vec::new();
    group.followed[0].1.follower.take(before + 1, &mut items);
    let [Item::Update(update)] = items.as_slice() else { panic!("{items:?}") };
    assert!(update.number > group.upto, "the picture as it stands");

    let telling = group.tell(0, &items[0], &reader.clock).unwrap();
    assert_eq!(telling.id, desk.live.hub().token(before + 1));
    let text = std::str::from_utf8(&telling.text).unwrap();
    assert!(text.contains(&format!("\"id\":\"{}\"", telling.id)), "{text}");
    assert!(text.contains("\"last\":3"), "{text}");
    // It is nobody else's text.
    assert_eq!(update.text(|_| Bytes::from_static(b"another")), "another");
}

/// What is told of two names of one market is made once, and told under both.
#[tokio::test(start_paused = true)]
async fn aliases_are_told_under_their_own_names() {
    let _time = clock::stopped();
    let tasks = Tasks::new(|name| panic!("{name} panicked"));
    let bind = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sim = SimConfig { exchange: Kind::Coinbase, ..SimConfig::default() };
    let sim = Sim::start(sim, bind().await, &tasks).await.unwrap();
    let mut config = Config::default();
    config.feed.enabled = false;
    config.exchanges.default = "coinbase".to_owned();
    config.exchanges["bitfinex"].enabled = false;
    config.exchanges["coinbase"].enabled = true;
    config.exchanges["coinbase"].rest_url = sim.rest_url();
    let app = App::start(config, bind().await).await.unwrap();
    let reader = app.gateway().reader();
    let desk = &reader.desks.all()[0];
    let ask = Ask::by(Instant::now() + reader.config.now().server.request_deadline);
    let mut subjects = Vec::new();
    for name in ["BTC/USDC", "BTC/USD"] {
        let market = desk.markets.resolve(name, ask).await.unwrap();
        subjects.push(Subject { exchange: desk.shelf.name(), market, channel: Channel::Ticker });
    }
    let following = || {
        let client = reader.metrics.stream(StreamKind::Sse).client(ClientId::ANONYMOUS);
        Following::new(10, reader.clock.clone(), client)
    };
    let (mut both, mut one) = (following(), following());
    subjects.iter().for_each(|subject| _ = both.follow(desk, subject, None).unwrap());
    one.follow(desk, &subjects[1], None).unwrap();
    let topic = desk.live.topic(&subjects[0].market, Channel::Ticker).unwrap();
    let line = desk.live.hub().line(&topic).unwrap();
    let symbols = |following: &mut Following, last: u32| {
        let row = format!("[99.9,5,100.1,5,1,0.01,{last},1234,101,98]");
        line.data(&Data::Ticker(wire::ticker(&Bytes::from(row)).unwrap()), Instant::now());
        let texts = following
            .take()
            .into_iter()
            .map(|telling| serde_json::from_slice::<serde_json::Value>(&telling.text).unwrap());
        let updates = texts.filter(|text| text["data"]["last"] == last);
        let symbols =
            updates.flat_map(|text| [text["symbol"].clone(), text["data"]["symbol"].clone()]);
        symbols.map(|symbol| symbol.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    symbols(&mut both, 1);
    symbols(&mut one, 2);
    assert_eq!(symbols(&mut both, 3), ["BTC/USDC", "BTC/USDC", "BTC/USD", "BTC/USD"]);
    assert_eq!(symbols(&mut one, 3), ["BTC/USD", "BTC/USD"]);
    let mut leave = |subject| both.leave(desk, subject).unwrap();
    assert_eq!([leave(&subjects[1]), leave(&subjects[1])], [true, false]);
    assert_eq!(symbols(&mut both, 4), ["BTC/USDC", "BTC/USDC"]);
}
