"""The simulated Binance as ccxt and ccxt.pro see it, with nothing but their addresses changed.

    pytest --target exchange --base http://127.0.0.1:1 tests/clients/binance_checks.py
"""

import asyncio
import time
from itertools import pairwise

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest
from conftest import patient

MINUTE = 60_000
PATIENCE = 60
# Markets rest now and then; of so many, one is traded within this time.
BUSY = [f"{base}/USDT" for base in "BTC ETH SOL XRP LTC ADA DOGE AVAX DOT LINK TRX XLM UNI SUI ZEC XMR LEO".split()]
REST = 300


def now_ms():
    return int(time.time() * 1000)


def pointed(client, base):
    """Spot only; futures have other hosts, which are not simulated."""
    client.options["fetchMarkets"] = {**client.options["fetchMarkets"], "types": ["spot"]}
    apis = client.urls["api"]
    host = "https://api.binance.com"
    here = {name: url.replace(host, base) for name, url in apis.items() if isinstance(url, str) and host in url}
    streams = {**apis.get("ws", {}), "spot": f"{base.replace('http', 'ws', 1)}/ws"}
    client.urls["api"] = {**apis, **here, "ws": streams}
    return patient(client)


@pytest.fixture(scope="module")
def binance(base, wait):
    async def connected():
        client = pointed(ccxt.async_support.binance(), base)
        await client.load_markets()
        return client

    client = wait(connected())
    yield client
    wait(client.close())


@pytest.fixture(scope="module")
def pro(base, wait):
    async def connected():
        client = pointed(ccxt.pro.binance(), base)
        await client.load_markets()
        return client

    client = wait(connected())
    yield client
    wait(client.close())


def check_markets(binance):
    btc = binance.markets["BTC/USDT"]
    assert (btc["id"], btc["spot"], btc["active"]) == ("BTCUSDT", True, True)
    assert btc["precision"]["amount"] == 1e-8
    assert 1e-8 <= btc["precision"]["price"] <= 1
    assert binance.markets["LUNA/USDT"]["active"] is False
    assert len(binance.markets) > 100


def check_ticker_and_book_agree(binance, wait):
    async def both():
        # The book stands still within a second: again where it moved meanwhile.
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            before = await binance.fetch_order_book("BTC/USDT", 5)
            ticker, book = await binance.fetch_ticker("BTC/USDT"), await binance.fetch_order_book("BTC/USDT", 5)
            if before == book:
                return ticker, book
        raise AssertionError("the book never stood still for three requests")

    ticker, book = wait(both())
    assert ticker["symbol"] == book["symbol"] == "BTC/USDT"
    assert [ticker["bid"], ticker["bidVolume"]] == book["bids"][0]
    assert [ticker["ask"], ticker["askVolume"]] == book["asks"][0]
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert ticker["low"] <= ticker["vwap"] <= ticker["high"]
    assert ticker["change"] == pytest.approx(ticker["last"] - ticker["open"])
    assert abs(ticker["timestamp"] - now_ms()) < MINUTE
    assert len(book["bids"]) == len(book["asks"]) == 5
    assert book["nonce"] > 0 and book["timestamp"] is None


def check_tickers_of_some_and_of_all(binance, wait):
    some = wait(binance.fetch_tickers(["BTC/USDT", "ETH/BTC"]))
    assert sorted(some) == ["BTC/USDT", "ETH/BTC"]
    everything = wait(binance.fetch_tickers())
    assert set(binance.markets) == set(everything)


def check_candles(binance, wait):
    # Before the minutes, so that all of those of an hour that is over here are over, too.
    hours = wait(binance.fetch_ohlcv("BTC/USDT", "1h", limit=3))
    asked = now_ms()
    minutes = wait(binance.fetch_ohlcv("BTC/USDT", "1m", limit=1000))
    assert len(minutes) == 1000
    assert {after[0] - before[0] for before, after in pairwise(minutes)} == {MINUTE}
    assert asked - MINUTE < minutes[-1][0] <= now_ms(), "the last one is open"
    since = minutes[100][0]
    page = wait(binance.fetch_ohlcv("BTC/USDT", "1m", since=since, limit=50))
    assert page == minutes[100:150]
    hour = hours[-2]
    own = [row for row in minutes if hour[0] <= row[0] < hour[0] + 60 * MINUTE]
    assert len(own) == 60
    # A minute without a trade is at the close before, which may be of another hour.
    traded = [row for row in own if row[5] > 0]
    assert (traded[0][1], traded[-1][4]) == (hour[1], hour[4])
    assert (max(row[2] for row in traded), min(row[3] for row in traded)) == (hour[2], hour[3])
    assert sum(row[5] for row in traded) == pytest.approx(hour[5])
    for before, row in pairwise(own):
        assert row[5] > 0 or set(row[1:5]) == {before[4]}, row


def check_every_timeframe(binance, wait):
    for timeframe in binance.timeframes:
        rows = wait(binance.fetch_ohlcv("ETH/USDT", timeframe, limit=5))
        assert len(rows) == 5, timeframe
        assert rows == sorted(rows)


def check_trades(binance, wait):
    trades = wait(binance.fetch_trades("BTC/USDT", limit=100))
    assert len(trades) == 100
    assert all(before["timestamp"] <= after["timestamp"] for before, after in pairwise(trades))
    assert {trade["side"] for trade in trades} == {"buy", "sell"}
    since = trades[50]["timestamp"]
    later = wait(binance.fetch_trades("BTC/USDT", since=since, limit=10))
    wanted = [trade["id"] for trade in trades if trade["timestamp"] >= since][:10]
    assert [trade["id"] for trade in later][: len(wanted)] == wanted[: len(later)]


