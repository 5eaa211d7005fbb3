//! The settings of `[feed]` and `[stream]`.

use super::{List, hours, millis, secs};
use crate::config::rule;

pub(super) fn live(list: &mut List) {
    list.add("feed.enabled", "Whether the exchange's WebSocket is used.", rule::switch(), |c| {
        &mut c.feed.enabled
    });
    list.add(
        "feed.pinned",
        "Markets that are live from the start and stay so, at every exchange that lists them; \
         `kraken:BTC/USD` at that one only.",
        rule::names(),
        |c| &mut c.feed.pinned,
    );
    list.add("feed.pinned_channels", "What of them.", rule::channels(), |c| {
        &mut c.feed.pinned_channels
    });
    list.add(
        "feed.max_channels",
        "Most channels that are open at once.",
        rule::count(1, 10_000_usize),
        |c| &mut c.feed.max_channels,
    );
    list.add(
        "feed.promote_reads",
        "Reads a minute that earn a key a channel. While most calls that would fetch it have to wait \
         for their turns, one a minute or two within 40 s are enough for a channel that is free.",
        rule::count(1, 1_000_000_u32),
        |c| &mut c.feed.promote_reads,
    );
    list.add(
        "feed.idle",
        "A key that is read less often than what earned its channel for this long gives it back.",
        rule::time(millis(100), hours(24)),
        |c| &mut c.feed.idle,
    );
    list.add(
        "feed.max_silence",
        "A channel that has sent nothing for this long is given up; until then its last word \
         counts as fresh.",
        rule::time(millis(100), hours(1)),
        |c| &mut c.feed.max_silence,
    );
    list.add(
        "feed.connect_interval",
        "The time between two attempts to connect, and before the first one of a process.",
        rule::time(millis(1), hours(1)),
        |c| &mut c.feed.connect_interval,
    );
    list.add(
        "feed.backoff_max",
        "The longest pause after failed attempts to connect.",
        rule::time(millis(10), hours(1)),
        |c| &mut c.feed.backoff_max,
    );
    list.add(
        "feed.ack_timeout",
        "How long the exchange may take to answer a subscription.",
        rule::time(millis(10), secs(300)),
        |c| &mut c.feed.ack_timeout,
    );
    list.add(
        "stream.max_clients",
        "Clients that follow a stream at once; further ones are answered 503.",
        rule::count(1, 1_000_000_usize),
        |c| &mut c.stream.max_clients,
    );
    list.add(
        "stream.max_topics",
        "Topics that one client may follow.",
        rule::count(1, 10_000_usize),
        |c| &mut c.stream.max_topics,
    );
    list.add(
        "stream.max_total_topics",
        "Topics that all clients together may follow.",
        rule::count(1, 100_000_usize),
        |c| &mut c.stream.max_total_topics,
    );
    list.add(
        "stream.buffer",
        "Updates that are kept of each topic, for clients that are slow or come back.",
        rule::count(8, 100_000_usize),
        |c| &mut c.stream.buffer,
    );
    list.add(
        "stream.linger",
        "How long a topic without followers keeps its updates.",
        rule::time(millis(1), hours(1)),
        |c| &mut c.stream.linger,
    );
    list.add(
        "stream.heartbeat",
        "The longest silence towards a client.",
        rule::time(millis(10), hours(1)),
        |c| &mut c.stream.heartbeat,
    );
    list.add(
        "stream.max_message_bytes",
        "Size of one message from a client.",
        rule::size(256_usize, 1024 * 1024),
        |c| &mut c.stream.max_message_bytes,
    );
}
