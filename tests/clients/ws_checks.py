"""WebSockets as ccxt.pro and the exchange's own Python client see them."""

import asyncio
import time
from itertools import pairwise

import ccxt.pro
import pytest
from bfxapi import Client
from conftest import patient

MINUTE = 60_000
PATIENCE = 60


DATA = "/api/market-data"
BUSY = [f"{base}/USD" for base in "BTC ETH SOL XRP LTC ADA DOGE AVAX DOT LINK TRX XLM UNI FIL".split()]


def now_ms():
    return int(time.time() * 1000)


@pytest.fixture(scope="module")
def ws_url(base):
    return f"{base.replace('http', 'ws', 1)}/ws/2"


@pytest.fixture(scope="module")
def connect(base, ws_url):
    """Makes a ccxt.pro with nothing but its addresses changed, and its patience."""

    async def connected():
        client = patient(ccxt.pro.bitfinex())
        public = {"public": base, "private": base}
        client.urls["api"] = {**client.urls["api"], **public, "ws": {"public": ws_url, "private": ws_url}}
        await client.load_markets()
        return client

    return connected


@pytest.fixture(scope="module")
def pro(connect, wait):
    """One for all checks; checksums are on."""
    client = wait(connect())
    assert client.options["watchOrderBook"]["checksum"] is True
    yield client
    wait(client.close())


@pytest.fixture
def counts(http, base, exchange):
    """What the exchange has counted, be it the target or behind it."""
    return lambda: http.get(f"{exchange or base}/sim/counts").json()


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
        # Thirty of them, and in quiet times that is more than an hour.
        assert now_ms() - 360 * MINUTE < trade["timestamp"] <= now_ms() + 1_000


@pytest.mark.gateway
def check_clients_of_one_topic_share_its_channel(pro, connect, counts, wait):
    """Asked before anybody follows what is given up again, at which the gateway takes its time."""

    async def second():
        await asyncio.wait_for(pro.watch_order_book("BTC/USD", 25), PATIENCE)
        before = counts()["ws"]
        client = await connect()
        book = await asyncio.wait_for(client.watch_order_book("BTC/USD", 25), PATIENCE)
        await client.close()
        return before, book, counts()["ws"]

    before, book, after = wait(second())
    assert book["bids"][0][0] < book["asks"][0][0]
    names = ["subscribes", "unsubscribes", "connections"]
    assert [after[name] for name in names] == [before[name] for name in names]


@pytest.mark.gateway
def check_what_is_followed_is_answered_without_a_call(pro, http, base, counts, wait):
    async def followed():
        await asyncio.wait_for(pro.watch_ticker("BTC/USD"), PATIENCE)
        await asyncio.wait_for(pro.watch_order_book("BTC/USD", 25), PATIENCE)

    wait(followed())
    before = counts()["received"]
    for path in [f"{DATA}/ticker/BTC-USD", f"{DATA}/orderbook/BTC-USD", "/v2/ticker/tBTCUSD"]:
        answer = http.get(base + path)
        assert answer.status_code == 200
        assert answer.headers["cache-status"].endswith("; detail=stream"), path
    assert counts()["received"] == before


def check_watch_trades_as_they_happen(connect, wait):
    """New ones arrive, each under one number although it is told twice."""

    async def news(client, symbol):
        known = {trade["id"] for trade in await client.watch_trades(symbol)}
        while True:
            trades = await client.watch_trades(symbol)
            if any(trade["id"] not in known for trade in trades):
                return trades

    async def first_news():
        client = await connect()
        # Of many markets, since one may well be quiet for minutes.
        waiting = [asyncio.create_task(news(client, symbol)) for symbol in BUSY]
        done, quiet = await asyncio.wait(
            waiting, timeout=5 * PATIENCE, return_when=asyncio.FIRST_COMPLETED
        )
        for task in quiet:
            task.cancel()
        await asyncio.gather(*quiet, return_exceptions=True)
        await client.close()
        return [task.result() for task in done]

    first = wait(first_news())
    assert first, "no trade anywhere"
    for trades in first:
        assert len({trade["id"] for trade in trades}) == len(trades)
        assert all(older["timestamp"] <= newer["timestamp"] for older, newer in pairwise(trades))


def check_watch_ohlcv(pro, wait):
    async def candles():
        return await asyncio.wait_for(pro.watch_ohlcv("BTC/USD", "1m"), PATIENCE)

    rows = wait(candles())
    assert len(rows) > 10
    for timestamp, opened, high, low, close, volume in rows:
        assert timestamp % MINUTE == 0 and volume > 0
        assert high >= max(opened, close) >= min(opened, close) >= low > 0
    assert all(older[0] < newer[0] for older, newer in pairwise(rows))


def check_a_lost_connection_of_the_exchange_is_survived(connect, http, base, exchange, counts, wait):
    """ccxt.pro fails where its own connection is lost, and goes on with the next call; where the
    gateway's is lost, it notices nothing."""

    async def survived():
        client, failures = await connect(), 0
        first = dict(await asyncio.wait_for(client.watch_ticker("BTC/USD"), PATIENCE))
        before = counts()["ws"]["connections"]
        http.post(f"{exchange or base}/sim/ws", json="drop").raise_for_status()
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                ticker = await asyncio.wait_for(client.watch_ticker("BTC/USD"), PATIENCE)
            except ccxt.NetworkError:
                failures += 1
                continue
            if counts()["ws"]["connections"] > before and ticker["info"] != first["info"]:
                break
        else:
            raise AssertionError("nothing new after the connection was lost")
        await client.close()
        return failures

    assert wait(survived()) == (0 if exchange else 1)


@pytest.fixture(scope="module")
def told(ws_url, wait):
    """What bitfinex-api-py is told until it has heard everything: its arguments, by the name of the event."""
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
