//! Entries of the cache that a channel keeps up to date.

use std::sync::Arc;

use super::{
    refill::Hole,
    sink::{LiveSink, Place, is_kept},
    tail::{Held, Tail},
    topics::{Content, State},
};
use crate::{
    cache::{Entry, Loaded, Source},
    exchange::{Stream, Topic},
    feed::Line,
    market::{Candle, Ticker, Timeframe, Trade},
    service::{Series, Value, candles::is_closed},
};

impl LiveSink {
    pub(super) fn keep_ticker(&self, state: &mut State, place: Place, ticker: &Ticker) {
        self.keep(state, &place, |_| Some(Value::Ticker(ticker.clone())));
    }

    /// Keeps the line's book, which is known to be right as it stands.
    pub(super) fn keep_book(&self, state: &mut State, place: Place, line: Option<&Line>) {
        state.content = Content::Book { is_verified: true };
        let book = line.and_then(Line::book);
        // An empty book is not believed when it is fetched either.
        let book = book.filter(|book| !(book.bids.is_empty() && book.asks.is_empty()));
        if let Some(book) = book {
            self.keep(state, &place, |_| Some(Value::Book(book)));
        }
    }

    /// Keeps the channel's trades behind those that are held, if nothing is missing in between.
    pub(super) fn keep_trades(&self, state: &mut State, place: Place) {
        let Content::Trades(tail) = &state.content else { return };
        if tail.rows().is_empty() {
            return;
        }
        let (tail, most) = (tail.clone(), self.shelf.exchange.profile().max_trades);
        self.keep(state, &place, |held| {
            let held = held.and_then(|entry| held_trades(entry));
            Some(Value::Trades(match held {
                Some(held) if held.meets(&tail) => tail.after(&held, most),
                held => tail.alone(held.map_or(0, |held| held.depth()), most),
            }))
        });
    }

    /// Keeps the channel's candles behind those that are held; if some may be missing in between,
    /// without those, and tells so.
    pub(super) fn keep_candles(
        &self,
        state: &mut State,
        topic: &Topic,
        place: &Place,
    ) -> Option<Hole> {
        let (Content::Candles(tail), Stream::Candles(timeframe)) = (&state.content, &topic.stream)
        else {
            return None;
        };
        let first = tail.rows().first()?.open_time;
        let (tail, most) = (tail.clone(), self.shelf.exchange.profile().max_candles);
        let mut hole = None;
        self.keep(state, place, |entry| {
            let held = entry.and_then(|entry| Some((entry, held_candles(entry)?)));
            Some(Value::Candles(match held {
                Some((entry, held)) if meets(entry, &held, &tail, *timeframe) => {
                    tail.after(&held, most)
                }
                Some((entry, held)) => {
                    let after = held.series.rows.last().map(|row| row.open_time);
                    let timeframe = *timeframe;
                    hole =
                        after.map(|after| Hole { older: entry.clone(), timeframe, after, first });
                    tail.alone(held.depth(), most)
                }
                None => tail.alone(0, most),
            }))
        });
        hole
    }

    /// Puts what `make` makes of what is held, unless that is newer.
    pub(super) fn keep(
        &self,
        state: &mut State,
        place: &Place,
        make: impl FnOnce(Option<&Arc<Entry<Value>>>) -> Option<Value>,
    ) {
        let (kind, policy) = (place.kind, self.policy(place.kind));
        let mut is_made = false;
        let entry = self.shelf.cache.revise(place.key.clone(), place.at, |held| {
            let is_newer = held.is_some_and(|held| held.stamp.received > place.at);
            let value = if is_newer { None } else { make(held) }?;
            is_made = true;
            Some(Loaded { value, kind, policy, source: Source::Stream })
        });
        let entry = entry.filter(|entry| is_made || is_kept(state, &entry.stamp));
        state.kept = entry.map(|entry| entry.stamp.clone());
    }
}

/// True if no candle can be missing between those held and those of the tail: they overlap, or
/// the last one held was final and the tail begins right behind it.
fn meets(
    entry: &Entry<Value>,
    held: &Held<'_, Candle>,
    tail: &Tail<Candle>,
    timeframe: Timeframe,
) -> bool {
    let (Some(last), Some(first)) = (held.series.rows.last(), tail.rows().first()) else {
        return false;
    };
    let is_adjacent = || timeframe.end_of(last.open_time) >= first.open_time;
    let is_final = || is_closed(timeframe, last.open_time, entry.stamp.received_at);
    last.open_time >= first.open_time || (is_adjacent() && is_final())
}

fn held_trades(entry: &Entry<Value>) -> Option<Held<'_, Trade>> {
    match &*entry.value {
        Value::Trades(series) => held(entry, series),
        _ => None,
    }
}

pub(super) fn held_candles(entry: &Entry<Value>) -> Option<Held<'_, Candle>> {
    match &*entry.value {
        Value::Candles(series) => held(entry, series),
        _ => None,
    }
}

/// A series without rows tells nothing but how many are wanted, which has been forgotten soon
/// enough.
fn held<'a, T>(entry: &Entry<Value>, series: &'a Series<T>) -> Option<Held<'a, T>> {
    let is_fetched = entry.stamp.source == Source::Rest;
    (!series.rows.is_empty()).then_some(Held { series, is_fetched })
}
