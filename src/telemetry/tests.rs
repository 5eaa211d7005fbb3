//! The exposition text, and what `/api/status` reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::advance;

use super::*;
use crate::exchange::{Family, TransportFault, UpstreamError};

/// Every series of a text with its value; fails on text that is not in the format's shape.
fn series(text: &str) -> BTreeMap<String, f64> {
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(words.ends_with('.') || words.ends_with(')'), "{line}");
            assert!(helped.insert(name), "two HELP lines: {line}");
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(helped.contains(name), "no HELP before {line}");
            assert_eq!(kinds.insert(name, kind), None, "two TYPE lines: {line}");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let family = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| {
            name.strip_suffix(suffix).filter(|name| kinds.get(name) == Some(&"histogram"))
        });
        let kind = kinds.get(family.unwrap_or(name)).unwrap_or_else(|| panic!("no TYPE: {line}"));
        assert_eq!(name.ends_with("_total"), *kind == "counter", "{line}");
        assert!(name.starts_with("tidegate_") || name.starts_with("process_"), "{line}");
        let previous = found.insert(series.to_owned(), value.parse().unwrap());
        assert_eq!(previous, None, "twice: {line}");
    }
    found
}

fn value(metrics: &Metrics, name: &str) -> f64 {
    let all = series(&metrics.render());
    *all.get(name).unwrap_or_else(|| panic!("no series {name}"))
}

#[test]
fn everything_that_can_happen_stands_at_zero_from_the_start() {
    let metrics = Metrics::new();
    metrics.expect_tasks(&["accept", "feed"]);
    metrics.family("bitfinex", Family::Candles.as_str());
    let feed = metrics.feed("bitfinex");
    assert_eq!(feed.totals(), FeedTotals::default());
    let all = series(&metrics.render());
    let count = |start: &str| all.keys().filter(|name| name.starts_with(start)).count();

    assert_eq!(count("tidegate_requests_total{"), Endpoint::ALL.len() * Outcome::ALL.len());
    assert_eq!(count("tidegate_request_duration_seconds_count{"), Endpoint::ALL.len());
    assert_eq!(count("tidegate_request_duration_seconds_bucket{"), Endpoint::ALL.len() * 18);
    assert_eq!(
        count("tidegate_cache_lookups_total{"),
        DataKind::ALL.len() * CacheOutcome::ALL.len()
    );
    assert_eq!(count("tidegate_served_age_seconds_count{"), DataKind::ALL.len());
    assert_eq!(count("tidegate_upstream_calls_total{"), 12);
    assert_eq!(count("tidegate_upstream_refusals_total{"), 7);
    assert_eq!(count("tidegate_upstream_call_duration_seconds_count{"), 1);
    assert_eq!(count("tidegate_upstream_wait_seconds_count{"), Wait::ALL.len());
    assert_eq!(count("tidegate_upstream_units_total{"), Wait::ALL.len());
    assert_eq!(count("tidegate_breaker_state{"), BreakerState::ALL.len());
    assert_eq!(count("tidegate_task_panics_total{"), 2);
    assert_eq!(count("tidegate_feed_messages_total{"), FeedKind::ALL.len());
    assert_eq!(count("tidegate_feed_last_message_age_seconds{"), 2 * FeedKind::ALL.len());
    assert_eq!(count("tidegate_feed_resyncs_total{"), Resync::ALL.len());
    assert_eq!(count("tidegate_feed_reconnects_total{"), Reconnect::ALL.len());
    assert_eq!(count("tidegate_feed_connect_attempts_total{"), Connect::ALL.len());
    for name in ["bytes", "checksum_failures", "promotions", "demotions"] {
        assert_eq!(count(&format!("tidegate_feed_{name}_total{{")), 1);
    }
    assert_eq!(count("tidegate_feed_connected{") + count("tidegate_feed_channels{"), 2);
    for name in ["limit", "learned", "left", "waiting"] {
        assert_eq!(count(&format!("tidegate_budget_{name}{{")), 1);
    }
    for name in ["entries", "bytes"] {
        assert_eq!(all[&format!("tidegate_cache_{name}")], 0.0);
    }
    assert_eq!(count("tidegate_store_errors_total{"), StoreFault::ALL.len());
    assert_eq!(count("tidegate_store_state{"), StoreState::ALL.len());
    assert_eq!(all["tidegate_store_state{state=\"off\"}"], 1.0);
    assert_eq!(all["tidegate_connections_open"], 0.0);
    assert_eq!(all["tidegate_connections_refused_total"], 0.0);
    assert_eq!(all["tidegate_ban_seconds{exchange=\"bitfinex\",family=\"candles\"}"], 0.0);
    assert_eq!(all["tidegate_build_info{version=\"0.1.0\"}"], 1.0);
    for (name, value) in &all {
        if ["_total", "_bucket", "_count", "_sum"].iter().any(|part| name.contains(part))
            && name.starts_with("tidegate_")
        {
            assert_eq!(*value, 0.0, "{name}");
        }
    }
}

