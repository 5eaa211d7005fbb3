//! The values that labels of metrics can have.

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The label's text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Position in [`Self::ALL`].
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

labels! {
    /// What a client asked for.
    #[expect(missing_docs, reason = "the variants are their names")]
    Endpoint {
        Ohlcv = "ohlcv",
        Ticker = "ticker",
        Tickers = "tickers",
        Orderbook = "orderbook",
        Trades = "trades",
        MarketContext = "market_context",
        MarketContexts = "market_contexts",
        ValidateMarket = "validate_market",
        Markets = "markets",
        Exchanges = "exchanges",
        Stream = "stream",
        Ws = "ws",
        V2Ticker = "v2_ticker",
        V2Tickers = "v2_tickers",
        V2Trades = "v2_trades",
        V2Book = "v2_book",
        V2Candles = "v2_candles",
        V2Conf = "v2_conf",
        V2Status = "v2_status",
        V2Stats = "v2_stats",
        V2Ws = "v2_ws",
        Ops = "ops",
        Unknown = "unknown",
    }
}

labels! {
    /// How a request ended.
    Outcome {
        /// 2xx.
        Ok = "ok",
        /// 304.
        NotModified = "not_modified",
        /// 4xx: the client's mistake.
        ClientError = "client_error",
        /// 429 or 503: budget, ban, breaker, overload, drain.
        Refused = "refused",
        /// 502 or 504: the exchange failed.
        UpstreamError = "upstream_error",
        /// Any other 5xx.
        InternalError = "internal_error",
    }
}

impl Outcome {
    /// The outcome that a status stands for.
    pub const fn of_status(status: u16) -> Self {
        match status {
            304 => Self::NotModified,
            0..400 => Self::Ok,
            429 | 503 => Self::Refused,
            // What an exchange does not offer is asked for in vain, and no fault of ours.
            400..=499 | 501 => Self::ClientError,
            502 | 504 => Self::UpstreamError,
            _ => Self::InternalError,
        }
    }
}

labels! {
    /// A kind of data, as policies of the cache distinguish them.
    #[expect(missing_docs, reason = "the variants are their names")]
    DataKind {
        Ticker = "ticker",
        Orderbook = "orderbook",
        Ohlcv = "ohlcv",
        History = "history",
        Trades = "trades",
        Markets = "markets",
        Status = "status",
    }
}

labels! {
    /// Where a value came from.
    Source {
        /// One request to the exchange.
        Rest = "rest",
        /// The exchange's WebSocket.
        Stream = "stream",
        /// Disk.
        Store = "store",
    }
}

labels! {
    /// Whether the store does its work.
    StoreState {
        /// There is none.
        Off = "off",
        /// It is read and written.
        On = "on",
        /// It cannot be written for want of room.
        Full = "full",
        /// It cannot be written, or not be used at all.
        Failing = "failing",
    }
}

labels! {
    /// What went wrong in the store.
    StoreFault {
        /// There is no room.
        Full = "full",
        /// Another process held the file for too long.
        Busy = "busy",
        /// The file is damaged.
        Corrupt = "corrupt",
        /// The file is another application's, or a later version's.
        Foreign = "foreign",
        /// Too much waits to be written.
        Overloaded = "overloaded",
        /// The file or its directory refuses.
        Failing = "failing",
        /// It was asked to write when it was closed, or what contradicts itself.
        Refused = "refused",
    }
}

labels! {
    /// How the cache answered.
    CacheOutcome {
        /// A fresh entry.
        Hit = "hit",
        /// An entry past its ttl, served while it is fetched anew or because that failed.
        Stale = "stale",
        /// Nothing usable: this request started the fetch.
        Miss = "miss",
        /// An entry too old to be served: this request started the fetch of its successor.
        Expired = "expired",
        /// Nothing usable: this request joined a fetch that was under way.
        Collapsed = "collapsed",
        /// A failure remembered from a moment ago.
        Negative = "negative",
    }
}

labels! {
    /// How a client follows a stream.
    StreamKind {
        /// Server-sent events.
        Sse = "sse",
        /// The gateway's own WebSocket.
        Ws = "ws",
        /// The WebSocket in the exchange's own terms.
        Bitfinex = "bitfinex",
    }
}

labels! {
    /// Who waits for a call.
    Wait {
        /// A client's request.
        Client = "client",
        /// A refresh of data that is still being served.
        Refresh = "refresh",
        /// Warm-up and backfill.
        Background = "background",
    }
}

labels! {
    /// State of a breaker.
    BreakerState {
        /// Calls pass.
        Closed = "closed",
        /// One probe passes.
        HalfOpen = "half_open",
        /// No call passes.
        Open = "open",
    }
}

labels! {
    /// What a live channel brings.
    #[expect(missing_docs, reason = "the variants are their names")]
    FeedKind {
        Ticker = "ticker",
        Trades = "trades",
        Book = "book",
        Candles = "candles",
        Native = "native",
    }
}

labels! {
    /// Why a live channel was asked for anew.
    Resync {
        /// It sent nothing.
        Silent = "silent",
        /// It sent heartbeats, and no data for suspiciously long.
        Suspected = "suspected",
        /// Its book's checksum did not hold.
        Checksum = "checksum",
        /// It brought what cannot be true.
        Invalid = "invalid",
        /// The exchange paused.
        Maintenance = "maintenance",
    }
}

labels! {
    /// Why a connection to an exchange's WebSocket had to be made anew.
    Reconnect {
        /// It was gone.
        Disconnected = "disconnected",
        /// A message was lost.
        Lost = "lost",
        /// The exchange asked for it.
        Restart = "restart",
        /// The exchange spoke another protocol.
        Protocol = "protocol",
        /// Nothing came any more.
        Silent = "silent",
        /// A channel stayed silent or broken, and asking for it anew did not help.
        Channel = "channel",
        /// Its task panicked.
        Panic = "panic",
        /// The exchange was about to end it: another one took its place before that.
        Replaced = "replaced",
    }
}

labels! {
    /// How an attempt to connect to an exchange's WebSocket ended.
    Connect {
        /// The connection was made.
        Ok = "ok",
        /// The exchange refused: too many attempts.
        Blocked = "blocked",
        /// No connection could be made.
        Failed = "failed",
        /// None was made in time.
        Timeout = "timeout",
    }
}
