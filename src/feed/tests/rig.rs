//! An exchange in memory, with a protocol of words: `sub NAME` is answered by `ok NAME` and
//! `snap NAME`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::{
    config,
    exchange::{
        Broken, Data, Event, Exchange, Fetch, MarketList, NativeQuery, Output, Profile, Refused,
        Session, SessionError, SessionSettings, Stream, TickerList, Topic, UpstreamError, bitfinex,
    },
    feed::{
        ConnectError, Connector, Feed, FeedSnapshot, Lapse, Sink, Standing, Turn, Wire, WireError,
    },
    market::{
        Book, BookQuery, Candle, CandleQuery, Changes, Listing, Precision, Ticker, Trade,
        TradeQuery,
    },
    tasks::Tasks,
    telemetry::Metrics,
};

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn topic(name: &str) -> Arc<Topic> {
    let stream = Stream::Book { precision: Precision::P0, depth: 25 };
    Arc::new(Topic { id: name.into(), stream })
}

pub(super) fn topics(names: &str) -> Vec<Arc<Topic>> {
    names.split_whitespace().map(topic).collect()
}

/// The exchange, as it stands and as it was asked.
#[derive(Default)]
pub(super) struct World {
    pub(super) attempts: Vec<Instant>,
    /// What becomes of the next attempts; of those after them: a connection.
    pub(super) outcomes: VecDeque<ConnectError>,
    /// Attempts that are not answered.
    pub(super) hangs: bool,
    pub(super) connections: Vec<Connection>,
    /// Channels that a connection may have open.
    pub(super) cap: Option<usize>,
    pub(super) invalid: BTreeSet<String>,
    /// Subscriptions to these are not answered.
    pub(super) ignored: BTreeSet<String>,
    /// These are opened and then send nothing.
    pub(super) frozen: BTreeSet<String>,
}

pub(super) struct Connection {
    say: mpsc::UnboundedSender<Result<Bytes, WireError>>,
    pub(super) heard: Vec<String>,
    pub(super) open: BTreeSet<String>,
    pub(super) gone: bool,
}

impl World {
    /// The connection that has the channel open.
    fn of(&mut self, name: &str) -> &mut Connection {
        let mut all = self.connections.iter_mut().filter(|connection| !connection.gone);
        all.find(|connection| connection.open.contains(name)).expect("no such channel")
    }

    pub(super) fn say(&mut self, connection: usize, text: &str) {
        let _it_may_be_gone = self.connections[connection].say.send(Ok(text.to_owned().into()));
    }

    /// A channel says something.
    pub(super) fn tell(&mut self, word: &str, name: &str) {
        let _it_may_be_gone = self.of(name).say.send(Ok(format!("{word} {name}").into()));
    }

    pub(super) fn cut(&mut self, connection: usize) {
        let cut = Err(WireError("cut".to_owned()));
        let _it_may_be_gone = self.connections[connection].say.send(cut);
    }

    fn subscribed(&mut self, number: usize, name: &str) {
        let open = self.connections[number].open.len();
        if self.ignored.contains(name) {
            self.say(number, &format!("unanswered {name}"));
        } else if self.invalid.contains(name) {
            self.say(number, &format!("invalid {name}"));
        } else if self.cap.is_some_and(|cap| open >= cap) {
            self.say(number, &format!("full {name}"));
        } else {
            self.connections[number].open.insert(name.to_owned());
            self.say(number, &format!("ok {name}"));
            if !self.frozen.contains(name) {
                self.say(number, &format!("snap {name}"));
            }
        }
    }

    /// Every open channel sends a word, except those that are frozen.
    pub(super) fn each(&mut self, word: &str) {
        let frozen = self.frozen.clone();
        for connection in self.connections.iter_mut().filter(|connection| !connection.gone) {
            for name in connection.open.iter().filter(|name| !frozen.contains(*name)) {
                let _it_may_be_gone = connection.say.send(Ok(format!("{word} {name}").into()));
            }
        }
    }

