//! One channel of a client.

use std::sync::Arc;

use tokio::time::Instant;

use super::{frame::Framer, mirror::Mirror};
use crate::{
    api::bitfinex::rows,
    exchange::{Report, Topic},
    feed::{Lapse, Mode, News, Shown, Update},
    market::{Book, Candle, Changes, Identity, Ticker, Trade, UnixMs},
};

/// Trades that a snapshot shows (recorded 2021 and 2025-08).
const SHOWN_TRADES: usize = 30;

/// A channel that a client follows or is about to.
///
/// It begins with a snapshot and from then on tells only what is new, as the exchange does, even
/// where the topic's state is told anew as a whole: clients take a second snapshot for an update
/// and fail (ccxt.pro's books), or for further rows (its trades and candles).
#[derive(Debug)]
pub(super) struct Channel {
    /// Its number on this socket.
    pub(super) id: u64,
    /// What it brings.
    pub(super) topic: Arc<Topic>,
    /// How its topic is fed.
    pub(super) mode: Mode,
    /// What is said once it is known that there is such a channel, and until when that is waited
    /// for. `None`: it has been said.
    pub(super) pending: Option<(Instant, Pending)>,
    content: Content,
    begun: bool,
    /// Rows of changes that are to be sent as one message.
    bulk: String,
}

/// An answer to a subscription that is held back.
#[derive(Debug)]
pub(super) struct Pending {
    /// If there is such a channel.
    pub(super) ack: String,
    /// If there is not.
    pub(super) refusal: String,
    /// If there is no room for a further topic.
    pub(super) no_room: String,
}

/// What kind of rows it brings, and what of them the client has.
#[derive(Debug)]
pub(super) enum Content {
    /// Each row replaces the one before.
    State,
    Trades {
        /// Of a funding currency, whose trades are told by other names.
        funding: bool,
        /// The highest number told.
        newest: i64,
    },
    Book(Mirror),
    Candles {
        /// The latest one told.
        newest: Option<Candle>,
    },
}

impl Content {
    /// That of a channel by its name; of a book, `identity` is that of its rows.
    pub(super) fn of(channel: &str, funding: bool, identity: Identity) -> Self {
        match channel {
            "trades" => Self::Trades { funding, newest: i64::MIN },
            "book" => Self::Book(Mirror::new(identity, funding)),
            "candles" => Self::Candles { newest: None },
            _ => Self::State,
        }
    }
}

/// Where a channel's messages go.
pub(super) struct Pen<'a> {
    pub(super) framer: &'a mut Framer,
    pub(super) wall: UnixMs,
    pub(super) out: &'a mut Vec<String>,
}

impl Pen<'_> {
    pub(super) fn write(&mut self, channel: u64, content: &[&str]) {
        self.framer.write(channel, content, self.wall, self.out);
    }
}

impl Channel {
    pub(super) fn new(id: u64, topic: Arc<Topic>, content: Content) -> Self {
        let (mode, bulk) = (Mode::Starting, String::new());
        Self { id, topic, mode, pending: None, content, begun: false, bulk }
    }

    /// True if heartbeats may say that it lives. During maintenance the exchange goes on with
    /// them.
    pub(super) fn is_alive(&self) -> bool {
        self.pending.is_none()
            && !matches!(self.mode, Mode::Stale(lapse) if lapse != Lapse::Maintenance)
    }

    /// True if an update answers whether there is such a channel.
    pub(super) fn is_answer(&self, update: &Update) -> bool {
        match (&update.news, update.mode) {
            (_, Mode::Live | Mode::Polled) => true,
            (News::Mode(_) | News::Gap(_), _) => false,
            _ => !self.is_outdated(update),
        }
    }

    /// True for a first ticker or book that is not live any more: the protocol cannot say how old
    /// it is. Trades and candles have their times.
    fn is_outdated(&self, update: &Update) -> bool {
        !self.begun
            && matches!(update.mode, Mode::Stale(_))
            && matches!(self.content, Content::State | Content::Book(_))
    }

