"""What the dashboard shows. Every expression is asked of a Prometheus that scrapes a gateway: tests/deploy."""

from grid import Bars, Heatmap, Number, Panel, Query, Row, Stack, States

# Series of the gateway, and those of one exchange.
I = 'instance=~"$instance"'
X = 'instance=~"$instance", exchange=~"$exchange"'
STEP = "$__rate_interval"
FAMILY = "{{exchange}} {{family}}"
FOUND = ', outcome=~"hit|stale"'
# What clients and refreshes ask for.
WANTED = X + ', class!="background"'
BY_POOL = "instance, exchange, family"


def rate(metric, labels=I, by=""):
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} (rate({metric}{{{labels}}}[{STEP}]))"


def quantile(share, metric, labels=I, by=""):
    buckets = rate(f"{metric}_bucket", labels, f"{by}, le" if by else "le")
    return f"histogram_quantile({share}, {buckets})"


def quantiles(metric, labels=I, *shares):
    return [Query(quantile(share, metric, labels), f"p{share * 100:g}") for share in shares]


GLANCE = Row(
    "At a glance",
    Number("Gateways up", "none", "Gateways that Prometheus reaches.", Query(f'sum(up{{{I}, job="tidegate"}})'), width=3),
    Number("Requests", "reqps", "Requests for data; health checks and scrapes are not counted.",
           Query(rate("tidegate_requests_total", f'{I}, endpoint!="ops"')), width=3),
    Number("Answered from memory", "percentunit", "Answers for which nobody had to wait for the exchange.",
           Query(f'{rate("tidegate_answers_total", I + FOUND)} / {rate("tidegate_answers_total")}'),
           width=3, top=1),
    Number("Answers per call", "none", "Answers with data for each call to an exchange: what the gateway saves.",
           Query(f'{rate("tidegate_answers_total")} / {rate("tidegate_upstream_calls_total")}'), width=3),
    Number("p99 latency", "s", "99 % of requests are answered within this.",
           Query(quantile(0.99, "tidegate_request_duration_seconds", f'{I}, endpoint!="ops"')), width=3),
    Number("Older than promised", "percentunit",
           "Over an hour, of the kind of data that is worst off; 1 % may be. The promise stands in prometheus/rules/recording.yml.",
           Query(f"max(tidegate:served_late:ratio_rate1h{{{I}}})"), width=3, steps=[(0.01, "orange"), (0.144, "red")]),
    Number("Families banned", "none", "Families of calls that an exchange refuses at the moment; one that refuses the address refuses all of its own.",
           Query(f"sum(tidegate_ban_seconds{{{X}}} > bool 0)"), width=3, steps=[(1, "red")]),
    Number("Breakers not closed", "none", "Families whose calls fail, so that only probes are sent.",
           Query(f'sum(1 - tidegate_breaker_state{{{X}, state="closed"}})'), width=3, steps=[(1, "red")]),
    height=4,
)

BUDGETS = Row(
    "Budgets of the exchanges",
    Panel("Budget left", "percentunit", "The part of each family's budget that can be spent now. At 0, calls wait for their turn.",
          Query(f"tidegate_budget_left{{{X}}} / tidegate_budget_limit{{{X}}}", FAMILY), width=12, top=1),
    Bars("Units left now", "none", "What of each family's budget can be spent at this moment: calls, or what they weigh.",
         Query(f"tidegate_budget_left{{{X}}}", FAMILY, instant=True), width=6),
    Panel("Limit in force below the setting", "percentunit",
          "The part of the budget that is given up, since the exchange refused within the setting or names a lower limit: something else spends the budget of this address, or the setting is too high.",
          Query(f"1 - tidegate_budget_learned{{{X}}} / tidegate_budget_limit{{{X}}}", FAMILY), width=6, top=1),
    Panel("Demand", "percentunit", "The part of the budget that clients and refreshes spend. Backfill takes what is left over, and is not in it.",
          Query(f'{rate("tidegate_upstream_units_total", WANTED, BY_POOL)}'
                f" * on ({BY_POOL}) tidegate_budget_window_seconds{{{X}}}"
                f" / on ({BY_POOL}) tidegate_budget_limit{{{X}}}", FAMILY), steps=[(1, "red")]),
    Stack("Calls by who waited", "ops", "client: a request waited for it; refresh: data that is still served; background: warm-up and backfill.",
          Query(rate("tidegate_upstream_wait_seconds_count", X, "class"), "{{class}}")),
    Panel("Calls that wait", "none", "Calls that wait for their turn now, of every class.",
          Query(f"tidegate_budget_waiting{{{X}}}", FAMILY)),
    Panel("Wait of clients' calls, p90", "s", "One in ten calls that a client waits for has to wait at least so long for its turn.",
          Query(quantile(0.9, "tidegate_upstream_wait_seconds", f'{X}, class="client"', "exchange, family"), FAMILY), steps=[(2, "red")]),
    Panel("Bans", "s", "How long the exchange's refusal still closes a family.",
          Query(f"tidegate_ban_seconds{{{X}}}", FAMILY)),
    States("Breakers", "none", "closed: calls pass; half-open: one probe passes; open: no call passes.",
           Query(f'sum by (exchange, family) (tidegate_breaker_state{{{X}, state="half_open"}})'
                 f' + 2 * sum by (exchange, family) (tidegate_breaker_state{{{X}, state="open"}})', FAMILY),
           texts=[(0, "closed", "green"), (1, "half-open", "orange"), (2, "open", "red")]),
)

