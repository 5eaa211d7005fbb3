//! Opens and closes channels.
//!
//! A subscription is answered by its snapshot, then by a list of everything that is subscribed to
//! (recorded 2026-08). A refusal is a text that names no channel; it is taken for the answer to
//! the oldest request that has none yet.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use compact_str::CompactString;
use tokio::time::Instant;

use super::channel::{Channel, Feed, Open, Rows};
use crate::exchange::{
    Broken, Event, Output, Refused, Topic, UpstreamError,
    coinbase::{PROFILE, names},
};

/// Between two attempts to mend one channel.
const MEND_PAUSE: Duration = Duration::from_secs(10);
/// Channels that nobody asked for and that are being closed, at most.
const MOST_STRAYS: usize = 64;

/// How far a subscription has come.
#[derive(Debug)]
enum Phase {
    /// Asked for.
    Asked {
        until: Instant,
    },
    Open(Open),
    /// Asked to be closed; then those topics are told that were given back.
    Closing {
        until: Instant,
        gone: Vec<Arc<Topic>>,
    },
    /// To be asked for again.
    Resting {
        until: Instant,
    },
}

#[derive(Debug)]
struct Standing {
    phase: Phase,
    /// Those that want it; of books there may be several, each with its depth.
    topics: Vec<Arc<Topic>>,
    /// When it was last asked for because it had broken.
    mended: Option<Instant>,
    /// It has broken since.
    is_broken: bool,
}

/// What was sent and is not answered yet.
#[derive(Debug)]
struct Request {
    feed: Feed,
    subscribes: bool,
    until: Instant,
}

/// Every topic of one socket.
#[derive(Debug)]
pub(super) struct Desk {
    ack_timeout: Duration,
    feeds: HashMap<Feed, Standing, foldhash::fast::RandomState>,
    requests: VecDeque<Request>,
    /// When all that is to be sent will have been, at the pace that the exchange allows.
    sent: Option<Instant>,
    /// The earliest end of a phase.
    due: Option<Instant>,
}

