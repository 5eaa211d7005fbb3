"""ccxt's classes `kraken` and `coinbase` on the simulated exchanges, with nothing but URLs changed.

The simulated exchanges are what adapters are tried against, so somebody else has to say that they
are like the real ones: a client that is used on those every day.
"""

import asyncio
import json
import time
import zlib
from decimal import Decimal
from itertools import pairwise

import aiohttp
import ccxt
import ccxt.pro
import pytest
from conftest import patient

MINUTE, DAY = 60_000, 86_400_000
PATIENCE = 60

# Class, and where its addresses stand among its settings.
CLASSES = {
    "kraken": {"rest": ["public"], "ws": {"publicV2": "/v2"}},
    "coinbase": {"rest": ["rest"], "ws": "/"},
}


def now_ms():
    return int(time.time() * 1000)


@pytest.fixture(scope="module")
def clients(simulated, wait):
    """A client of each simulated exchange by name, markets loaded; made when it is first used."""
    made = {}

    def client_of(name):
        if name not in made:
            root = simulated(name)
            # As fast as its own limits allow: the simulated exchange keeps the real one's.
            client = patient(getattr(ccxt.pro, name)())
            for key in CLASSES[name]["rest"]:
                client.urls["api"][key] = f"http://{root}"
            ws = CLASSES[name]["ws"]
            if isinstance(ws, str):
                client.urls["api"]["ws"] = f"ws://{root}{ws}"
            else:
                client.urls["api"]["ws"].update({key: f"ws://{root}{at}" for key, at in ws.items()})
            wait(client.load_markets())
            made[name] = client
        return made[name]

    yield client_of
    for client in made.values():
        wait(client.close())


@pytest.fixture(params=CLASSES)
def client(request, clients):
    return clients(request.param)


@pytest.fixture
def kraken(clients):
    return clients("kraken")


@pytest.fixture
def coinbase(clients):
    return clients("coinbase")


def assert_candles(rows, width):
    assert rows
    for timestamp, opened, high, low, close, volume in rows:
        assert timestamp % width == 0 and volume >= 0
        assert high >= max(opened, close) >= min(opened, close) >= low > 0
    assert all(older[0] < newer[0] for older, newer in pairwise(rows))


def assert_book(book):
    bids, asks = book["bids"], book["asks"]
    assert bids and asks and bids[0][0] < asks[0][0]
    assert all(better[0] > worse[0] for better, worse in pairwise(bids))
    assert all(better[0] < worse[0] for better, worse in pairwise(asks))
    assert all(row[0] > 0 and row[1] > 0 for row in [*bids, *asks])


def check_markets_have_unified_names(client):
    for base in ["BTC", "ETH", "SOL", "XRP", "DOGE"]:
        market = client.market(f"{base}/USD")
        assert (market["base"], market["quote"], market["type"]) == (base, "USD", "spot")
        assert market["active"] and market["spot"]
        assert 0 < market["precision"]["price"] < 1 and market["precision"]["amount"] == 1e-8
        assert market["limits"]["amount"]["min"] > 0
    assert len(client.markets) > 150


def check_kraken_keeps_its_old_ids(kraken):
    assert kraken.market("BTC/USD")["id"] == "XXBTZUSD"
    assert kraken.market("DOGE/USD")["id"] == "XDGUSD"
    assert kraken.market("BTC/USD")["wsId"] == "XBT/USD"


def check_coinbase_has_aliases(coinbase):
    alias = coinbase.market("BTC/USDC")
    assert alias["id"] == "BTC-USDC" and alias["info"]["alias"] == "BTC-USD"
    assert coinbase.market("BTC/USD")["info"]["alias_to"] == ["BTC-USDC"]


def check_tickers(client, wait):
    tickers = wait(client.fetch_tickers(["BTC/USD", "ETH/USD"]))
    assert sorted(tickers) == ["BTC/USD", "ETH/USD"]
    for symbol, ticker in tickers.items():
        assert ticker["symbol"] == symbol
        assert ticker["last"] > 0 and ticker["baseVolume"] > 0 and ticker["quoteVolume"] > 0
        assert ticker["quoteVolume"] == pytest.approx(ticker["vwap"] * ticker["baseVolume"])
    one = wait(client.fetch_ticker("BTC/USD"))
    assert 0 < one["bid"] < one["ask"]
    assert one["last"] == pytest.approx(tickers["BTC/USD"]["last"], rel=0.01)


def check_order_book(client, wait):
    book = wait(client.fetch_order_book("BTC/USD", 50))
    assert_book(book)
    assert len(book["bids"]) == len(book["asks"]) == 50


def check_candles(client, wait):
    minutes = wait(client.fetch_ohlcv("BTC/USD", "1m"))
    assert_candles(minutes, MINUTE)
    # Coinbase leaves out a minute in which nothing traded.
    assert now_ms() - 60 * MINUTE < minutes[-1][0] <= now_ms()
    days = wait(client.fetch_ohlcv("BTC/USD", "1d", limit=10))
    assert_candles(days, DAY)
    assert {newer[0] - older[0] for older, newer in pairwise(days)} == {DAY}
    # Coinbase leaves out a day, too, as long as nothing has traded in it.
    yesterday = now_ms() // DAY * DAY - DAY
    assert len(days) == 10 or len(days) == 9 and days[-1][0] == yesterday


def check_kraken_fills_minutes_without_trades(kraken, wait):
    rows = wait(kraken.fetch_ohlcv("XRP/USD", "1m"))
    assert len(rows) == 721
    assert all(newer[0] - older[0] == MINUTE for older, newer in pairwise(rows))
    flat = [(older, newer) for older, newer in pairwise(rows) if newer[5] == 0]
    assert len(flat) > 20
    assert all(set(newer[1:5]) == {older[4]} for older, newer in flat)