#[test]
fn what_happened_is_counted_where_it_belongs() {
    let metrics = Metrics::new();
    metrics.answered(Endpoint::Ticker, Outcome::Ok, Duration::from_micros(80));
    metrics.answered(Endpoint::Ticker, Outcome::Ok, Duration::from_secs(20));
    metrics.looked_up(DataKind::Ohlcv, CacheOutcome::Collapsed);
    metrics.served(DataKind::Status, Duration::from_millis(1_500));
    metrics.cache_holds(3, 1234);
    metrics.connections(7);
    metrics.connection_refused();
    metrics.task_panicked("feed");
    let all = series(&metrics.render());
    for (name, expected) in [
        ("tidegate_requests_total{endpoint=\"ticker\",outcome=\"ok\"}", 2.0),
        ("tidegate_requests_total{endpoint=\"tickers\",outcome=\"ok\"}", 0.0),
        ("tidegate_request_duration_seconds_bucket{endpoint=\"ticker\",le=\"0.00005\"}", 0.0),
        ("tidegate_request_duration_seconds_bucket{endpoint=\"ticker\",le=\"0.0001\"}", 1.0),
        ("tidegate_request_duration_seconds_bucket{endpoint=\"ticker\",le=\"10\"}", 1.0),
        ("tidegate_request_duration_seconds_count{endpoint=\"ticker\"}", 2.0),
        ("tidegate_request_duration_seconds_sum{endpoint=\"ticker\"}", 20.00008),
        ("tidegate_cache_lookups_total{kind=\"ohlcv\",outcome=\"collapsed\"}", 1.0),
        ("tidegate_served_age_seconds_bucket{kind=\"status\",le=\"1\"}", 0.0),
        ("tidegate_served_age_seconds_bucket{kind=\"status\",le=\"2.5\"}", 1.0),
        ("tidegate_served_age_seconds_bucket{kind=\"status\",le=\"86400\"}", 1.0),
        ("tidegate_served_age_seconds_sum{kind=\"status\"}", 1.5),
        ("tidegate_cache_entries", 3.0),
        ("tidegate_cache_bytes", 1234.0),
        ("tidegate_connections_open", 7.0),
        ("tidegate_connections_refused_total", 1.0),
        ("tidegate_task_panics_total{task=\"feed\"}", 1.0),
    ] {
        assert_eq!(all.get(name), Some(&expected), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_family_shows_calls_waits_budget_breaker_and_ban() {
    let metrics = Metrics::new();
    let candles = metrics.family("bitfinex", "candles");
    candles.called("ok", Duration::from_millis(150));
    metrics.family("bitfinex", "candles").called("rate_limited", Duration::from_millis(50));
    candles.called("a result that nobody foresaw", Duration::ZERO);
    candles.waited(Wait::Refresh, Duration::from_secs(3), 5);
    candles.waited(Wait::Refresh, Duration::from_secs(1), 2);
    candles.refused("queue_full");
    candles.budget(Duration::from_millis(1_600), 30, 25, 12, 4);
    candles.breaker(BreakerState::Open);
    candles.banned_for(Duration::from_secs(60));
    advance(Duration::from_secs(18)).await;

    let all = series(&metrics.render());
    let of = |name: &str, more: &str| {
        let labels = format!("{{exchange=\"bitfinex\",family=\"candles\"{more}}}");
        all[&format!("tidegate_{name}{labels}")]
    };
    assert_eq!(of("upstream_calls_total", ",result=\"ok\""), 1.0);
    assert_eq!(of("upstream_calls_total", ",result=\"rate_limited\""), 1.0);
    assert_eq!(of("upstream_calls_total", ",result=\"other\""), 1.0);
    assert_eq!(of("upstream_call_duration_seconds_bucket", ",le=\"0.1\""), 2.0);
    assert_eq!(of("upstream_call_duration_seconds_count", ""), 3.0);
    assert_eq!(of("upstream_wait_seconds_bucket", ",class=\"refresh\",le=\"2\""), 1.0);
    assert_eq!(of("upstream_wait_seconds_bucket", ",class=\"refresh\",le=\"5\""), 2.0);
    assert_eq!(of("upstream_units_total", ",class=\"refresh\""), 7.0);
    assert_eq!(of("upstream_units_total", ",class=\"client\""), 0.0);
    assert_eq!(of("upstream_refusals_total", ",reason=\"queue_full\""), 1.0);
    assert_eq!(of("budget_window_seconds", ""), 1.6);
    assert_eq!(of("budget_limit", ""), 30.0);
    assert_eq!(of("budget_learned", ""), 25.0);
    assert_eq!(of("budget_left", ""), 12.0);
    assert_eq!(of("budget_waiting", ""), 4.0);
    assert_eq!(of("breaker_state", ",state=\"open\""), 1.0);
    assert_eq!(of("breaker_state", ",state=\"closed\""), 0.0);
    assert_eq!(of("ban_seconds", ""), 42.0);

    candles.banned_for(Duration::ZERO);
    let ban = "tidegate_ban_seconds{exchange=\"bitfinex\",family=\"candles\"}";
    assert_eq!(value(&metrics, ban), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_feed_shows_what_happened_and_its_ages_count_up() {
    let metrics = Metrics::new();
    let feed = metrics.feed("bitfinex");
    feed.open(2, 31);
    feed.message(FeedKind::Trades);
    metrics.feed("bitfinex").message(FeedKind::Trades);
    feed.received(120);
    feed.received(3);
    feed.resynced(Resync::Checksum);
    feed.reconnected(Reconnect::Lost);
    feed.attempted(Connect::Blocked);
    feed.moved(4, 1);
    let median = tokio::time::Instant::now();
    advance(Duration::from_secs(3)).await;
    let worst = median - Duration::from_secs(2);
    feed.last_words(FeedKind::Book, Some(LastWords { worst, median }));
    advance(Duration::from_secs(1)).await;

    let all = series(&metrics.render());
    let of = |name: &str, more: &str| {
        all[&format!("tidegate_feed_{name}{{exchange=\"bitfinex\"{more}}}")]
    };
    assert_eq!((of("connected", ""), of("channels", "")), (2.0, 31.0));
    assert_eq!(of("messages_total", ",kind=\"trades\""), 2.0);
    assert_eq!(of("bytes_total", ""), 123.0);
    assert_eq!(of("resyncs_total", ",reason=\"checksum\""), 1.0);
    assert_eq!(of("checksum_failures_total", ""), 1.0);
    assert_eq!(of("reconnects_total", ",reason=\"lost\""), 1.0);
    assert_eq!(of("connect_attempts_total", ",outcome=\"blocked\""), 1.0);
    assert_eq!((of("promotions_total", ""), of("demotions_total", "")), (4.0, 1.0));
    let age = "last_message_age_seconds";
    assert_eq!(of(age, ",kind=\"book\",stat=\"worst\""), 6.0);
    assert_eq!(of(age, ",kind=\"book\",stat=\"median\""), 4.0);
    assert_eq!(of(age, ",kind=\"ticker\",stat=\"worst\""), 0.0);
    feed.last_words(FeedKind::Book, None);
    let gone = "tidegate_feed_last_message_age_seconds{exchange=\"bitfinex\",kind=\"book\",stat=\"worst\"}";
    assert_eq!(value(&metrics, gone), 0.0);
}

#[test]
fn labels_are_bounded() {
    let metrics = Metrics::new();
    let family = metrics.family("bitfinex", "book");
    let before = series(&metrics.render()).len();
    for name in ["what", "ever", "comes", "here"] {
        family.called(name, Duration::ZERO);
        family.refused(name);
    }
    metrics.family("bitfinex", "book").called("ok", Duration::ZERO);
    assert_eq!(series(&metrics.render()).len(), before);
    let other =
        "tidegate_upstream_refusals_total{exchange=\"bitfinex\",family=\"book\",reason=\"other\"}";
    assert_eq!(value(&metrics, other), 4.0);
}

#[test]
fn every_upstream_error_has_its_own_result() {
    let faults = [TransportFault::Connect, TransportFault::Cut, TransportFault::Timeout];
    let errors = faults.map(UpstreamError::Transport).into_iter().chain([
        UpstreamError::RateLimited { retry_after: None },
        UpstreamError::Banned { retry_after: None },
        UpstreamError::Restricted { status: 451 },
        UpstreamError::Maintenance,
        UpstreamError::Rejected { code: 10020, message: String::new() },
        UpstreamError::Unavailable { status: 503 },
        UpstreamError::Invalid(String::new()),
    ]);
    for error in errors {
        assert!(family::RESULTS[..11].contains(&error.label()), "{}", error.label());
    }
}

#[test]
fn two_gateways_in_one_process_share_nothing() {
    let (one, two) = (Metrics::new(), Metrics::new());
    one.answered(Endpoint::Ticker, Outcome::Ok, Duration::from_millis(1));
    one.looked_up(DataKind::Ticker, CacheOutcome::Hit);
    one.served(DataKind::Ticker, Duration::from_secs(1));
    one.family("bitfinex", "ticker").called("ok", Duration::from_millis(1));
    two.family("bitfinex", "ticker");
    one.connection_refused();
    one.task_panicked("feed");
    assert_eq!(two.totals(), Totals::default());
    for (name, value) in series(&two.render()) {
        assert!(!name.contains("task_panics"), "{name}");
        if name.starts_with("tidegate_") && (name.contains("_total") || name.contains("_count")) {
            assert_eq!(value, 0.0, "{name}");
        }
    }
}

#[test]
fn totals_leave_out_the_operators_own_requests() {
    let metrics = Metrics::new();
    for endpoint in [Endpoint::Ticker, Endpoint::V2Candles, Endpoint::Unknown, Endpoint::Ops] {
        metrics.answered(endpoint, Outcome::ClientError, Duration::from_millis(1));
    }
    for outcome in CacheOutcome::ALL {
        metrics.gave(*outcome, Source::Stream);
    }
    let (ticker, book) = (metrics.family("bitfinex", "ticker"), metrics.family("other", "book"));
    ticker.called("ok", Duration::ZERO);
    ticker.called("rate_limited", Duration::ZERO);
    book.called("timeout", Duration::ZERO);
    let expected = Totals {
        requests: 3,
        from_cache: 2,
        from_streams: 6,
        collapsed: 1,
        upstream_calls: 3,
        rate_limited: 1,
    };
    assert_eq!(metrics.totals(), expected);
}

#[tokio::test(start_paused = true)]
async fn p99_is_of_the_last_minute() {
    let metrics = Metrics::new();
    assert_eq!(metrics.p99(), None);
    for _ in 0..1000 {
        metrics.answered(Endpoint::Ops, Outcome::Ok, Duration::from_secs(1));
        metrics.answered(Endpoint::Ticker, Outcome::Ok, Duration::from_secs(4));
    }
    assert_eq!(metrics.p99(), Some(Duration::from_millis(4_970)));
    for second in 0..62 {
        metrics.upkeep();
        if second == 30 {
            for _ in 0..100 {
                metrics.answered(Endpoint::V2Book, Outcome::Ok, Duration::from_micros(70));
            }
            assert_eq!(metrics.p99(), Some(Duration::from_nanos(4_967_000_000)));
        }
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(metrics.p99(), Some(Duration::from_nanos(99_500)));
    for _ in 0..60 {
        metrics.upkeep();
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(metrics.p99(), None);
    assert_eq!(metrics.uptime(), Duration::from_secs(122));
}

#[test]
fn those_who_follow_streams_are_counted_while_they_are_there() {
    let metrics = Metrics::new();
    let kinds = |name: &str| -> Vec<f64> {
        let label =
            |kind: &StreamKind| format!("tidegate_stream_{name}{{kind=\"{}\"}}", kind.as_str());
        StreamKind::ALL.iter().map(|kind| value(&metrics, &label(kind))).collect()
    };
    let names = ["clients", "topics", "messages_total", "bytes_total", "conflated_total"];
    for name in names.into_iter().chain(["skipped_total", "goaways_total"]) {
        assert_eq!(kinds(name), [0.0; 3], "{name}");
    }
    let mut client = metrics.stream(StreamKind::Ws).client(ClientId::ANONYMOUS);
    let other = metrics.stream(StreamKind::Ws).client(ClientId::ANONYMOUS);
    client.follows(5);
    client.follows(3);
    client.sent(2, 700);
    client.left_out(4, 1);
    other.sent_away();
    assert_eq!((kinds("clients"), kinds("topics")), (vec![0.0, 2.0, 0.0], vec![0.0, 3.0, 0.0]));
    let shown = StreamTotals {
        clients: 2,
        topics: 3,
        messages: 2,
        bytes: 700,
        conflated: 4,
        skipped: 1,
        goaways: 1,
    };
    assert_eq!(metrics.stream(StreamKind::Ws).totals(), shown);
    assert_eq!(metrics.stream(StreamKind::Sse).totals(), StreamTotals::default());
    drop(client);
    assert_eq!((kinds("clients"), kinds("topics")), (vec![0.0, 1.0, 0.0], vec![0.0; 3]));
    for (name, count) in [
        ("messages_total", 2.0),
        ("bytes_total", 700.0),
        ("conflated_total", 4.0),
        ("skipped_total", 1.0),
        ("goaways_total", 1.0),
    ] {
        assert_eq!(kinds(name), [0.0, count, 0.0], "{name}");
    }
}

#[test]
fn the_store_shows_what_it_did_and_how_it_is() {
    let metrics = Metrics::new();
    let store = metrics.store();
    store.queued(70);
    store.unqueued(20);
    store.wrote(3, 40);
    store.wrote(0, 0);
    store.read(100);
    store.trimmed(7);
    store.lost(2);
    store.set_aside();
    store.failed(StoreFault::Full);
    store.state(StoreState::Full);
    store.holds(4096, 12);
    let all = series(&metrics.render());
    for (name, expected) in [
        ("pending_rows", 50.0),
        ("commits_total", 1.0),
        ("writes_total", 3.0),
        ("bars_written_total", 40.0),
        ("reads_total", 1.0),
        ("bars_read_total", 100.0),
        ("trimmed_bars_total", 7.0),
        ("lost_writes_total", 2.0),
        ("set_aside_total", 1.0),
        ("errors_total{kind=\"full\"}", 1.0),
        ("errors_total{kind=\"busy\"}", 0.0),
        ("state{state=\"full\"}", 1.0),
        ("state{state=\"off\"}", 0.0),
        ("bytes", 4096.0),
        ("bars", 12.0),
    ] {
        assert_eq!(all.get(&format!("tidegate_store_{name}")), Some(&expected), "{name}");
    }
    let totals = StoreTotals {
        commits: 1,
        writes: 3,
        bars_written: 40,
        reads: 1,
        bars_read: 100,
        trimmed_bars: 7,
        lost: 2,
        set_aside: 1,
    };
    assert_eq!((store.totals(), store.faults(StoreFault::Full)), (totals, 1));
}