    /// Tells an update.
    pub(super) fn tell(&mut self, update: &Update, pen: &mut Pen<'_>) {
        if self.is_outdated(update) {
            return;
        }
        match (&mut self.content, &update.news) {
            (
                Content::State,
                News::Snapshot(Shown::Ticker(Ticker { raw, .. }))
                | News::Ticker(Ticker { raw, .. })
                | News::Snapshot(Shown::Row(raw))
                | News::Row(raw),
            ) => {
                self.begun = true;
                pen.write(self.id, &[raw.as_str()]);
            }
            (Content::Trades { .. }, News::Snapshot(Shown::Trades(trades))) => {
                self.trades(trades, pen);
            }
            (Content::Trades { .. }, News::Trade(trade, report)) => {
                self.begun = true;
                self.trade(trade, *report, pen);
            }
            (Content::Book(_), News::Snapshot(Shown::Book(book))) => self.book(book, pen),
            (Content::Book(_), News::Levels(changes)) if self.begun => self.levels(changes, pen),
            (Content::Book(_), News::Checked(sum)) if self.begun => {
                self.flush(pen);
                if pen.framer.checksums() {
                    pen.write(self.id, &["\"cs\",", &sum.to_string()]);
                }
            }
            (Content::Candles { .. }, News::Snapshot(Shown::Candles(bars))) => {
                self.candles(bars, pen);
            }
            (Content::Candles { .. }, News::Candle(candle, _)) => {
                self.begun = true;
                self.candle(candle, pen);
            }
            _ => {}
        }
    }

    /// Writes what has been gathered to be sent at once.
    pub(super) fn flush(&mut self, pen: &mut Pen<'_>) {
        if !self.bulk.is_empty() {
            pen.write(self.id, &["[", &self.bulk, "]"]);
            self.bulk.clear();
        }
    }

    fn trades(&mut self, trades: &[Trade], pen: &mut Pen<'_>) {
        let Content::Trades { newest, .. } = &mut self.content else { return };
        if self.begun {
            let after = *newest;
            for trade in trades.iter().filter(|trade| trade.id > after) {
                self.trade(trade, Report::Executed, pen);
                self.trade(trade, Report::Confirmed, pen);
            }
            return;
        }
        self.begun = true;
        *newest = trades.iter().map(|trade| trade.id).max().unwrap_or(i64::MIN);
        let shown = trades.iter().rev().take(SHOWN_TRADES);
        pen.write(self.id, &["[", &joined(shown.map(|trade| trade.raw.as_str())), "]"]);
    }

    fn trade(&mut self, trade: &Trade, report: Report, pen: &mut Pen<'_>) {
        let Content::Trades { funding, newest } = &mut self.content else { return };
        *newest = trade.id.max(*newest);
        let name = match (report, funding) {
            (Report::Executed, false) => "\"te\",",
            (Report::Confirmed, false) => "\"tu\",",
            (Report::Executed, true) => "\"fte\",",
            (Report::Confirmed, true) => "\"ftu\",",
        };
        pen.write(self.id, &[name, trade.raw.as_str()]);
    }

    fn book(&mut self, book: &Book, pen: &mut Pen<'_>) {
        self.flush(pen);
        let Content::Book(mirror) = &mut self.content else { return };
        let rows = mirror.turn_into(book);
        if !std::mem::replace(&mut self.begun, true) {
            pen.write(self.id, &["[", &rows.join(","), "]"]);
            return;
        }
        rows.iter().for_each(|row| self.row(row, pen));
    }

    fn levels(&mut self, changes: &Changes, pen: &mut Pen<'_>) {
        for change in changes {
            let Content::Book(mirror) = &mut self.content else { return };
            mirror.change(change);
            self.row(change.raw.as_str(), pen);
        }
    }

    fn row(&mut self, row: &str, pen: &mut Pen<'_>) {
        if !pen.framer.bulk() {
            self.flush(pen);
            pen.write(self.id, &[row]);
            return;
        }
        if !self.bulk.is_empty() {
            self.bulk.push(',');
        }
        self.bulk.push_str(row);
    }

    fn candles(&mut self, bars: &[(Candle, bool)], pen: &mut Pen<'_>) {
        let Content::Candles { newest } = &mut self.content else { return };
        if std::mem::replace(&mut self.begun, true) {
            let from = newest.clone();
            let unknown = bars.iter().map(|(bar, _)| bar).filter(|bar| {
                from.as_ref().is_none_or(|told| {
                    bar.open_time > told.open_time
                        || bar.open_time == told.open_time && *bar != told
                })
            });
            unknown.for_each(|bar| self.candle(bar, pen));
            return;
        }
        *newest = bars.last().map(|(bar, _)| bar.clone());
        let rows = bars.iter().rev().map(|(bar, _)| rows::candle(bar));
        pen.write(self.id, &["[", &joined(rows), "]"]);
    }

    /// That a bucket is over is nothing new to those who see only its row.
    fn candle(&mut self, candle: &Candle, pen: &mut Pen<'_>) {
        let Content::Candles { newest } = &mut self.content else { return };
        match newest {
            Some(told) if told == candle => return,
            Some(told) if told.open_time > candle.open_time => {}
            _ => *newest = Some(candle.clone()),
        }
        pen.write(self.id, &[&rows::candle(candle)]);
    }
}

fn joined(rows: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut text = String::new();
    for row in rows {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(row.as_ref());
    }
    text
}
