//! What is to be live, and on which socket.
//!
//! Pinned topics go first, then those that are followed, then the hottest; no more than there may
//! be channels. A topic that has a place keeps it as long as it is wanted: nothing is moved to fill
//! gaps, and a hot key gives way only to one that is a good deal hotter. Where calls are short, keys
//! that are read less often get what channels are left, and keep them for as long as they are.
//!
//! The plan waits for nothing and tells nobody anything. A topic belongs to the socket it has a seat
//! on, from before the socket learns of it until the socket has given it up; only then can it have
//! another. So what the sink is told of one topic comes from one task at a time.

mod entry;
mod places;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use rand::RngExt as _;
use tokio::time::Instant;

use super::{Lapse, Reads, Standing, TopicSnapshot, Turn, Want, channel::Mark};
use crate::{
    config,
    exchange::{Refused, Topic},
};

pub(super) use places::{Opened, Orders, Room, SocketView};

use entry::{Entry, Seat, Told};
use places::Places;

/// A topic that is not followed any more keeps its channel for so long, if it is not needed.
const LINGER: Duration = Duration::from_secs(30);
/// Unwanted topics of which it is remembered that the exchange refused them.
const MOST_REMEMBERED: usize = 1024;
/// Reads a minute that are worth a free channel where calls are short: whoever waits for calls reads
/// no more often than they come. Steady reads once a minute are as many, and so are two within 40 s;
/// a single one is not.
const SHORT_READS: f64 = 1.5;
/// Hot keys that may wait for a channel, as a multiple of the channels.
const HOT_PER_CHANNEL: usize = 4;

/// What is to be live.
#[derive(Debug)]
pub(super) struct Plan {
    max_channels: usize,
    /// Nothing may be live, whatever is wanted.
    cordoned: bool,
    promote_reads: f64,
    idle: Duration,
    backoff_max: Duration,
    epoch: Instant,
    entries: HashMap<Arc<Topic>, Entry>,
    places: Places,
    next_number: u64,
}

/// What is to be done after the plan was made.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// To be told to the sink, in order; no socket has these topics.
    pub(super) tell: Vec<(Arc<Topic>, Turn)>,
    /// Sockets to be started.
    pub(super) start: Vec<Opened>,
    /// Hot keys that got a channel.
    pub(super) promotions: u64,
    /// Hot keys that gave theirs back.
    pub(super) demotions: u64,
}

impl Plan {
    /// Every socket has so much room.
    pub(super) fn new(settings: &config::Feed, room: Room, epoch: Instant) -> Self {
        Self {
            max_channels: settings.max_channels,
            cordoned: false,
            promote_reads: f64::from(settings.promote_reads),
            idle: settings.idle,
            backoff_max: settings.backoff_max,
            epoch,
            entries: HashMap::new(),
            places: Places::new(room, epoch),
            next_number: 0,
        }
    }

    fn entry(&mut self, topic: &Arc<Topic>) -> &mut Entry {
        let (number, epoch) = (&mut self.next_number, self.epoch);
        self.entries.entry(topic.clone()).or_insert_with(|| {
            *number += 1;
            Entry::new(*number, Mark::new(epoch))
        })
    }

    /// These are pinned, and no others.
    pub(super) fn pin(&mut self, topics: &[Arc<Topic>]) {
        self.entries.values_mut().for_each(|entry| entry.pinned = false);
        for topic in topics {
            self.entry(topic).pinned = true;
        }
    }

    pub(super) fn lease(&mut self, topic: &Arc<Topic>) {
        self.entry(topic).leases += 1;
    }

    pub(super) fn release(&mut self, topic: &Topic, now: Instant) {
        let linger = LINGER.min(self.idle);
        if let Some(entry) = self.entries.get_mut(topic) {
            entry.leases = entry.leases.saturating_sub(1);
            if entry.leases == 0 && entry.is_seated() {
                entry.linger_until = Some(now + linger);
            }
            if entry.is_nothing() {
                self.entries.remove(topic);
            }
        }
    }

    /// These are read so often a minute, and all others not at all.
    pub(super) fn heat(&mut self, mut reads: Vec<Reads>, now: Instant) {
        let promote = self.promote_reads;
        let bar = |it: &Reads| if it.is_short { promote.min(SHORT_READS) } else { promote };
        reads.retain(|it| it.a_minute.is_finite());
        reads.sort_by(|a, b| b.a_minute.total_cmp(&a.a_minute));
        let newcomers = self.max_channels.saturating_mul(HOT_PER_CHANNEL);
        for it in reads.iter().filter(|it| it.a_minute >= bar(it)).take(newcomers) {
            self.entry(&it.topic);
        }
        let reads: HashMap<_, _> = reads.iter().map(|it| (&it.topic, it)).collect();
        for (topic, entry) in &mut self.entries {
            let it = reads.get(topic);
            let (a_minute, bar) = it.map_or((0.0, promote), |it| (it.a_minute, bar(it)));
            entry.heat(a_minute, bar, a_minute < promote, now);
        }
    }