AGE = Row(
    "Age of served data",
    Panel("Age, median", "s", "Half of the answers are at most so old when they are given.",
          Query(quantile(0.5, "tidegate_served_age_seconds", I, "kind"), "{{kind}}")),
    Panel("Age, p99", "s", "99 % of the answers are at most so old when they are given.",
          Query(quantile(0.99, "tidegate_served_age_seconds", I, "kind"), "{{kind}}")),
    Panel("Answers older than promised", "percentunit", "Over an hour, by kind of data; 1 % may be, 14.4 % calls somebody.",
          Query(f"max by (kind) (tidegate:served_late:ratio_rate1h{{{I}}})", "{{kind}}"), steps=[(0.01, "orange"), (0.144, "red")]),
    Heatmap("Ages of tickers and books", "s", "How many answers were how old.",
            Query(f'sum by (le) (increase(tidegate_served_age_seconds_bucket{{{I}, kind=~"ticker|orderbook"}}[{STEP}]))', "{{le}}", heatmap=True), width=12),
    Stack("Answers by source", "reqps", "Where the data came from: the exchange's WebSocket, a request to it, or the store.",
          Query(rate("tidegate_answers_by_source_total", I, "source"), "{{source}}"), width=12),
)

REQUESTS = Row(
    "Requests and cache",
    Stack("Requests by endpoint", "reqps", "What is asked for.",
          Query(rate("tidegate_requests_total", I, "endpoint") + " > 0", "{{endpoint}}")),
    Stack("Requests by outcome", "reqps",
          "refused: 429 or 503 (budget, ban, breaker, overload); upstream_error: 502 or 504; client_error: other 4xx.",
          Query(rate("tidegate_requests_total", f'{I}, endpoint!="ops"', "outcome"), "{{outcome}}")),
    Panel("Latency", "s", "How long requests for data took to be answered.",
          *quantiles("tidegate_request_duration_seconds", f'{I}, endpoint!="ops"', 0.5, 0.9, 0.99)),
    Stack("How the cache answered", "reqps",
          "hit: fresh; stale: past its ttl, and fetched anew meanwhile; miss, expired: waited for a fetch; collapsed: waited for somebody else's; negative: a failure remembered.",
          Query(rate("tidegate_answers_total", I, "outcome"), "{{outcome}}")),
    Panel("Looked up and there, by kind", "percentunit", "The part of the lookups that found something to serve.",
          Query(f'{rate("tidegate_cache_lookups_total", I + FOUND, "kind")} / {rate("tidegate_cache_lookups_total", I, "kind")}', "{{kind}}"), top=1),
    Panel("Latency p99 by endpoint", "s", "Which endpoint is slow.",
          Query(quantile(0.99, "tidegate_request_duration_seconds", I, "endpoint"), "{{endpoint}}")),
    Panel("Size of the cache", "bytes", "Bounded by cache.max_bytes.", Query(f"tidegate_cache_bytes{{{I}}}", "{{instance}}")),
    Panel("Entries", "none", "Entries in the memory cache.", Query(f"tidegate_cache_entries{{{I}}}", "{{instance}}")),
    Heatmap("Latencies", "s", "How many requests took how long.",
            Query(f'sum by (le) (increase(tidegate_request_duration_seconds_bucket{{{I}, endpoint!="ops"}}[{STEP}]))', "{{le}}", heatmap=True)),
)