def check_coinbase_leaves_out_minutes_without_trades(coinbase, wait):
    rows = wait(coinbase.fetch_ohlcv("XRP/USD", "1m"))
    assert 50 < len(rows) < 300
    assert all(row[5] > 0 for row in rows)


def check_trades_are_the_same_as_candles(client, wait):
    # In a busy minute there are up to 48 trades.
    trades = wait(client.fetch_trades("BTC/USD", limit=100))
    assert len(trades) == 100
    assert all(older["timestamp"] <= newer["timestamp"] for older, newer in pairwise(trades))
    candles = {row[0]: row for row in wait(client.fetch_ohlcv("BTC/USD", "1m"))}
    minutes = {trade["timestamp"] // MINUTE * MINUTE for trade in trades}
    # The first minute may have begun before the first trade, the last may not be over.
    whole = sorted(minutes)[1:-1]
    assert whole
    for minute in whole:
        amounts = [t["amount"] for t in trades if t["timestamp"] // MINUTE * MINUTE == minute]
        assert candles[minute][5] == pytest.approx(sum(amounts), rel=1e-6)


def check_mistakes_have_the_exceptions_of_the_exchange(kraken, coinbase, wait):
    with pytest.raises(ccxt.ExchangeError, match="EQuery:Unknown asset pair"):
        wait(kraken.public_get_depth({"pair": "NOPEUSD"}))
    with pytest.raises(ccxt.BadRequest, match="EGeneral:Invalid arguments"):
        wait(kraken.public_get_ohlc({"pair": "XBTUSD", "interval": 360}))
    product = {"product_id": "NOPE-USD"}
    with pytest.raises(ccxt.ExchangeError, match="valid product_id is required"):
        wait(coinbase.v3PublicGetBrokerageMarketProductBook(product))
    end = now_ms() // 1000
    wide = {"product_id": "BTC-USD", "granularity": "ONE_MINUTE", "start": end - 400 * 60}
    with pytest.raises(ccxt.BadRequest, match="less than 350"):
        wait(coinbase.v3PublicGetBrokerageMarketProductsProductIdCandles({**wide, "end": end}))


def check_too_many_requests_are_refused(simulated, http):
    """The exchange's own way of refusing, as ccxt understands it."""
    root = f"http://{simulated('kraken')}"
    fault = {"kind": "rate_limited", "family": "book", "times": 1}
    http.post(f"{root}/sim/faults", data=json.dumps(fault)).raise_for_status()
    client = patient(ccxt.kraken({"maxRetriesOnFailure": 0}))
    client.urls["api"]["public"] = root
    with pytest.raises(ccxt.DDoSProtection):
        client.public_get_depth({"pair": "XBTUSD"})


def check_watch_ticker(client, wait):
    ticker = wait(asyncio.wait_for(client.watch_ticker("BTC/USD"), PATIENCE))
    assert ticker["symbol"] == "BTC/USD"
    assert 0 < ticker["bid"] < ticker["ask"] and ticker["last"] > 0


def check_watch_order_book(client, wait):
    for _ in range(5):
        book = wait(asyncio.wait_for(client.watch_order_book("BTC/USD"), PATIENCE))
        assert_book(book)


def check_watch_trades(client, wait):
    # Minutes may go by without a trade in one market, but hardly in all of them.
    symbols = [symbol for symbol in client.symbols if symbol.endswith("/USD")]
    trades = wait(asyncio.wait_for(client.watch_trades_for_symbols(symbols), 300))
    assert trades and {trade["symbol"] for trade in trades} <= set(symbols)
    assert all(trade["price"] > 0 and trade["side"] in ("buy", "sell") for trade in trades)


def check_kraken_watch_ohlcv(kraken, wait):
    rows = wait(asyncio.wait_for(kraken.watch_ohlcv("BTC/USD", "1m"), PATIENCE))
    assert_candles(rows, MINUTE)


def check_krakens_checksums_are_those_of_its_books(simulated, wait):
    """With the digits that were sent: ccxt's own check reads numbers as doubles and is off."""

    async def wrong_and_right():
        counts, sides = [0, 0], {"bids": {}, "asks": {}}
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"ws://{simulated('kraken')}/v2") as ws:
                params = {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}
                await ws.send_json({"method": "subscribe", "params": params})
                while sum(counts) < 6:
                    text = await asyncio.wait_for(ws.receive_str(), PATIENCE)
                    message = json.loads(text, parse_float=Decimal)
                    if message.get("channel") != "book":
                        continue
                    [data] = message["data"]
                    for name, side in sides.items():
                        side.update({level["price"]: level["qty"] for level in data[name]})
                        kept = sorted((p for p, q in side.items() if q), reverse=name == "bids")
                        sides[name] = {price: side[price] for price in kept[:10]}
                    levels = [*sides["asks"].items(), *sides["bids"].items()]
                    digits = [f"{n:f}".replace(".", "").lstrip("0") for row in levels for n in row]
                    counts[zlib.crc32("".join(digits).encode()) == data["checksum"]] += 1
        return counts

    assert wait(wrong_and_right()) == [0, 6]


def check_coinbase_numbers_every_frame(simulated, wait):
    async def numbers():
        seen = []
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"ws://{simulated('coinbase')}/") as ws:
                for channel in ["level2", "ticker", "market_trades", "candles", "heartbeats"]:
                    request = {"type": "subscribe", "channel": channel}
                    await ws.send_json({**request, "product_ids": ["BTC-USD", "ETH-USD"]})
                while len(seen) < 30:
                    frame = await asyncio.wait_for(ws.receive_json(), PATIENCE)
                    seen.append(frame["sequence_num"])
        return seen

    assert wait(numbers()) == list(range(30))
