//! What the streams are called.

use compact_str::{CompactString, format_compact};

use crate::{
    exchange::{Stream, Topic, binance::PROFILE},
    market::Precision,
};

/// The stream that brings a topic; `None` if there is none. Books of any depth come from one
/// stream of changes. Names are in lower case but for what is no market's name.
pub(super) fn stream_of(topic: &Topic) -> Option<CompactString> {
    let id = topic.id.to_lowercase();
    let live = &PROFILE.live;
    Some(match &topic.stream {
        Stream::Ticker => format_compact!("{id}@ticker"),
        Stream::Trades => format_compact!("{id}@aggTrade"),
        Stream::Book { precision: Precision::P0, depth } if live.book_depths.contains(depth) => {
            format_compact!("{id}@depth@100ms")
        }
        Stream::Candles(timeframe) if live.timeframes.contains(timeframe) => {
            format_compact!("{id}@kline_{timeframe}")
        }
        Stream::Book { .. } | Stream::Candles(_) | Stream::Native(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Timeframe;

    #[test]
    fn streams_are_named_in_lower_case_and_intervals_as_they_are() {
        let named = |id: &str, stream| {
            stream_of(&Topic { id: id.into(), stream }).map(|name| name.to_string())
        };
        let book = |precision, depth| Stream::Book { precision, depth };
        for (stream, name) in [
            (Stream::Ticker, "btcusdt@ticker"),
            (Stream::Trades, "btcusdt@aggTrade"),
            (book(Precision::P0, 25), "btcusdt@depth@100ms"),
            (book(Precision::P0, 250), "btcusdt@depth@100ms"),
            (Stream::Candles(Timeframe::M1), "btcusdt@kline_1m"),
            (Stream::Candles(Timeframe::Month), "btcusdt@kline_1M"),
        ] {
            assert_eq!(named("BTCUSDT", stream).as_deref(), Some(name));
        }
        for stream in
            [book(Precision::P1, 25), book(Precision::P0, 1000), Stream::Candles(Timeframe::H3)]
        {
            assert_eq!(named("BTCUSDT", stream), None);
        }
    }
}