    /// Names of the channels that are open, by connection.
    pub(super) fn open(&self) -> Vec<String> {
        let alive = self.connections.iter().filter(|connection| !connection.gone);
        alive.map(|c| c.open.iter().cloned().collect::<Vec<_>>().join(" ")).collect()
    }

    /// How often a text was sent by the feed.
    pub(super) fn count(&self, text: &str) -> usize {
        self.connections.iter().flat_map(|c| &c.heard).filter(|heard| *heard == text).count()
    }
}

#[derive(Clone, Default)]
pub(super) struct Venue(pub(super) Arc<Mutex<World>>);

impl Venue {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

impl Connector for Venue {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Wire>, ConnectError>> {
        async move {
            let hangs = {
                let mut world = self.world();
                world.attempts.push(Instant::now());
                if let Some(error) = world.outcomes.pop_front() {
                    return Err(error);
                }
                world.hangs
            };
            if hangs {
                std::future::pending::<()>().await;
            }
            let (say, hear) = mpsc::unbounded_channel();
            let mut world = self.world();
            let number = world.connections.len();
            let (heard, open) = (Vec::new(), BTreeSet::new());
            world.connections.push(Connection { say, heard, open, gone: false });
            Ok(Box::new(Line { venue: self.clone(), number, hear }) as Box<dyn Wire>)
        }
        .boxed()
    }
}

struct Line {
    venue: Venue,
    number: usize,
    hear: mpsc::UnboundedReceiver<Result<Bytes, WireError>>,
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Ok(mut world) = self.venue.0.lock() {
            world.connections[self.number].gone = true;
        }
    }
}

impl Wire for Line {
    fn next(&mut self) -> BoxFuture<'_, Result<Bytes, WireError>> {
        async { self.hear.recv().await.expect("the world keeps the other end") }.boxed()
    }

    fn send(&mut self, text: String) -> BoxFuture<'_, Result<(), WireError>> {
        let mut world = self.venue.world();
        match text.split_once(' ') {
            Some(("sub", name)) => world.subscribed(self.number, name),
            Some(("unsub", name)) => {
                world.connections[self.number].open.remove(name);
            }
            _ => {}
        }
        world.connections[self.number].heard.push(text);
        drop(world);
        async { Ok(()) }.boxed()
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        self.venue.world().connections[self.number].heard.push("bye".to_owned());
        async {}.boxed()
    }
}

impl Exchange for Venue {
    fn profile(&self) -> &Profile {
        static PROFILE: std::sync::LazyLock<Profile> = std::sync::LazyLock::new(|| Profile {
            name: "test",
            channels_per_socket: 3,
            ..bitfinex::PROFILE.clone()
        });
        &PROFILE
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        nothing()
    }

    fn ticker<'a>(&'a self, _: &'a Listing) -> Fetch<'a, Ticker> {
        nothing()
    }

    fn tickers<'a>(&'a self, _: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        nothing()
    }

    fn book<'a>(&'a self, _: &'a BookQuery) -> Fetch<'a, Book> {
        nothing()
    }

    fn candles<'a>(&'a self, _: &'a CandleQuery) -> Fetch<'a, Vec<Candle>> {
        nothing()
    }

    fn trades<'a>(&'a self, _: &'a TradeQuery) -> Fetch<'a, Vec<Trade>> {
        nothing()
    }

    fn documents<'a>(&'a self, _: &'a [String]) -> Fetch<'a, Vec<Bytes>> {
        nothing()
    }

    fn native<'a>(&'a self, _: &'a NativeQuery) -> Fetch<'a, Bytes> {
        nothing()
    }

    fn session(&self, _: SessionSettings) -> Option<Box<dyn Session>> {
        Some(Box::new(Words(HashMap::new())))
    }
}

fn nothing<'a, T>() -> Fetch<'a, T> {
    async { Err(UpstreamError::Maintenance) }.boxed()
}

struct Words(HashMap<String, Arc<Topic>>);

impl Session for Words {
    fn on_open(&mut self, _: Instant, out: &mut Vec<Output>) {
        out.push(Output::Send("hello".to_owned()));
    }

