"""One exchange beside four: what the others cost those who ask for the first.

Both gateways run all the time, so that each is measured beside the other's feeds, and CPU is counted
for each by itself.
"""

import os
import re
import time

from servers import Broken, Stage, get, load

NAMES = ["bitfinex", "kraken", "coinbase", "binance"]
PINNED = "BTC/USD,ETH/USD,BTC/USDT,ETH/USDT"
OTHER = "/api/market-data/ticker/BTC-USDT?exchange=binance"
IDLE_SECONDS = 20
# CPU that nobody's messages explain, in ms a second: clocks and the accounts of what is read.
IDLE_MORE = 1


def metric(server, name, labels=""):
    """The sum of a metric's series whose labels contain this text."""
    text = get(server.port, "/metrics")[2].decode()
    found = re.findall(rf"^{name}(?:{{([^}}]*)}})? (\S+)$", text, re.MULTILINE)
    return sum(float(value) for has, value in found if labels in has)


def go_live(server, names):
    """Waits until every pinned channel is live."""
    channels, since, deadline = {}, time.monotonic(), time.monotonic() + 60
    while not all(channels.values()) or not channels or time.monotonic() < since + 4:
        if time.monotonic() > deadline:
            raise Broken(f"not live within a minute: {channels}")
        now = {name: metric(server, "tidegate_feed_channels", f'exchange="{name}"') for name in names}
        if now != channels:
            channels, since = now, time.monotonic()
        time.sleep(0.5)
    return sum(channels.values())


def idle(servers):
    """CPU in ms, messages and KiB in each second of each, while nobody asks."""

    def so_far(server):
        heard = metric(server, "tidegate_feed_messages_total"), metric(server, "tidegate_feed_bytes_total") / 1024
        return server.cpu_seconds() * 1e3, *heard

    before, started = [so_far(server) for server in servers], time.monotonic()
    time.sleep(IDLE_SECONDS)
    took, after = time.monotonic() - started, [so_far(server) for server in servers]
    return [[(end - begin) / took for begin, end in zip(*both)] for both in zip(before, after)]


def several(table, path, rounds, seconds, connections):
    with Stage(os.environ["TIDEGATE_BIN"]) as stage:
        sims = [stage.sim(name) for name in NAMES]
        silent = [stage.tidegate(*served, FEED__ENABLED="false") for served in (sims[:1], sims)]
        (one_silent, *_), (four_silent, *_) = idle(silent)
        for server in silent:
            server.stop()

        one, four = (stage.tidegate(*served, FEED__PINNED=PINNED) for served in (sims[:1], sims))
        channels = go_live(one, NAMES[:1]), go_live(four, NAMES)
        feeds = idle([one, four])

        runs = []
        for number in range(rounds):
            turns = [("one", one, path), ("four", four, path), ("other", four, OTHER)]
            figures = {}
            for name, server, of in turns[number % 3 :] + turns[: number % 3]:
                get(server.port, of)
                figures[name] = load(server, of, seconds, connections)
            runs.append(figures)

        def of(who, figure):
            return [run[who][figure] for run in runs]

        def ratios(figure, who="four"):
            return [run[who][figure] / run["one"][figure] for run in runs]

        table.heading("one exchange on, and four; cached ticker of the first")
        for who in ("one", "four"):
            table.add(f"  requests a second, {who}", of(who, "rps"), "")
            table.add(f"  p50, {who}", of(who, "p50_ms"), " ms")
            table.add(f"  p99, {who}", of(who, "p99_ms"), " ms")
        table.add("  requests a second, four / one", ratios("rps"), "x", at_least=0.95)
        table.add("  CPU per request, four / one", ratios("cpu"), "x", at_most=1.05)
        table.add("  p99, four / one", ratios("p99_ms"), "x", at_most=1.1)
        table.add("  requests a second, the fourth exchange's / one", ratios("rps", "other"), "x", at_least=0.9)
        table.heading(f"{channels[0]:.0f} and {channels[1]:.0f} live channels")
        table.add("  resident memory, one", [one.resident_mib()], " MiB")
        table.add("  resident memory, four", [four.resident_mib()], " MiB", at_most=80)
        table.heading(f"idle for {IDLE_SECONDS} s")
        table.add("  CPU a second without feeds, one", [one_silent], " ms")
        table.add("  CPU a second without feeds, four", [four_silent], " ms", at_most=one_silent + IDLE_MORE)
        for who, (cpu, messages, kib) in zip(("one", "four"), feeds):
            table.add(f"  CPU a second with feeds, {who}", [cpu], " ms")
            table.add(f"  messages with data a second, {who}", [messages], "")
            table.add(f"  heard a second, {who}", [kib], " KiB")
            table.add(f"  CPU of a KiB, {who}", [cpu / kib], " ms")
