//! Names of streams.

use crate::sim::binance::{kline::Interval, listing::Listing};

/// What a stream's name asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Trades {
        aggregate: bool,
    },
    /// Changes of the book.
    Depth,
    /// The whole top of the book.
    Top {
        levels: usize,
    },
    Best,
    Ticker {
        full: bool,
    },
    Kline(Interval),
    /// Small tickers of all symbols.
    AllTickers,
    /// A name that means nothing: it is acknowledged all the same.
    Silent,
}

impl Stream {
    /// The stream and the place of its symbol in the listing. Names are in lower case.
    pub(super) fn parse(name: &str, listing: &Listing) -> (Self, Option<usize>) {
        const NOTHING: (Stream, Option<usize>) = (Stream::Silent, None);
        if name == "!miniTicker@arr" {
            return (Self::AllTickers, None);
        }
        let Some((symbol, kind)) = name.split_once('@') else { return NOTHING };
        if symbol.chars().any(char::is_uppercase) {
            return NOTHING;
        }
        let Some(place) = listing.place(&symbol.to_uppercase()) else { return NOTHING };
        let pace = |rest: &str| rest.is_empty() || rest == "@100ms" || rest == "@1000ms";
        let stream = match kind {
            "trade" => Self::Trades { aggregate: false },
            "aggTrade" => Self::Trades { aggregate: true },
            "bookTicker" => Self::Best,
            "ticker" => Self::Ticker { full: true },
            "miniTicker" => Self::Ticker { full: false },
            other => {
                let kline = other.strip_prefix("kline_").and_then(Interval::parse);
                let depth = other.strip_prefix("depth").map(|rest| {
                    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                    rest.split_at(digits)
                });
                match (kline, depth) {
                    (Some(interval), _) => Self::Kline(interval),
                    (_, Some(("", rest))) if pace(rest) => Self::Depth,
                    (_, Some((levels @ ("5" | "10" | "20"), rest))) if pace(rest) => {
                        Self::Top { levels: levels.parse().unwrap_or(5) }
                    }
                    _ => return NOTHING,
                }
            }
        };
        (stream, Some(place))
    }

    /// The name that rules of faults have for it.
    pub(super) const fn channel(self) -> &'static str {
        match self {
            Self::Trades { .. } => "trades",
            Self::Depth | Self::Top { .. } => "book",
            Self::Best | Self::Ticker { .. } | Self::AllTickers => "ticker",
            Self::Kline(_) => "candles",
            Self::Silent => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{market::UnixMs, sim::MarketEngine};

    #[test]
    fn names_are_read_and_what_means_nothing_is_silent() {
        let now = UnixMs::from_millis(1_795_360_452_345);
        let listing = Listing::new(&MarketEngine::new(1, now, now));
        let parse = |name| Stream::parse(name, &listing).0;
        assert_eq!(parse("btcusdt@depth"), Stream::Depth);
        assert_eq!(parse("btcusdt@depth@100ms"), Stream::Depth);
        assert_eq!(parse("btcusdt@depth20@100ms"), Stream::Top { levels: 20 });
        assert_eq!(parse("btcusdt@aggTrade"), Stream::Trades { aggregate: true });
        assert_eq!(parse("btcusdt@kline_1M"), Stream::Kline(Interval::parse("1M").unwrap()));
        assert_eq!(parse("!miniTicker@arr"), Stream::AllTickers);
        for silent in [
            "BTCUSDT@depth",
            "btcusdt@depth7",
            "btcusdt@depth@250ms",
            "btcusdt@kline_1H",
            "nothing@trade",
            "btcusdt",
            "!ticker@arr",
            "",
        ] {
            assert_eq!(parse(silent), Stream::Silent, "{silent}");
        }
    }
}