    fn subscribe(&mut self, topic: &Arc<Topic>, _: Instant, out: &mut Vec<Output>) {
        self.0.insert(topic.id.to_string(), topic.clone());
        out.push(Output::Send(format!("sub {}", topic.id)));
    }

    fn unsubscribe(&mut self, topic: &Topic, _: Instant, out: &mut Vec<Output>) {
        out.push(Output::Send(format!("unsub {}", topic.id)));
    }

    fn on_text(
        &mut self,
        text: &Bytes,
        _: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), SessionError> {
        let text = std::str::from_utf8(text).unwrap();
        let (word, name) = text.split_once(' ').unwrap_or((text, ""));
        let topic = || self.0[name].clone();
        let refused = |why| Event::Refused(topic(), why);
        out.push(Output::Tell(match word {
            "ok" => Event::Subscribed(topic()),
            "snap" => Event::Data(topic(), Data::Book(Vec::new())),
            "data" => Event::Data(topic(), Data::Levels(Changes::default())),
            "hb" => Event::Heartbeat(topic()),
            "cs" => Event::Checked(topic(), 7),
            "checksum" => Event::Broken(topic(), Broken::Checksum),
            "full" => refused(Refused::Full),
            "unanswered" => refused(Refused::Unanswered),
            "invalid" => refused(Refused::Invalid { code: 10300, message: "no".to_owned() }),
            "pause" => Event::Paused,
            "resume" => Event::Resumed,
            "gap" => {
                out.push(Output::Tell(Event::Paused));
                return Err(SessionError::Gap { expected: 7, got: 9 });
            }
            "restart" => return Err(SessionError::Restart),
            "pong" => return Ok(()),
            other => panic!("the session panics: {other}"),
        }));
        Ok(())
    }

    fn on_time(&mut self, _: Instant, _: &mut Vec<Output>) -> Result<(), SessionError> {
        Ok(())
    }

    fn wakes_at(&self) -> Option<Instant> {
        None
    }
}

/// What the sink was told: seconds since the start, and what.
#[derive(Default)]
pub(super) struct Ears(Mutex<Vec<(Instant, String, String)>>);

impl Ears {
    fn hear(&self, now: Instant, topic: &Topic, what: String) {
        self.0.lock().unwrap().push((now, topic.id.to_string(), what));
    }
}

impl Sink for Ears {
    fn data(&self, topic: &Arc<Topic>, data: &Data, received: Instant) {
        let what = if matches!(data, Data::Book(_)) { "snap" } else { "data" };
        self.hear(received, topic, what.to_owned());
    }

    fn turn(&self, topic: &Arc<Topic>, turn: &Turn, now: Instant) {
        let what = match turn {
            Turn::Opened => "opened".to_owned(),
            Turn::Confirmed => "confirmed".to_owned(),
            Turn::Checked(checksum) => format!("checked {checksum}"),
            Turn::Lapsed(lapse) => format!("lapsed {}", lapse.as_str()),
            Turn::Refused(_) => "refused".to_owned(),
            Turn::Closed => "closed".to_owned(),
        };
        self.hear(now, topic, what);
    }
}

pub(super) struct Rig {
    pub(super) feed: Feed,
    pub(super) venue: Venue,
    pub(super) tasks: Tasks,
    pub(super) metrics: Arc<Metrics>,
    pub(super) panics: Arc<Mutex<Vec<&'static str>>>,
    ears: Arc<Ears>,
    pub(super) start: Instant,
}

