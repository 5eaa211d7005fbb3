//! The topics that one client follows, and what he is to be told of them.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;

use super::message::{self, ModeBody, Subject};
use crate::{
    api::problem::{Code, Problem},
    clock::Clock,
    exchange::Topic,
    feed::{Bell, Hub, Item, Resume},
    market::Identity,
    service::{Desk, Followed},
    telemetry::StreamClient,
};

/// Everything that one client follows.
pub(super) struct Following {
    bell: Arc<Bell>,
    pub(super) exchanges: Vec<Group>,
    most: usize,
    clock: Clock,
    client: StreamClient,
    items: Vec<(usize, Item)>,
    taken: Vec<Item>,
}

/// What he follows of one exchange.
pub(super) struct Group {
    name: &'static str,
    hub: Hub,
    pub(super) followed: Vec<(Subject, Followed)>,
    /// Everything up to this number was taken.
    pub(super) upto: u64,
}

/// A message about a topic on its way to a client.
pub(super) struct Telling {
    pub(super) event: &'static str,
    /// Where to go on from after it.
    pub(super) id: CompactString,
    pub(super) text: Bytes,
}

/// How a client's wish to follow a topic was met.
pub(super) struct Joined {
    pub(super) mode: ModeBody,
    /// `continued` where it goes on where he wanted it to, else why it cannot; `None` if he did
    /// not ask.
    pub(super) resume: Option<&'static str>,
}

impl Following {
    /// Nothing yet, and at most `most` topics.
    pub(super) fn new(most: usize, clock: Clock, client: StreamClient) -> Self {
        Self {
            bell: Arc::default(),
            exchanges: Vec::new(),
            most,
            clock,
            client,
            items: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Wakes when there is something to take.
    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Where what is sent is counted.
    pub(super) fn client(&self) -> &StreamClient {
        &self.client
    }

    /// How many topics are followed.
    pub(super) fn topics(&self) -> usize {
        self.exchanges.iter().map(|group| group.followed.len()).sum()
    }

    /// The token of all that was taken; `None` unless it is of exactly one exchange.
    pub(super) fn token(&self) -> Option<CompactString> {
        match self.exchanges.as_slice() {
            [group] => Some(group.hub.token(group.upto)),
            _ => None,
        }
    }

    /// Follows a topic as well, after the token `after` where that can be. Following it twice is
    /// following it once.
    ///
    /// # Errors
    /// The exchange does not offer it, or there are too many topics: his own, or everybody's.
    pub(super) fn follow(
        &mut self,
        desk: &Desk,
        subject: &Subject,
        after: Option<&str>,
    ) -> Result<Joined, Problem> {
        let topic = desk.live.topic(&subject.market, subject.channel)?;
        let mode = || desk.live.mode(&topic).into();
        if self.place(desk, subject, &topic).is_some() {
            return Ok(Joined { mode: mode(), resume: None });
        }
        if self.topics() >= self.most {
            return Err(too_many(self.most));
        }
        let resume = after.map(|token| desk.live.hub().resume(token));
        let number = match resume {
            Some(Resume::After(number)) => Some(number),
            _ => None,
        };
        let market = Some(&subject.market);
        let followed = desk.live.follow(&topic, market, Identity::Price, &self.bell, number);
        let followed = followed.map_err(|full| {
            let mut problem = Problem::new(Code::Overloaded, full.to_string());
            problem.retry_after = Some(super::COME_BACK);
            problem
        })?;
        let resume = resume.map(|resume| match resume {
            Resume::Foreign => "unknown_token",
            Resume::After(_) if followed.follower.resumed() => "continued",
            Resume::After(_) => "too_old",
        });
        let joined = Joined { mode: mode(), resume };
        self.group(desk).followed.push((subject.clone(), followed));
        self.client.follows(self.topics());
        Ok(joined)
    }

    /// Follows a topic no longer; false if he did not.
    ///
    /// # Errors
    /// The exchange does not offer it.
    pub(super) fn leave(&mut self, desk: &Desk, subject: &Subject) -> Result<bool, Problem> {
        let topic = desk.live.topic(&subject.market, subject.channel)?;
        let Some((group, place)) = self.place(desk, subject, &topic) else { return Ok(false) };
        self.exchanges[group].followed.swap_remove(place);
        if self.exchanges[group].followed.is_empty() {
            self.exchanges.swap_remove(group);
        }
        self.client.follows(self.topics());
        Ok(true)
    }

    /// Where a topic is that is followed under this name: aliases of a market share its topics.
    fn place(&self, desk: &Desk, subject: &Subject, topic: &Topic) -> Option<(usize, usize)> {
        let group = self.exchanges.iter().position(|group| group.name == desk.shelf.name())?;
        let followed = &self.exchanges[group].followed;
        let is_it = |(known, followed): &(Subject, Followed)| {
            known.market.symbol == subject.market.symbol
                && **followed.follower.line().topic() == *topic
        };
        Some((group, followed.iter().position(is_it)?))
    }

    fn group(&mut self, desk: &Desk) -> &mut Group {
        let name = desk.shelf.name();
        let known = self.exchanges.iter().position(|group| group.name == name);
        let index = known.unwrap_or_else(|| {
            let hub = desk.live.hub().clone();
            self.exchanges.push(Group { name, upto: hub.published(), hub, followed: Vec::new() });
            self.exchanges.len() - 1
        });
        &mut self.exchanges[index]
    }

    /// Takes what there is, in the order in which it was published; to be called after the bell.
    pub(super) fn take(&mut self) -> Vec<Telling> {
        let mut told = Vec::new();
        for group in &mut self.exchanges {
            group.upto = group.hub.published();
            for (index, (_, followed)) in group.followed.iter_mut().enumerate() {
                followed.follower.take(group.upto, &mut self.taken);
                self.items.extend(self.taken.drain(..).map(|item| (index, item)));
                let left_out = followed.follower.left_out();
                if left_out.conflated + left_out.skipped > 0 {
                    self.client.left_out(left_out.conflated, left_out.skipped);
                }
            }
            self.items.sort_by_key(|(_, item)| item.number());
            let (items, clock) = (self.items.drain(..), &self.clock);
            told.extend(items.filter_map(|(index, item)| group.tell(index, &item, clock)));
        }
        told
    }
}

impl Group {
    pub(super) fn tell(&self, index: usize, item: &Item, clock: &Clock) -> Option<Telling> {
        let (subject, followed) = &self.followed[index];
        // A picture may be newer than what was taken of other topics: who goes on from it would
        // miss what they brought meanwhile.
        let id = self.hub.token(item.number().min(self.upto));
        let named = followed.follower.line().market().map(|market| &market.symbol);
        let is_own_name = named.is_none_or(|symbol| *symbol == subject.market.symbol);
        match item {
            Item::Update(update) => {
                let event = message::event(&update.news)?;
                // A text is made once for all, under the name by which its market is known.
                let text = match update.number <= self.upto && is_own_name {
                    true => update.text(|update| message::text(subject, update, &id)).clone(),
                    false => message::text(subject, update, &id),
                };
                Some(Telling { event, id, text })
            }
            Item::Skipped(count, _) => {
                let mode = followed.follower.line().mode();
                let text = message::skipped(subject, (*count, mode), &id, clock.now());
                Some(Telling { event: "skipped", id, text })
            }
        }
    }
}

/// A client wants to follow more than he may.
pub(super) fn too_many(most: usize) -> Problem {
    let detail = format!("one client may follow {most} topics (stream.max_topics)");
    Problem::new(Code::InvalidParameter, detail)
}
