"""Measures the gateway against its contestants and prints one table.

Machines differ and are noisy, so every figure of speed is a ratio of two contestants in the same
round, and what is printed is the median over the rounds, with the lowest and the highest.
"""

import json
import os
import statistics
import sys
import time

from exchanges import several
from servers import Broken, Stage, get, load, stampede

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS_EACH", "5"))
CONNECTIONS = int(os.environ.get("CONNECTIONS", "64"))
PARTS = os.environ.get("PARTS", "hot,cold,context,exchanges").split(",")

MARKET_DATA = "/api/market-data"
# Each has a path of its own, since the bare servers do not read queries.
PATHS = {
    "ticker": f"{MARKET_DATA}/ticker/BTC-USD",
    "candles as arrays": f"{MARKET_DATA}/ohlcv/BTC-USD?timeframe=5m&limit=100&format=arrays",
    "candles as objects": f"{MARKET_DATA}/ohlcv/BTCUSD?timeframe=5m&limit=100",
    "book": f"{MARKET_DATA}/orderbook/BTC-USD",
}
CONTEXT = f"{MARKET_DATA}/market-context/BTC-USD"
# None for objects: at 12 KB nginx's sendfile is level with a server that copies from memory.
THROUGHPUT_AT_LEAST = {"ticker": 1.25, "candles as arrays": 1.15, "book": 1.25}

# Markets of which nothing is cached yet when they are asked for.
COLD = ["ETHUSD", "LTCUSD", "XRPUSD", "ETCUSD", "XMRUSD"]
STAMPEDE = 1000
FETCH_MS = 50
RSS_AFTER = 1_000_000


class Table:
    """Lines of what was measured, what was to be reached, and whether it was."""

    def __init__(self):
        self.lines, self.missed = [("", "median", "lowest", "highest", "target", "verdict")], 0

    def add(self, what, values, unit, at_least=None, at_most=None):
        measured = statistics.median(values)
        target, verdict = "", ""
        if at_least is not None:
            target, reached = f">= {at_least:g}{unit}", measured >= at_least
        if at_most is not None:
            target, reached = f"<= {at_most:g}{unit}", measured <= at_most
        if target:
            verdict = "reached" if reached else "MISSED"
            self.missed += not reached
        figures = [f"{value:.2f}{unit}" for value in (measured, min(values), max(values))]
        self.lines.append((what, *figures, target, verdict))

    def heading(self, what):
        self.lines.append((what, "", "", "", "", ""))

    def print(self):
        widths = [max(map(len, column)) for column in zip(*self.lines)]
        for what, *rest in self.lines:
            cells = [text.rjust(width) for text, width in zip(rest, widths[1:])]
            print("  ".join([what.ljust(widths[0]), *cells]).rstrip())


def progress(text):
    print(text, file=sys.stderr, flush=True)


def same_bytes(stage, tidegate):
    """The gateway's own answers, kept as files for those who serve constant bytes."""
    files = {}
    for name, path in PATHS.items():
        status, headers, body = get(tidegate.port, path)
        if status != 200 or not headers["content-type"].startswith("application/json"):
            raise Broken(f"{path}: {status} {body[:200]}")
        files[path.split("?")[0]] = stage.file(name, body)
    return files


def hot_paths(table):
    """Cached hits, the warm market context, and memory after all of it."""
    with Stage(os.environ["TIDEGATE_BIN"]) as stage:
        tidegate = stage.tidegate(stage.sim())
        files = same_bytes(stage, tidegate)

        origin = stage.bare("bare_hyper", files)
        nginx = stage.nginx(origin.port)
        for path in PATHS.values():
            get(nginx.port, path)
        # Without its origin, nginx answers from its cache or not at all.
        origin.stop()

        contestants = {
            "tidegate": tidegate,
            "nginx": nginx,
            "bare axum": stage.bare("bare_axum", files),
            "bare hyper": stage.bare("bare_hyper", files),
        }
        sizes = {}
        for endpoint, path in PATHS.items():
            expected = files[path.split("?")[0]].read_bytes()
            sizes[endpoint] = len(expected)
            for name in ("nginx", "bare axum", "bare hyper"):
                if get(contestants[name].port, path)[2] != expected:
                    raise Broken(f"{name} does not answer {path} with the bytes of the gateway")

        rounds, asked, order = [], 0, list(contestants)
        for number in range(ROUNDS):
            figures = {}
            for endpoint, path in PATHS.items():
                for name in order[number % len(order) :] + order[: number % len(order)]:
                    server = contestants[name]
                    get(server.port, path)  # Nobody starts a turn with a cold cache.
                    figures[endpoint, name] = load(server, path, SECONDS, CONNECTIONS)
            get(tidegate.port, CONTEXT)
            figures["context", "tidegate"] = load(tidegate, CONTEXT, SECONDS, CONNECTIONS)
            rounds.append(figures)
            asked += sum(run["requests"] for (_, who), run in figures.items() if who == "tidegate")
            best = figures["ticker", "tidegate"]["rps"]
            progress(f"round {number + 1} of {ROUNDS}: {best:,.0f} tickers a second")

        def ratios(figure, one, other):
            return [figures[one][figure] / figures[other][figure] for figures in rounds]

        for endpoint in PATHS:
            of = {name: (endpoint, name) for name in contestants}
            table.heading(f"{endpoint}, {sizes[endpoint] / 1024:.1f} KiB, cached")
            table.add(
                "  requests a second, tidegate / nginx",
                ratios("rps", of["tidegate"], of["nginx"]),
                "x",
                at_least=THROUGHPUT_AT_LEAST.get(endpoint),
            )
            for name in ("bare axum", "bare hyper"):
                values = ratios("rps", of[name], of["nginx"])
                table.add(f"  requests a second, {name} / nginx", values, "x")
            table.add(
                "  CPU per request, tidegate / bare axum",
                ratios("cpu", of["tidegate"], of["bare axum"]),
                "x",
                at_most=1.10,
            )
            for name in ("tidegate", "bare axum"):
                values = ratios("cpu", of[name], of["bare hyper"])
                table.add(f"  CPU per request, {name} / bare hyper", values, "x")
            table.add(
                "  p99, tidegate / nginx",
                ratios("p99_ms", of["tidegate"], of["nginx"]),
                "x",
                at_most=1.0,
            )
            table.add(
                "  p99, bare axum / nginx", ratios("p99_ms", of["bare axum"], of["nginx"]), "x"
            )

        table.heading("market context, warm")
        table.add(
            "  CPU per request, context / ticker",
            ratios("cpu", ("context", "tidegate"), ("ticker", "tidegate")),
            "x",
            at_most=3,
        )

        while asked < RSS_AFTER:
            asked += load(tidegate, PATHS["ticker"], SECONDS, CONNECTIONS)["requests"]
        table.heading(f"after {asked:,} requests")
        table.add("  resident memory", [tidegate.resident_mib()], " MiB", at_most=40)