pub(super) fn settings() -> config::Feed {
    config::Feed::default()
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(&settings())
    }

    pub(super) fn with(settings: &config::Feed) -> Self {
        Self::at(Venue::default(), settings)
    }

    pub(super) fn at(venue: Venue, settings: &config::Feed) -> Self {
        let panics: Arc<Mutex<Vec<&'static str>>> = Arc::default();
        let told = panics.clone();
        let tasks = Tasks::new(move |name| told.lock().unwrap().push(name));
        let (metrics, ears) = (Metrics::new(), Arc::new(Ears::default()));
        let exchange = Arc::new(venue.clone());
        let feed =
            Feed::start(settings, exchange.clone(), exchange, ears.clone(), &metrics, &tasks);
        Self { feed, venue, tasks, metrics, panics, ears, start: Instant::now() }
    }

    /// With these pinned and open.
    pub(super) async fn open(names: &str) -> Self {
        let rig = Self::new();
        rig.feed.pin(topics(names));
        // Three topics a socket, four seconds between two sockets.
        let sockets = names.split_whitespace().count().div_ceil(3) as u64;
        rig.run_with(secs(4 * sockets + 1), |world| world.each("hb")).await;
        assert_eq!(rig.all(&Standing::Live), names, "open from the start");
        rig.forget_but_opened();
        rig
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.venue.world()
    }

    /// Lets time pass. Every 100 ms whatever is due happens.
    pub(super) async fn run(&self, time: Duration) {
        self.run_with(time, |_| {}).await;
    }

    /// The same, with something said every 100 ms.
    pub(super) async fn run_with(&self, time: Duration, mut say: impl FnMut(&mut World)) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            say(&mut self.world());
            sleep(millis(100)).await;
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// What was told of a topic, in order.
    pub(super) fn told(&self, name: &str) -> Vec<String> {
        let ears = self.ears.0.lock().unwrap();
        ears.iter().filter(|heard| heard.1 == name).map(|heard| heard.2.clone()).collect()
    }

    /// What was told of a topic since the last time it was asked, without data and confirmations.
    pub(super) fn turns(&self, name: &str) -> String {
        let plain = |what: &String| !["data", "snap", "confirmed"].contains(&what.as_str());
        self.told(name).into_iter().filter(plain).collect::<Vec<_>>().join(", ")
    }

    /// When the topic was last told to be so.
    pub(super) fn when(&self, name: &str, what: &str) -> Instant {
        let ears = self.ears.0.lock().unwrap();
        let heard = ears.iter().rev().find(|heard| heard.1 == name && heard.2 == what);
        heard.unwrap_or_else(|| panic!("{name} was never {what}")).0
    }

    /// Forgets the heartbeats of a beginning.
    fn forget_but_opened(&self) {
        self.ears.0.lock().unwrap().retain(|heard| heard.2 != "confirmed");
    }

    pub(super) fn forget(&self) {
        self.ears.0.lock().unwrap().clear();
    }

    /// Names of the topics that stand so, sorted.
    pub(super) fn all(&self, standing: &Standing) -> String {
        let shown = self.snapshot();
        let so = shown.topics.iter().filter(|shown| shown.standing == *standing);
        so.map(|shown| shown.topic.id.to_string()).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn standing(&self, name: &str) -> Standing {
        self.feed.standing(&topic(name))
    }

    pub(super) fn snapshot(&self) -> FeedSnapshot {
        self.feed.snapshot()
    }

    /// The value of a series of this exchange; `more` are further labels with a leading comma.
    pub(super) fn series(&self, name: &str, more: &str) -> f64 {
        let text = self.metrics.render();
        let start = format!("tidegate_feed_{name}{{exchange=\"test\"{more}}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no series {start}")).parse().unwrap()
    }
}

/// No window of 60 s holds more attempts than there are intervals in it.
pub(super) fn assert_paced(attempts: &[Instant], interval: Duration) {
    let most = secs(60).as_millis().div_ceil(interval.as_millis());
    let mut window: VecDeque<Instant> = VecDeque::new();
    let mut counts = BTreeMap::new();
    for at in attempts {
        window.push_back(*at);
        while window.front().is_some_and(|first| *first + secs(60) <= *at) {
            window.pop_front();
        }
        *counts.entry(window.len()).or_insert(0) += 1;
        assert!(window.len() as u128 <= most, "{} in a minute, {counts:?}", window.len());
    }
}

pub(super) fn lapsed(lapse: Lapse) -> Standing {
    Standing::Lapsed(lapse)
}
