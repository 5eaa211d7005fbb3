//! What clients say, read without being answered.

use super::{bitfinex, stream};

/// Which readers make sense of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Understood {
    /// It is a message for `/api/market-data/ws`.
    pub stream: bool,
    /// It is one for `/ws/2`; a subscription, if it is one, names something that can be.
    pub exchange: bool,
    /// As a path with its query, it is a route of `/v2`.
    pub route: bool,
}

/// Reads a text as every reader of clients' messages does. Nothing is done about it: this is for
/// those who look for texts that a reader cannot bear.
pub fn understood(text: &str) -> Understood {
    Understood {
        stream: stream::is_message(text),
        exchange: bitfinex::is_message(text),
        route: bitfinex::is_route(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_knows_its_own() {
        let nobody = Understood::default();
        for (text, expected) in [
            (
                r#"{"op":"subscribe","symbols":["BTC/USD"],"channels":["ticker"]}"#,
                // What has no event is an unknown one to the exchange.
                Understood { stream: true, exchange: true, ..nobody },
            ),
            (
                r#"{"event":"subscribe","channel":"book","symbol":"tBTCUSD","prec":"R0"}"#,
                Understood { exchange: true, ..nobody },
            ),
            (r#"{"event":"subscribe","channel":"book","symbol":"tBTCUSD","prec":"P9"}"#, nobody),
            ("/v2/ticker/tBTCUSD", Understood { route: true, ..nobody }),
            ("/v2/book/tBTCUSD/P0?len=25", Understood { route: true, ..nobody }),
            ("/v2/auth/w/order/submit", nobody),
            ("", nobody),
        ] {
            assert_eq!(understood(text), expected, "{text}");
        }
    }
}