impl Desk {
    pub(super) fn new(ack_timeout: Duration) -> Self {
        let (feeds, requests) = (HashMap::default(), VecDeque::new());
        Self { ack_timeout, feeds, requests, sent: None, due: None }
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn subscribe(&mut self, topic: &Arc<Topic>, now: Instant, out: &mut Vec<Output>) {
        let Some(feed) = Feed::of(topic) else {
            let why = Refused::Invalid { code: 0, message: "there is no such channel".to_owned() };
            out.push(Output::Tell(Event::Refused(Arc::clone(topic), why)));
            return;
        };
        match self.feeds.get_mut(&feed) {
            None => {
                let topics = vec![Arc::clone(topic)];
                self.ask(feed, topics, None, now, out);
            }
            Some(standing) if standing.topics.contains(topic) => {}
            Some(standing) => {
                standing.topics.push(Arc::clone(topic));
                if let Phase::Open(Open::Book(book)) = &mut standing.phase {
                    out.push(Output::Tell(Event::Subscribed(Arc::clone(topic))));
                    book.show(topic, out);
                }
            }
        }
        self.reckon();
    }

    pub(super) fn unsubscribe(&mut self, topic: &Topic, now: Instant, out: &mut Vec<Output>) {
        let Some(feed) = Feed::of(topic) else { return };
        let Some(standing) = self.feeds.get_mut(&feed) else { return };
        let Some(place) = standing.topics.iter().position(|other| **other == *topic) else {
            return;
        };
        let topic = standing.topics.remove(place);
        let is_wanted = !standing.topics.is_empty();
        match &mut standing.phase {
            Phase::Closing { gone, .. } => gone.push(topic),
            Phase::Open(open) if is_wanted => {
                if let Open::Book(book) = open {
                    book.hide(&topic);
                }
                out.push(Output::Tell(Event::Unsubscribed(topic)));
            }
            Phase::Asked { .. } | Phase::Open(_) if !is_wanted => {
                self.close(&feed, vec![topic], now, out);
            }
            Phase::Asked { .. } | Phase::Open(_) | Phase::Resting { .. } => {
                out.push(Output::Tell(Event::Unsubscribed(topic)));
                if !is_wanted {
                    self.feeds.remove(&feed);
                }
            }
        }
        self.reckon();
    }

    /// A product's rows of one channel. What is being closed has nothing to say.
    pub(super) fn on_rows(
        &mut self,
        (channel, product): (Channel, &str),
        rows: &Rows<'_>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let feed = Feed { channel, product: CompactString::from(product) };
        let Some(standing) = self.feeds.get_mut(&feed) else {
            self.stray(feed, now, out);
            return;
        };
        let taken = match &mut standing.phase {
            Phase::Asked { .. } => Open::with(channel, rows, &standing.topics, out),
            Phase::Open(open) => open.take(rows, &standing.topics, out).map(|()| None),
            Phase::Closing { .. } | Phase::Resting { .. } => return,
        };
        match taken {
            Ok(None) => {}
            Ok(Some(open)) => {
                standing.phase = Phase::Open(open);
                self.reckon();
            }
            Err(error) => self.mend(&feed, error, now, out),
        }
    }

    /// The connection lives, and nothing is on its way.
    pub(super) fn rest(&mut self, now: Instant, out: &mut Vec<Output>) {
        let fault = |(feed, standing): (&Feed, &Standing)| match &standing.phase {
            Phase::Open(Open::Book(book)) => book.rest().err().map(|error| (feed.clone(), error)),
            _ => None,
        };
        let faults: Vec<_> = self.feeds.iter().filter_map(fault).collect();
        for (feed, error) in faults {
            self.mend(&feed, error, now, out);
        }
    }

    /// The list of everything that is subscribed to, in answer to a request: the products of each
    /// channel.
    pub(super) fn on_list(
        &mut self,
        list: &HashMap<&str, Vec<&str>>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let is_listed = |feed: &Feed| {
            let products = list.get(feed.channel.as_str());
            products.is_some_and(|products| products.contains(&feed.product.as_str()))
        };
        self.requests.retain(|request| request.until > now);
        // Requests are answered in their order, perhaps several at once.
        while let Some(request) = self.requests.front()
            && is_listed(&request.feed) == request.subscribes
            && let Some(Request { feed, subscribes, .. }) = self.requests.pop_front()
        {
            match (subscribes, self.feeds.get_mut(&feed)) {
                (true, Some(standing))
                    if matches!(standing.phase, Phase::Asked { .. })
                        && feed.channel == Channel::Trades =>
                {
                    // Its snapshot would have come before: there are none.
                    let open = Open::without_trades(&standing.topics, out);
                    standing.phase = Phase::Open(open);
                }
                (false, Some(_)) => self.end(&feed, now, out),
                _ => {}
            }
        }
        let is_lost = |(feed, standing): &(&Feed, &Standing)| {
            matches!(standing.phase, Phase::Open(_))
                && !is_listed(feed)
                && !self.requests.iter().any(|request| request.feed == **feed)
        };
        let lost: Vec<Feed> =
            self.feeds.iter().filter(is_lost).map(|(feed, _)| feed.clone()).collect();
        for feed in lost {
            let closed = UpstreamError::Invalid("the exchange closed the channel".to_owned());
            self.mend(&feed, closed, now, out);
        }
        self.reckon();
    }

    /// A refusal in the exchange's words; it means a request whose product it names, else the
    /// oldest one without an answer.
    pub(super) fn on_error(&mut self, message: &str, now: Instant, out: &mut Vec<Output>) {
        self.requests.retain(|request| request.until > now);
        let words = message.to_lowercase();
        let is_full = words.contains("too many");
        let is_open = |feed: &Feed| {
            let phase = self.feeds.get(feed).map(|standing| &standing.phase);
            matches!(phase, Some(Phase::Open(_)))
        };
        let may_be = |request: &Request| match request.subscribes {
            true if is_full => request.feed.channel == Channel::Book && !is_open(&request.feed),
            true => !is_open(&request.feed),
            false => !is_full,
        };
        let is_named = |request: &Request| message.contains(request.feed.product.as_str());
        let candidates = || (0..).zip(&self.requests).filter(|(_, request)| may_be(request));
        let meant = candidates().find(|(_, request)| is_named(request));
        let meant = meant.or_else(|| candidates().next()).map(|(place, _)| place);
        let request = meant.and_then(|place| self.requests.remove(place));
        let Some(Request { feed, subscribes, .. }) = request else { return };
        if !subscribes {
            self.end(&feed, now, out);
        } else if is_full {
            self.refuse(&feed, &Refused::Full, out);
        } else if words.contains("rate limit") || words.contains("try again") {
            self.refuse(&feed, &Refused::Unanswered, out);
        } else {
            let message = message.to_owned();
            self.refuse(&feed, &Refused::Invalid { code: 0, message }, out);
        }
        self.reckon();
    }

    pub(super) fn on_time(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        let over = |(feed, standing): (&Feed, &Standing)| {
            standing.phase.until().is_some_and(|until| until <= now).then(|| feed.clone())
        };
        let over: Vec<Feed> = self.feeds.iter().filter_map(over).collect();
        for feed in over {
            self.requests.retain(|request| request.feed != feed);
            match self.feeds.get_mut(&feed).map(|standing| &standing.phase) {
                Some(Phase::Asked { .. }) => {
                    // It may be open all the same, and its snapshot on the way.
                    self.send(&feed, false, now, out);
                    self.refuse(&feed, &Refused::Unanswered, out);
                }
                Some(Phase::Closing { .. }) => self.end(&feed, now, out),
                Some(Phase::Resting { .. }) => {
                    if let Some(Standing { topics, .. }) = self.feeds.remove(&feed) {
                        self.ask(feed, topics, Some(now), now, out);
                    }
                }
                Some(Phase::Open(_)) | None => {}
            }
        }
        self.reckon();
    }

    /// Asks for a channel and sends the text. `mended`: because it had broken.
    fn ask(
        &mut self,
        feed: Feed,
        topics: Vec<Arc<Topic>>,
        mended: Option<Instant>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let until = self.send(&feed, true, now, out);
        let phase = Phase::Asked { until };
        self.feeds.insert(feed, Standing { phase, topics, mended, is_broken: false });
    }

    /// Gives until when there has to be an answer: texts wait for those before them.
    fn send(
        &mut self,
        feed: &Feed,
        subscribes: bool,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Instant {
        out.push(Output::Send(feed.message(if subscribes { "subscribe" } else { "unsubscribe" })));
        let gap = Duration::from_secs(1) / PROFILE.live.messages_per_second;
        let sent = self.sent.map_or(now, |sent| sent.max(now)) + gap;
        self.sent = Some(sent);
        let until = sent + self.ack_timeout;
        self.requests.push_back(Request { feed: feed.clone(), subscribes, until });
        until
    }

    /// Asks the exchange to close a channel; `gone` are told when it has.
    fn close(&mut self, feed: &Feed, gone: Vec<Arc<Topic>>, now: Instant, out: &mut Vec<Output>) {
        let until = self.send(feed, false, now, out);
        if let Some(standing) = self.feeds.get_mut(feed) {
            standing.phase = Phase::Closing { until, gone };
        }
    }

    /// A channel is closed, or as good as that.
    fn end(&mut self, feed: &Feed, now: Instant, out: &mut Vec<Output>) {
        let Some(Standing { phase: Phase::Closing { gone, .. }, .. }) = self.feeds.get_mut(feed)
        else {
            return;
        };
        let gone = std::mem::take(gone);
        out.extend(gone.into_iter().map(Event::Unsubscribed).map(Output::Tell));
        let Some(mut standing) = self.feeds.remove(feed).filter(|it| !it.topics.is_empty()) else {
            return;
        };
        let mended = standing.mended.map(|mended| mended + MEND_PAUSE);
        match mended.filter(|until| standing.is_broken && now < *until) {
            Some(until) => {
                standing.phase = Phase::Resting { until };
                self.feeds.insert(feed.clone(), standing);
            }
            None => {
                let mended = standing.is_broken.then_some(now);
                self.ask(feed.clone(), standing.topics, mended, now, out);
            }
        }
    }

    fn mend(&mut self, feed: &Feed, error: UpstreamError, now: Instant, out: &mut Vec<Output>) {
        let Some(standing) = self.feeds.get_mut(feed) else { return };
        let broken = Broken::Invalid(match error {
            UpstreamError::Invalid(why) => why,
            other => other.to_string(),
        });
        let event = |topic: &Arc<Topic>| Event::Broken(Arc::clone(topic), broken.clone());
        out.extend(standing.topics.iter().map(event).map(Output::Tell));
        standing.is_broken = true;
        self.close(feed, Vec::new(), now, out);
        self.reckon();
    }

    fn refuse(&mut self, feed: &Feed, why: &Refused, out: &mut Vec<Output>) {
        let Some(Standing { phase, topics, .. }) = self.feeds.remove(feed) else { return };
        if let Phase::Closing { gone, .. } = phase {
            out.extend(gone.into_iter().map(Event::Unsubscribed).map(Output::Tell));
        }
        let event = |topic: Arc<Topic>| Event::Refused(topic, why.clone());
        out.extend(topics.into_iter().map(event).map(Output::Tell));
    }

    /// A channel that nobody asked for, or whose subscription was taken for refused.
    fn stray(&mut self, feed: Feed, now: Instant, out: &mut Vec<Output>) {
        let strays = self.feeds.values().filter(|standing| standing.topics.is_empty()).count();
        if strays >= MOST_STRAYS || !names::is_id(&feed.product) {
            return;
        }
        let until = self.send(&feed, false, now, out);
        let phase = Phase::Closing { until, gone: Vec::new() };
        let standing = Standing { phase, topics: Vec::new(), mended: None, is_broken: false };
        self.feeds.insert(feed, standing);
        self.reckon();
    }

    fn reckon(&mut self) {
        self.due = self.feeds.values().filter_map(|standing| standing.phase.until()).min();
    }
}

impl Phase {
    fn until(&self) -> Option<Instant> {
        match self {
            Self::Asked { until } | Self::Closing { until, .. } | Self::Resting { until } => {
                Some(*until)
            }
            Self::Open(_) => None,
        }
    }
}

#[cfg(test)]
impl Desk {
    /// Requests without an answer.
    pub(super) fn awaits(&self) -> usize {
        self.requests.len()
    }
}
