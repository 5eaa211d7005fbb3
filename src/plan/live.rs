//! What is live: the feed's rules.
//!
//! Pinned topics go first, then the most read ones of those that are read often enough; a hot key
//! gives way only to one that is a good deal hotter.

use super::{
    key::Key,
    time::{SECOND, Us, us},
};
use crate::config;

/// Reads a minute that are worth a free channel where calls are short.
const SHORT_READS: f64 = 1.5;
/// Reads are forgotten over about this time.
const MEMORY_S: f64 = 60.0;
/// How much hotter a key has to be than a live one to take its channel.
const HOTTER: f64 = 1.5;
/// For this long a hot key keeps a new channel against hotter ones.
const MIN_STAY: Us = 30 * SECOND;

/// How often an entry is read, and what follows from it.
#[derive(Debug, Default)]
pub(super) struct Warmth {
    /// Reads since they were counted last.
    pub(super) reads: u64,
    /// Reads a minute.
    pub(super) heat: f64,
    pub(super) pinned: bool,
    /// The exchange has no channel for it: it is polled, however hot.
    pub(super) is_mute: bool,
    hot: bool,
    /// The fewest reads that it was hot with; while it has a channel they stay enough.
    bar: f64,
    /// It would not be hot if calls were not short, and takes nobody's channel.
    modest: bool,
    cool_since: Option<Us>,
    seated: Option<Us>,
    socket: usize,
}

impl Warmth {
    pub(super) fn is_seated(&self) -> bool {
        self.seated.is_some()
    }

    /// It wants a channel.
    pub(super) fn is_wanted(&self) -> bool {
        !self.is_mute && (self.pinned || self.hot)
    }

    fn measure(&mut self, promote: f64, is_short: bool, idle: Us, now: Us) {
        self.heat = self.heat * (-1.0 / MEMORY_S).exp() + self.reads as f64;
        self.reads = 0;
        self.modest = self.heat < promote;
        let bar = if is_short { promote.min(SHORT_READS) } else { promote };
        let bar = if self.is_seated() && self.hot { self.bar.min(bar) } else { bar };
        if self.heat >= bar {
            (self.hot, self.bar) = (true, bar);
            self.cool_since = None;
        } else if self.hot {
            let since = *self.cool_since.get_or_insert(now);
            if !self.is_seated() || now >= since + idle {
                self.hot = false;
                self.cool_since = None;
            }
        }
    }

    /// The hotter, the sooner; a channel that one has counts.
    fn weight(&self, now: Us) -> f64 {
        match self.seated {
            _ if self.pinned => f64::INFINITY,
            Some(since) if now < since + MIN_STAY => f64::MAX,
            Some(_) => self.heat * HOTTER,
            None if self.modest => -self.heat.recip(),
            None => self.heat,
        }
    }
}

/// One connection to the exchange.
#[derive(Debug)]
struct Socket {
    ready: Us,
    topics: usize,
}

/// The feed.
#[derive(Debug)]
pub(super) struct Live {
    enabled: bool,
    promote: f64,
    idle: Us,
    room: usize,
    per_socket: usize,
    connect_interval: Us,
    latency: Us,
    sockets: Vec<Socket>,
}

impl Live {
    /// `foreign`: pinned channels of what nobody asks for; they take their room all the same.
    pub(super) fn new(
        settings: &config::Feed,
        per_socket: usize,
        foreign: usize,
        latency: Us,
    ) -> Self {
        let connect_interval = us(settings.connect_interval);
        let (per_socket, foreign) = (per_socket.max(1), foreign.min(settings.max_channels));
        let mut live = Self {
            enabled: settings.enabled,
            promote: f64::from(settings.promote_reads),
            idle: us(settings.idle),
            room: settings.max_channels - foreign,
            per_socket,
            connect_interval,
            latency,
            sockets: Vec::new(),
        };
        for _ in 0..foreign {
            live.sit(0);
        }
        live
    }

    /// Sockets that are open.
    pub(super) fn sockets(&self) -> usize {
        self.sockets.iter().filter(|socket| socket.topics > 0).count()
    }

    /// Once a second: who gets a channel, and who gives it back. `is_short`: of which keys the calls
    /// have to wait.
    pub(super) fn make(&mut self, keys: &mut [Key], is_short: impl Fn(&Key) -> bool, now: Us) {
        if !self.enabled {
            return;
        }
        for key in keys.iter_mut() {
            let is_short = is_short(key);
            key.warmth.measure(self.promote, is_short, self.idle, now);
        }
        let mut ranked: Vec<usize> =
            (0..keys.len()).filter(|key| keys[*key].warmth.is_wanted()).collect();
        ranked.sort_by(|a, b| keys[*b].warmth.weight(now).total_cmp(&keys[*a].warmth.weight(now)));
        let chosen = ranked.len().min(self.room);
        let mut stays = vec![false; keys.len()];
        ranked[..chosen].iter().for_each(|key| stays[*key] = true);
        for (key, stays) in keys.iter_mut().zip(stays) {
            if key.warmth.is_seated() && !stays {
                self.leave(key, now);
            }
        }
        for key in &ranked[..chosen] {
            let key = &mut keys[*key];
            if !key.warmth.is_seated() {
                let socket = self.sit(now);
                key.warmth.seated = Some(now);
                key.warmth.socket = socket;
                // Subscription, and the snapshot after it.
                key.live_since = Some(now.max(self.sockets[socket].ready) + 2 * self.latency);
            }
        }
    }

    /// Takes a place on the fullest socket that has room, or on a new one.
    fn sit(&mut self, now: Us) -> usize {
        let per_socket = self.per_socket;
        let roomy = self.sockets.iter().enumerate().filter(|(_, it)| it.topics < per_socket);
        let fullest = roomy.rev().max_by_key(|(_, it)| it.topics).map(|(at, _)| at);
        let at = fullest.unwrap_or_else(|| {
            let last = self.sockets.iter().map(|socket| socket.ready).max().unwrap_or(0);
            let ready = now.max(last + self.connect_interval);
            self.sockets.push(Socket { ready, topics: 0 });
            self.sockets.len() - 1
        });
        self.sockets[at].topics += 1;
        at
    }

    fn leave(&mut self, key: &mut Key, now: Us) {
        if let Some(held) = key.held(now) {
            key.fetched = Some(held.at);
        }
        key.live_since = None;
        key.warmth.seated = None;
        self.sockets[key.warmth.socket].topics -= 1;
    }
}