CALLS = Row(
    "Calls to the exchanges",
    Stack("Calls by family", "ops", "What is fetched.", Query(rate("tidegate_upstream_calls_total", X, "exchange, family"), FAMILY)),
    Stack("Calls by result", "ops", "rate_limited closes the family for a time, banned all of the exchange; restricted: it does not serve this address.",
          Query(rate("tidegate_upstream_calls_total", X, "exchange, result") + " > 0", "{{exchange}} {{result}}")),
    Panel("Calls refused before they were made", "ops", "budget, deadline: no turn in time; banned, breaker: the family is closed; queue_full: too many wait.",
          Query(rate("tidegate_upstream_refusals_total", X, "reason"), "{{reason}}")),
    Panel("Time of a call", "s", "How long the exchange takes to answer, without the wait for a turn.",
          *quantiles("tidegate_upstream_call_duration_seconds", X, 0.5, 0.99)),
    Panel("Time of a call, p99 by family", "s", "Which family is slow.",
          Query(quantile(0.99, "tidegate_upstream_call_duration_seconds", X, "exchange, family"), FAMILY)),
    Panel("Wait for a turn, p99 by class", "s", "Clients go before refreshes, refreshes before background work.",
          Query(quantile(0.99, "tidegate_upstream_wait_seconds", X, "class"), "{{class}}")),
)

FEED = Row(
    "Live feed (feed.enabled)",
    Panel("Sockets and channels", "none", "Sockets to each exchange that are open, and channels that are live on them.",
          Query(f"sum by (exchange) (tidegate_feed_connected{{{X}}})", "{{exchange}} sockets"),
          Query(f"sum by (exchange) (tidegate_feed_channels{{{X}}})", "{{exchange}} channels")),
    Stack("Messages from the exchanges", "ops", "Those with data, by kind.", Query(rate("tidegate_feed_messages_total", X, "exchange, kind"), "{{exchange}} {{kind}}")),
    Panel("Since the last message", "s", "The time since live channels last brought anything; heartbeats and answers to pings count.",
          Query(f"max by (exchange, kind, stat) (tidegate_feed_last_message_age_seconds{{{X}}})", "{{exchange}} {{kind}} {{stat}}"), steps=[(30, "red")]),
    Panel("Made anew", "none", "Connections and channels that were lost, silent or wrong, in 5 minutes. replaced: before the exchange would have ended a connection, and without a gap.",
          Query(f"sum by (exchange, reason) (increase(tidegate_feed_reconnects_total{{{X}}}[5m]))", "{{exchange}} connection: {{reason}}"),
          Query(f"sum by (exchange, reason) (increase(tidegate_feed_resyncs_total{{{X}}}[5m]))", "{{exchange}} channel: {{reason}}"),
          Query(f"sum by (exchange) (increase(tidegate_feed_checksum_failures_total{{{X}}}[5m]))", "{{exchange}} checksum failures")),
    Panel("Attempts to connect", "none", "In 5 minutes, by how they ended; Bitfinex allows 20 a minute, Kraken 150 in ten.",
          Query(f"sum by (exchange, outcome) (increase(tidegate_feed_connect_attempts_total{{{X}}}[5m]))", "{{exchange}} {{outcome}}")),
    Panel("Keys that became live, and those that no longer are", "none", "In 5 minutes; a key that is read often gets a channel.",
          Query(f"sum(increase(tidegate_feed_promotions_total{{{X}}}[5m]))", "promoted"),
          Query(f"sum(increase(tidegate_feed_demotions_total{{{X}}}[5m]))", "demoted")),
    Panel("Bytes from the exchanges", "Bps", "All messages on its sockets.", Query(rate("tidegate_feed_bytes_total", X, "exchange"), "{{exchange}}"), width=24),
)

STREAMS = Row(
    "Streams to clients",
    Panel("Clients", "none", "Clients that follow a stream, and topics, counted by client.",
          Query(f"sum by (kind) (tidegate_stream_clients{{{I}}})", "{{kind}} clients"),
          Query(f"sum by (kind) (tidegate_stream_topics{{{I}}})", "{{kind}} topics")),
    Panel("Messages to clients", "ops", "Messages that were sent to clients.", Query(rate("tidegate_stream_messages_total", I, "kind"), "{{kind}}")),
    Panel("Bytes to clients", "Bps", "Size of these messages.", Query(rate("tidegate_stream_bytes_total", I, "kind"), "{{kind}}")),
    Panel("Slow readers", "ops", "conflated: updates that a later state made superfluous before a client was ready; skipped: trades that a client was too slow for, and was told so.",
          Query(rate("tidegate_stream_conflated_total", I, "kind"), "{{kind}} conflated"),
          Query(rate("tidegate_stream_skipped_total", I, "kind"), "{{kind}} skipped"), width=12),
    Panel("Sent away", "none", "Clients that were asked to go elsewhere, in 5 minutes; a drain does.",
          Query(f"sum by (kind) (increase(tidegate_stream_goaways_total{{{I}}}[5m]))", "{{kind}}"), width=12),
)

