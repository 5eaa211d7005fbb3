//! An exchange in memory, with a protocol of words: `sub NAME` is answered by `ok NAME` and
//! `snap NAME`.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    exchange::{
        Broken, Data, Event, Exchange, Fetch, Live, MarketList, NativeQuery, Output, Profile,
        Refused, Session, SessionError, SessionSettings, TickerList, Topic, UpstreamError,
        bitfinex,
    },
    feed::{ConnectError, Connector, Wire, WireError},
    market::{
        Book, BookQuery, Candle, CandleQuery, Changes, Listing, Raw, Ticker, Trade, TradeQuery,
    },
};

/// The exchange, as it stands and as it was asked.
#[derive(Default)]
pub(super) struct World {
    pub(super) attempts: Vec<Instant>,
    /// What becomes of the next attempts; of those after them: a connection.
    pub(super) outcomes: VecDeque<ConnectError>,
    /// Attempts that are not answered.
    pub(super) hangs: bool,
    pub(super) connections: Vec<Connection>,
    /// Most channels that were open at once.
    pub(super) peak: usize,
    /// Channels that a connection may have open.
    pub(super) cap: Option<usize>,
    pub(super) invalid: BTreeSet<String>,
    /// Subscriptions to these are not answered.
    pub(super) ignored: BTreeSet<String>,
    /// Subscriptions to these are as if they had never been sent.
    pub(super) deaf: BTreeSet<String>,
    /// These are opened and then send nothing.
    pub(super) frozen: BTreeSet<String>,
}

pub(super) struct Connection {
    say: mpsc::UnboundedSender<Result<Bytes, WireError>>,
    pub(super) heard: Vec<String>,
    /// When each text was heard.
    pub(super) times: Vec<Instant>,
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
        if self.deaf.contains(name) {
            return;
        }
        if self.ignored.contains(name) {
            self.say(number, &format!("unanswered {name}"));
        } else if self.invalid.contains(name) {
            self.say(number, &format!("invalid {name}"));
        } else if self.cap.is_some_and(|cap| open >= cap) {
            self.say(number, &format!("full {name}"));
        } else {
            self.connections[number].open.insert(name.to_owned());
            self.say(number, &format!("ok {name}"));
            let alive = self.connections.iter().filter(|connection| !connection.gone);
            self.peak = self.peak.max(alive.map(|connection| connection.open.len()).sum());
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

#[derive(Clone)]
pub(super) struct Venue {
    world: Arc<Mutex<World>>,
    profile: Arc<Profile>,
}

impl Default for Venue {
    fn default() -> Self {
        Self::with(|_| {})
    }
}

impl Venue {
    /// Three channels a socket, and what `change` makes of that.
    pub(super) fn with(change: impl FnOnce(&mut Live)) -> Self {
        let mut live = Live { channels_per_socket: 3, ..bitfinex::PROFILE.live };
        change(&mut live);
        let profile = Profile { name: "test", live, ..bitfinex::PROFILE.clone() };
        Self { world: Arc::default(), profile: Arc::new(profile) }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
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
            let (heard, times, open) = (Vec::new(), Vec::new(), BTreeSet::new());
            world.connections.push(Connection { say, heard, times, open, gone: false });
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
        if let Ok(mut world) = self.venue.world.lock() {
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
        world.connections[self.number].times.push(Instant::now());
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
        &self.profile
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
        let (name, row) = name.split_once(' ').unwrap_or((name, ""));
        let topic = || self.0[name].clone();
        let refused = |why| Event::Refused(topic(), why);
        out.push(Output::Tell(match word {
            "ok" => Event::Subscribed(topic()),
            "snap" => Event::Data(topic(), Data::Book(Vec::new())),
            "data" => Event::Data(topic(), Data::Levels(Changes::default())),
            "row" => {
                Event::Data(topic(), Data::Row(Raw::copy_of(serde_json::from_str(row).unwrap())))
            }
            "hb" => Event::Heartbeat(topic()),
            "alive" => Event::Alive,
            "sound" => Event::Sound(topic()),
            "leave" => Event::Leaving,
            "fetch" => {
                out.push(Output::FetchBook(topic(), 5));
                return Ok(());
            }
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

    fn on_book(&mut self, topic: &Topic, book: Option<&Book>, _: Instant, out: &mut Vec<Output>) {
        let topic = self.0[topic.id.as_str()].clone();
        out.push(match book {
            Some(_) => Output::Tell(Event::Data(topic, Data::Book(Vec::new()))),
            None => Output::FetchBook(topic, 5),
        });
    }

    fn on_time(&mut self, _: Instant, _: &mut Vec<Output>) -> Result<(), SessionError> {
        Ok(())
    }

    fn wakes_at(&self) -> Option<Instant> {
        None
    }
}
