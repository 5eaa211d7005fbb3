"""WebSockets as ccxt.pro and the exchange's own Python client see them."""

import asyncio
import time
from itertools import pairwise

import ccxt.pro
import pytest
from bfxapi import Client

MINUTE = 60_000
PATIENCE = 30


def now_ms():
    return int(time.time() * 1000)


@pytest.fixture(scope="module")
def ws_url(base):
    return f"{base.replace('http', 'ws', 1)}/ws/2"


@pytest.fixture(scope="module")
def pro(base, ws_url, wait):
    """ccxt.pro as a user has it, with nothing but its addresses changed; checksums are on."""

    async def connected():
        client = ccxt.pro.bitfinex()
        public = {"public": base, "private": base}
        client.urls["api"] = {**client.urls["api"], **public, "ws": {"public": ws_url, "private": ws_url}}
        await client.load_markets()
        return client

    client = wait(connected())
    assert client.options["watchOrderBook"]["checksum"] is True
    yield client
    wait(client.close())


def check_watch_ticker(pro, wait):
    async def tickers():
        first = dict(await pro.watch_ticker("BTC/USD"))
        return first, await pro.watch_ticker("BTC/USD")

    first, second = wait(asyncio.wait_for(tickers(), PATIENCE))
    for ticker in [first, second]:
        assert ticker["symbol"] == "BTC/USD"
        assert 0 < ticker["bid"] < ticker["ask"]
        assert ticker["high"] >= ticker["last"] >= ticker["low"] > 0 and ticker["baseVolume"] > 0
    assert first["info"] != second["info"], "a second frame tells of a change"


def check_watch_order_book_with_checksums(pro, wait):
    """A checksum that does not hold raises ChecksumError."""

    async def books():
        seen, checked, handle = [], [], pro.handle_checksum
        pro.handle_checksum = lambda *args: (checked.append(args[1]), handle(*args))
        until = time.monotonic() + PATIENCE
        while len(checked) < 2 and time.monotonic() < until:
            book = await asyncio.wait_for(pro.watch_order_book("BTC/USD", 25), PATIENCE)
            seen.append((book["bids"][0][0], book["asks"][0][0], len(book["bids"]), len(book["asks"])))
        pro.handle_checksum = handle
        return seen, checked

    seen, checked = wait(books())
    assert len(checked) >= 2 and all(isinstance(frame[2], int) for frame in checked)
    assert seen and max(max(bids, asks) for _, _, bids, asks in seen) <= 25
    assert seen[-1][0] < seen[-1][1]


def check_watch_trades(pro, wait):
    async def trades():
        return await asyncio.wait_for(pro.watch_trades("BTC/USD"), PATIENCE)

    seen = wait(trades())
    assert seen
    for trade in seen:
        assert trade["symbol"] == "BTC/USD" and trade["side"] in ["buy", "sell"]
        assert trade["price"] > 0 and trade["amount"] > 0 and trade["id"].isdigit()
        assert now_ms() - 60 * MINUTE < trade["timestamp"] <= now_ms() + 1_000


def check_watch_ohlcv(pro, wait):
    async def candles():
        return await asyncio.wait_for(pro.watch_ohlcv("BTC/USD", "1m"), PATIENCE)

    rows = wait(candles())
    assert len(rows) > 10
    for timestamp, opened, high, low, close, volume in rows:
        assert timestamp % MINUTE == 0 and volume > 0
        assert high >= max(opened, close) >= min(opened, close) >= low > 0
    assert all(older[0] < newer[0] for older, newer in pairwise(rows))


@pytest.fixture(scope="module")
def told(ws_url, wait):
    """What bitfinex-api-py is told in a few seconds: its arguments, by the name of the event."""
    events = [
        "subscribed", "t_ticker_update", "t_trades_snapshot", "t_book_snapshot", "t_book_update",
        "t_raw_book_snapshot", "t_raw_book_update", "candles_snapshot", "checksum", "disconnected",
        "derivatives_status_update",
    ]
    heard = {event: [] for event in events}

    async def listen():
        client = Client(wss_host=ws_url).wss
        for event in events:
            client.on(event, callback=lambda *args, event=event: heard[event].append(args))

        @client.on("open")
        async def opened():
            await client.subscribe("ticker", symbol="tBTCUSD", sub_id="a ticker")
            await client.subscribe("trades", symbol="tBTCUSD")
            await client.subscribe("book", symbol="tBTCUSD", prec="P0", len="25")
            await client.subscribe("book", symbol="tBTCUSD", prec="R0", len="25")
            await client.subscribe("candles", key="trade:1m:tBTCUSD")
            await client.subscribe("status", key="deriv:tBTCF0:USTF0")

        running = asyncio.create_task(client.start())
        needed = [event for event in events if event != "disconnected"]
        until = time.monotonic() + PATIENCE
        while not all(heard[event] for event in needed) and time.monotonic() < until:
            assert not running.done(), running.exception()
            await asyncio.sleep(0.05)
        await client.close()
        await asyncio.wait_for(running, PATIENCE)

    wait(listen())
    return heard


def check_subscriptions_are_echoed(told):
    echoes = {(echo["channel"], echo.get("prec")): echo for (echo,) in told["subscribed"]}
    assert len(echoes) == 6
    assert echoes["ticker", None]["sub_id"] == "a ticker"
    assert echoes["book", "P0"]["len"] == "25" and echoes["book", "P0"]["symbol"] == "tBTCUSD"
    assert echoes["candles", None]["key"] == "trade:1m:tBTCUSD"


def check_ticker_of_a_pair(told):
    _, ticker = told["t_ticker_update"][0]
    assert ticker.high >= ticker.last_price >= ticker.low > 0 and 0 < ticker.bid < ticker.ask


def check_trades_snapshot(told):
    _, trades = told["t_trades_snapshot"][0]
    assert len(trades) == 30
    assert all(newer.id > older.id and newer.mts >= older.mts for newer, older in pairwise(trades))


def check_books(told):
    _, book = told["t_book_snapshot"][0]
    bids, asks = [row for row in book if row.amount > 0], [row for row in book if row.amount < 0]
    assert len(bids) == len(asks) == 25 and book == [*bids, *asks]
    assert bids[0].price < asks[0].price
    _, raw = told["t_raw_book_snapshot"][0]
    assert len(raw) == 50 and all(row.order_id > 2**32 for row in raw)
    for _, update in told["t_book_update"]:
        assert update.count > 0 or abs(update.amount) == 1
    for _, update in told["t_raw_book_update"]:
        assert update.price > 0 or abs(update.amount) == 1


def check_checksums_and_candles_and_status(told):
    assert all(isinstance(value, int) for _, value in told["checksum"])
    _, candles = told["candles_snapshot"][0]
    assert len(candles) > 10 and all(row.mts % MINUTE == 0 and row.volume > 0 for row in candles)
    _, status = told["derivatives_status_update"][0]
    assert status.deriv_price > 0 and abs(status.mts - now_ms()) < 2 * MINUTE