def check_weights_are_told(binance, wait):
    used = []
    for limit in (5, 500):
        wait(binance.fetch_order_book("BTC/USDT", limit))
        headers = {name.lower(): value for name, value in binance.last_response_headers.items()}
        used.append(int(headers["x-mbx-used-weight-1m"]))
    # A minute may have begun between the two.
    assert used[1] - used[0] == 25 or used[1] == 25


def check_errors_are_those_that_ccxt_knows(base, http):
    client = pointed(ccxt.binance(), base)
    client.load_markets()
    client.markets["BTC/USDT"] = {**client.markets["BTC/USDT"], "id": "NOSUCH"}
    with pytest.raises(ccxt.BadSymbol):
        client.fetch_ticker("BTC/USDT")
    for fault, error in [
        ({"kind": "banned", "retry_after": 120}, ccxt.DDoSProtection),
        ({"kind": "rate_limited", "retry_after": 1}, ccxt.DDoSProtection),
        ({"kind": "status", "status": 502}, ccxt.OperationFailed),
        ({"kind": "restricted"}, ccxt.BaseError),
    ]:
        http.post(f"{base}/sim/faults", json={**fault, "family": "book", "times": 1}).raise_for_status()
        with pytest.raises(error):
            client.fetch_order_book("ETH/USDT")
    assert len(client.fetch_order_book("ETH/USDT", 5)["bids"]) == 5


def check_watch_order_book(pro, wait):
    """ccxt joins the snapshot of REST to the stream itself and raises if the chain has a gap."""

    async def follow():
        books = []
        for _ in range(5):
            book = await asyncio.wait_for(pro.watch_order_book("BTC/USDT"), PATIENCE)
            books.append((book["nonce"], book["bids"][0][0], book["asks"][0][0]))
        return books

    async def both():
        book = await asyncio.wait_for(pro.watch_order_book("BTC/USDT"), PATIENCE)
        top, nonce = [[list(level) for level in book[side][:20]] for side in ("bids", "asks")], book["nonce"]
        rest = await pro.fetch_order_book("BTC/USDT", 20)
        return (top, [rest["bids"], rest["asks"]]) if rest["nonce"] == nonce else None

    books = wait(follow())
    assert all(before[0] < after[0] for before, after in pairwise(books))
    assert all(bid < ask for _, bid, ask in books)
    # The book may have moved on between the two, but not each time.
    until, compared = time.monotonic() + PATIENCE, None
    while not compared and time.monotonic() < until:
        compared = wait(both())
    assert compared, "the book moved on each time"
    top, rest = compared
    assert top == rest


def check_watch_ticker(pro, wait):
    async def tickers():
        first = dict(await asyncio.wait_for(pro.watch_ticker("BTC/USDT"), PATIENCE))
        return first, await asyncio.wait_for(pro.watch_ticker("BTC/USDT"), PATIENCE)

    first, second = wait(tickers())
    assert first["symbol"] == "BTC/USDT"
    assert first["timestamp"] < second["timestamp"] < first["timestamp"] + MINUTE
    assert second["low"] <= second["last"] <= second["high"]


def check_watch_bids_asks(pro, wait):
    best = wait(asyncio.wait_for(pro.watch_bids_asks(["BTC/USDT"]), PATIENCE))["BTC/USDT"]
    assert best["bid"] < best["ask"] and best["bidVolume"] > 0


def check_watch_trades(pro, wait):
    trades = wait(asyncio.wait_for(pro.watch_trades_for_symbols(BUSY), REST))
    assert trades[-1]["symbol"] in BUSY
    assert abs(trades[-1]["timestamp"] - now_ms()) < MINUTE
    # The stream tells single trades, and the other interface what they were gathered into.
    known = [trade["info"] for trade in wait(pro.fetch_trades(trades[-1]["symbol"], limit=100))]
    assert any(int(one["f"]) <= int(trades[-1]["id"]) <= int(one["l"]) for one in known)


def check_watch_ohlcv(pro, wait):
    """An update comes with a trade, or when the minute is over."""

    async def first():
        symbols = [[symbol, "1m"] for symbol in BUSY]
        return await asyncio.wait_for(pro.watch_ohlcv_for_symbols(symbols), REST)

    candles = wait(first())
    ((symbol, by_timeframe),) = candles.items()
    row = by_timeframe["1m"][-1]
    assert symbol in BUSY
    assert row[0] % MINUTE == 0 and now_ms() - row[0] < 3 * MINUTE
    assert row[3] <= row[1] <= row[2] and row[3] <= row[4] <= row[2]


def check_a_gap_in_the_chain_is_noticed_and_mended(pro, base, http, wait):
    async def follow():
        await asyncio.wait_for(pro.watch_order_book("SOL/USDT"), PATIENCE)
        rule = {"ws": "lose_frame", "channel": "book", "symbol": "SOLUSDT", "times": 1}
        http.post(f"{base}/sim/faults", json=rule).raise_for_status()
        # What had come before is told first, however much it is.
        with pytest.raises(ccxt.ChecksumError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    await pro.watch_order_book("SOL/USDT")
        return await asyncio.wait_for(pro.watch_order_book("SOL/USDT"), PATIENCE)

    book = wait(follow())
    assert book["bids"][0][0] < book["asks"][0][0]