    /// Gives every channel up and opens none, or opens again what is wanted.
    pub(super) fn cordon(&mut self, cordoned: bool) {
        self.cordoned = cordoned;
    }

    /// Channels that there may be.
    fn room(&self) -> usize {
        if self.cordoned { 0 } else { self.max_channels }
    }

    /// Makes the plan anew: who gets a channel, and where.
    pub(super) fn make(&mut self, now: Instant) -> Made {
        let mut made = Made::default();
        let was_hot = self.hot_seats();
        self.entries.values_mut().for_each(|entry| entry.expire(self.idle, now));
        self.revive(&mut made);
        let mut ranked: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(topic, entry)| Some((entry.rank(now)?, topic.clone())))
            .collect();
        ranked.sort_by(|a, b| a.0.cmp(&b.0));
        let chosen = ranked.len().min(self.room());
        for (_, topic) in &ranked[..chosen] {
            self.stay(topic, true);
        }
        for (_, topic) in &ranked[chosen..] {
            self.stay(topic, false);
            self.no_room(topic, &mut made);
        }
        for (topic, entry) in &mut self.entries {
            let unwanted = entry.want().is_none() || entry.hold.is_some();
            if let Some(seat) = entry.seat.as_mut().filter(|seat| unwanted && !seat.leaving) {
                seat.leaving = true;
                self.places.keep(seat.place, topic, false);
            }
        }
        for (_, topic) in &ranked[..chosen] {
            self.seat(topic, now, &mut made);
        }
        self.forget(&mut made);
        self.places.close_empty();
        self.places.publish();
        let is_hot = self.hot_seats();
        made.promotions = is_hot.iter().filter(|topic| !was_hot.contains(*topic)).count() as u64;
        made.demotions = was_hot.iter().filter(|topic| !is_hot.contains(*topic)).count() as u64;
        made
    }

    /// Topics that are live for nothing but their heat.
    fn hot_seats(&self) -> HashSet<Arc<Topic>> {
        let seated = |entry: &Entry| entry.seat.is_some_and(|seat| !seat.leaving);
        self.entries
            .iter()
            .filter(|(_, entry)| seated(entry) && entry.want() == Some(Want::Hot))
            .map(|(topic, _)| topic.clone())
            .collect()
    }

    /// Starts sockets again whose task has panicked.
    fn revive(&mut self, made: &mut Made) {
        for (opened, topics) in self.places.revive() {
            for topic in topics {
                let Some(entry) = self.entries.get_mut(&topic) else { continue };
                if entry.lapse(Lapse::Disconnected) {
                    made.tell.push((topic.clone(), Turn::Lapsed(Lapse::Disconnected)));
                }
                if entry.seat.is_some_and(|seat| seat.leaving) {
                    entry.seat = None;
                    self.places.vacate(opened.id, &topic);
                }
            }
            made.start.push(opened);
        }
    }

    /// Decides whether a topic that has a seat keeps it.
    fn stay(&mut self, topic: &Arc<Topic>, stays: bool) {
        let Some(entry) = self.entries.get_mut(topic) else { return };
        let Some(seat) = entry.seat.as_mut().filter(|seat| seat.leaving == stays) else { return };
        seat.leaving = !stays;
        self.places.keep(seat.place, topic, stays);
    }

    fn no_room(&mut self, topic: &Arc<Topic>, made: &mut Made) {
        let Some(entry) = self.entries.get_mut(topic) else { return };
        // Of one that has a seat, the socket tells when it gives it up.
        if !entry.is_seated() && entry.is_wanted_by_name() && entry.lapse(Lapse::NoRoom) {
            made.tell.push((topic.clone(), Turn::Lapsed(Lapse::NoRoom)));
        }
    }

    fn seat(&mut self, topic: &Arc<Topic>, now: Instant, made: &mut Made) {
        let room = self.room();
        let Some(entry) = self.entries.get_mut(topic) else { return };
        // Seats that are being given up count until they are.
        if entry.is_seated() || self.places.seats() >= room {
            return;
        }
        let place = self.places.sit(topic, &entry.mark, &mut made.start);
        entry.seat = Some(Seat { place, since: now, leaving: false });
    }

    /// Drops what nobody wants and nothing has to be remembered of.
    fn forget(&mut self, made: &mut Made) {
        for (topic, entry) in &mut self.entries {
            let over = entry.want().is_none() && !entry.is_seated();
            if over && entry.told != Told::Nothing {
                entry.told = Told::Nothing;
                made.tell.push((topic.clone(), Turn::Closed));
            }
        }
        let kept = |entry: &Entry| entry.want().is_some() || entry.is_seated();
        self.entries.retain(|_, entry| kept(entry) || entry.hold.is_some());
        let held =
            self.entries.values().filter(|entry| !kept(entry)).filter_map(|entry| entry.hold);
        let mut held: Vec<Instant> = held.collect();
        if held.len() > MOST_REMEMBERED {
            held.sort_unstable_by(|a, b| b.cmp(a));
            let from = held[MOST_REMEMBERED];
            self.entries.retain(|_, entry| kept(entry) || entry.hold > Some(from));
        }
    }

    /// A topic's channel is open.
    pub(super) fn opened(&mut self, topic: &Topic) {
        if let Some(entry) = self.entries.get_mut(topic) {
            entry.opened();
        }
    }

    /// A topic is not live any more; true if the sink has to be told.
    pub(super) fn lapse(&mut self, topic: &Topic, lapse: Lapse) -> bool {
        self.entries.get_mut(topic).is_some_and(|entry| entry.lapse(lapse))
    }

    /// The exchange did not open a topic's channel; what to tell, before [`Plan::vacate`].
    pub(super) fn refuse(
        &mut self,
        topic: &Topic,
        refused: &Refused,
        now: Instant,
    ) -> Option<Turn> {
        let jitter = rand::rng().random_range(0.5..=1.0);
        let entry = self.entries.get_mut(topic)?;
        entry.refuse(refused, self.backoff_max, jitter, now)
    }

    /// What to tell of a topic that its socket has been told to give up, before [`Plan::vacate`].
    pub(super) fn farewell(&mut self, topic: &Topic) -> Option<Turn> {
        let entry = self.entries.get_mut(topic)?;
        if entry.is_wanted_by_name() {
            return entry.lapse(Lapse::NoRoom).then_some(Turn::Lapsed(Lapse::NoRoom));
        }
        let told = std::mem::replace(&mut entry.told, Told::Nothing);
        (told != Told::Nothing).then_some(Turn::Closed)
    }

    /// A socket has given a topic up. `full`: because it has no room for it.
    pub(super) fn vacate(&mut self, topic: &Arc<Topic>, place: u64, full: bool) {
        if let Some(entry) = self.entries.get_mut(topic)
            && let Some(seat) = entry.seat
            && seat.place == place
            // One that is wanted again by now stays; the socket is about to learn of it.
            && (full || seat.leaving || entry.hold.is_some())
        {
            entry.seat = None;
            self.places.vacate(place, topic);
            if full {
                self.places.learn_capacity(place, topic);
            }
            self.places.publish();
        }
    }

    /// True if a topic may have its socket replaced for its sake.
    pub(super) fn may_replace(&mut self, topic: &Topic, now: Instant) -> bool {
        self.entries.get_mut(topic).is_some_and(|entry| entry.may_replace(now))
    }

    /// The task of a socket has ended although nobody told it to.
    pub(super) fn died(&mut self, place: u64) {
        self.places.died(place);
    }

    pub(super) fn standing(&self, topic: &Topic) -> Standing {
        self.entries.get(topic).map_or(Standing::Unwanted, Entry::standing)
    }

    /// Every socket.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (u64, &Arc<SocketView>, usize, usize)> {
        self.places.views()
    }

    /// Every topic that is wanted or has a channel.
    pub(super) fn topics(&self, now: Instant) -> Vec<TopicSnapshot> {
        let shown = self.entries.iter().filter_map(|(topic, entry)| {
            Some(TopicSnapshot {
                topic: topic.clone(),
                standing: entry.standing(),
                age: entry.mark.get().map(|at| now.saturating_duration_since(at)),
                heat: entry.heat,
                want: entry.want()?,
                followers: entry.leases,
                socket: entry.seat.map(|seat| seat.place),
            })
        });
        let mut topics: Vec<_> = shown.collect();
        topics.sort_by_cached_key(|shown| shown.topic.to_string());
        topics
    }

    /// When each live topic last brought anything.
    pub(super) fn last_words(&self) -> impl Iterator<Item = (&Arc<Topic>, Instant)> {
        let live = self.entries.iter().filter(|(_, entry)| entry.told == Told::Opened);
        live.filter_map(|(topic, entry)| Some((topic, entry.mark.get()?)))
    }
}