CLIENTS = Row(
    "Clients (access.keys_file)",
    Stack("Requests by client", "reqps", "gateway is its own upkeep, anonymous whoever came without a key.",
          Query(rate("tidegate_client_requests_total", I, "client"), "{{client}}")),
    Stack("Calls to the exchange by client", "ops", "For whom budgets are spent; fair shares are counted by what these calls cost.",
          Query(rate("tidegate_client_upstream_calls_total", I, "client"), "{{client}}")),
    Panel("Wait by client, p90", "s", "One in ten calls for a client has to wait at least so long for its turn.",
          Query(quantile(0.9, "tidegate_client_upstream_wait_seconds", I, "client"), "{{client}}"), steps=[(2, "red")]),
    Panel("Requests by client and outcome", "reqps", "How each client's requests ended.",
          Query(rate("tidegate_client_requests_total", I, "client, outcome"), "{{client}} {{outcome}}"), width=24),
)

STORE = Row(
    "Store (store.path)",
    States("State", "none", "on: read and written; full, failing: serving goes on from memory; off: there is none.",
           Query(f"max by (state) (tidegate_store_state{{{I}}})", "{{state}}"),
           texts=[(0, " ", "transparent"), (1, "yes", "blue")], width=6),
    Panel("Size", "bytes", "The file and its log; bounded by store.max_bytes.", Query(f"tidegate_store_bytes{{{I}}}", "{{instance}}"), width=6),
    Panel("Bars", "none", "Final bars that are kept.", Query(f"tidegate_store_bars{{{I}}}", "{{instance}}"), width=6),
    Panel("What waits to be written", "none", "Rows.", Query(f"tidegate_store_pending_rows{{{I}}}", "{{instance}}"), width=6),
    Panel("Bars written and read", "ops", "trimmed: deleted to keep to the bounds.",
          Query(rate("tidegate_store_bars_written_total"), "written"),
          Query(rate("tidegate_store_bars_read_total"), "read"),
          Query(rate("tidegate_store_trimmed_bars_total"), "trimmed")),
    Panel("Transactions", "ops", "Commits, what they wrote, and reads of candles.",
          Query(rate("tidegate_store_commits_total"), "commits"),
          Query(rate("tidegate_store_writes_total"), "writes"),
          Query(rate("tidegate_store_reads_total"), "reads")),
    Panel("Trouble", "none", "In 5 minutes: errors by kind, writes given up, files set aside.",
          Query(f"sum by (kind) (increase(tidegate_store_errors_total{{{I}}}[5m]))", "{{kind}}"),
          Query(f"sum(increase(tidegate_store_lost_writes_total{{{I}}}[5m]))", "lost writes"),
          Query(f"sum(increase(tidegate_store_set_aside_total{{{I}}}[5m]))", "files set aside")),
    Panel("Candles derived and restated", "none", "In 5 minutes. derived: computed from narrower ones, which saved a call; restated: final ones that the exchange told differently later.",
          Query(f"sum(increase(tidegate_candles_derived_total{{{X}}}[5m]))", "derived"),
          Query(f"sum(increase(tidegate_candles_restated_total{{{X}}}[5m]))", "restated"), width=24),
)

PROCESS = Row(
    "Process",
    Panel("CPU", "none", "Cores in use.",
          Query(f"rate(process_cpu_seconds_total{{{I}}}[{STEP}]) and on (job, instance) tidegate_build_info", "{{instance}}"), width=6),
    Panel("Memory", "bytes", "Resident memory; 80 % of 1 GiB raises an alert.",
          Query(f"process_resident_memory_bytes{{{I}}} and on (job, instance) tidegate_build_info", "{{instance}}"), width=6, steps=[(858993459, "red")]),
    Panel("File descriptors", "percentunit", "The part of those allowed that is open.",
          Query(f"process_open_fds{{{I}}} / process_max_fds{{{I}}} and on (job, instance) tidegate_build_info", "{{instance}}"), width=6, top=1),
    Panel("Threads", "none", "Threads of the process.",
          Query(f"process_threads{{{I}}} and on (job, instance) tidegate_build_info", "{{instance}}"), width=6),
    Panel("Connections", "none", "Client connections that are open; server.limits.max_connections bounds them.",
          Query(f"tidegate_connections_open{{{I}}}", "{{instance}}"), width=6),
    Panel("Connections refused", "none", "In 5 minutes, because too many were open.",
          Query(f"increase(tidegate_connections_refused_total{{{I}}}[5m])", "{{instance}}"), width=6),
    Panel("Tasks that panicked", "none", "In 5 minutes; others go on.",
          Query(f"sum by (task) (increase(tidegate_task_panics_total{{{I}}}[5m]))", "{{task}}"), width=6),
    Number("Up for", "s", "Since the start, and what is running.",
           Query(f"tidegate_uptime_seconds{{{I}}} * on (job, instance) group_left (version) tidegate_build_info", "{{instance}} {{version}}"), width=6),
)

ROWS = [GLANCE, BUDGETS, AGE, REQUESTS, CALLS, FEED, STREAMS, CLIENTS, STORE, PROCESS]