def cold_key(table):
    """A thousand clients at once on a key that nobody has asked for yet, 200 ms from its source."""
    with Stage(os.environ["TIDEGATE_BIN"]) as stage:
        sim = stage.sim(latency="200ms")
        tidegate = stage.tidegate(sim)
        nginx = stage.nginx(sim.port, lock=True)
        _, _, body = get(tidegate.port, PATHS["ticker"])
        alone = stage.bare("bare_hyper", {PATHS["ticker"]: stage.file("ticker", body)})

        took = {"tidegate": [], "nginx": [], "alone": []}
        calls = {"tidegate": [], "nginx": []}
        for pair in COLD:
            for name, server, path in (
                ("tidegate", tidegate, f"{MARKET_DATA}/ticker/{pair}"),
                ("nginx", nginx, f"/v2/ticker/t{pair}"),
            ):
                before = ticker_calls(sim)
                took[name].append(stampede(server, path, STAMPEDE)["last_ms"])
                calls[name].append(ticker_calls(sim) - before)
            took["alone"].append(stampede(alone, PATHS["ticker"], STAMPEDE)["last_ms"])

        table.heading(f"{STAMPEDE} clients on one cold key, upstream 200 ms away")
        table.add("  upstream calls, tidegate", calls["tidegate"], "", at_most=1)
        table.add("  upstream calls, nginx", calls["nginx"], "")
        table.add("  last answer, tidegate", took["tidegate"], " ms", at_most=250)
        table.add("  last answer, nginx with proxy_cache_lock", took["nginx"], " ms")
        table.add("  last answer, the load alone (bare hyper)", took["alone"], " ms")


def cold_context(table):
    """A market context of which nothing is cached, against the slowest of its three fetches."""
    with Stage(os.environ["TIDEGATE_BIN"]) as stage:
        sim = stage.sim(latency=f"{FETCH_MS}ms")
        tidegate = stage.tidegate(sim)
        get(tidegate.port, CONTEXT)  # Opens its connections to the exchange.

        over = []
        for pair in COLD:
            fetches = (
                f"/v2/ticker/t{pair}",
                f"/v2/book/t{pair}/P0?len=25",
                f"/v2/candles/trade:5m:t{pair}/hist?limit=100",
            )
            slowest = max(milliseconds(sim, path) for path in fetches)
            over.append(milliseconds(tidegate, f"{MARKET_DATA}/market-context/{pair}") - slowest)

        table.heading(f"market context, cold, every fetch {FETCH_MS} ms away")
        table.add("  longer than the slowest of its three fetches", over, " ms", at_most=5)


def ticker_calls(sim):
    """How often the simulated exchange was asked for tickers so far, one or many."""
    received = json.loads(get(sim.port, "/sim/counts")[2])["received"]
    return sum(received.get(family, 0) for family in ("ticker", "tickers"))


def milliseconds(server, path):
    started = time.perf_counter()
    status, _, body = get(server.port, path)
    took = (time.perf_counter() - started) * 1e3
    if status != 200:
        raise Broken(f"{server.name} {path}: {status} {body[:200]}")
    return took


def exchanges(table):
    """The gateway with one exchange and with four."""
    several(table, PATHS["ticker"], ROUNDS, SECONDS, CONNECTIONS)


def main():
    table = Table()
    parts = {"hot": hot_paths, "cold": cold_key, "context": cold_context, "exchanges": exchanges}
    try:
        for name in PARTS:
            part = parts[name]
            progress(part.__doc__.splitlines()[0])
            part(table)
    except Broken as broken:
        print(f"not measured: {broken}", file=sys.stderr)
        return 2
    print(f"\nmedians of {ROUNDS} rounds of {SECONDS} s, {CONNECTIONS} connections, {os.cpu_count()} cores\n")
    table.print()
    print(f"\n{table.missed} targets missed")
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
