//! A feed on an exchange in memory, and what its sink is told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::venue::{Venue, World};
use crate::{
    config,
    exchange::{Data, Stream, Topic},
    feed::{Feed, FeedSnapshot, Lapse, Sink, Standing, Turn},
    market::Precision,
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
            Turn::Sound => "sound".to_owned(),
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
