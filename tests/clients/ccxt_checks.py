"""ccxt's class `bitfinex`: what a bot that is built on it sees."""

import time
from itertools import pairwise

import ccxt
import pytest

MINUTE, DAY, WEEK = 60_000, 86_400_000, 604_800_000


def now_ms():
    return int(time.time() * 1000)


def colon_pair(client):
    """A spot market whose id needs a colon, such as tDOGE:USD."""
    return next(
        market["symbol"]
        for market in client.markets.values()
        if market["spot"] and ":" in market["id"] and "TEST" not in market["id"]
    )


def assert_candles(rows, width):
    assert rows
    for timestamp, opened, high, low, close, volume in rows:
        assert timestamp % width == 0
        assert high >= max(opened, close) >= min(opened, close) >= low > 0
        assert volume > 0, "a bucket without trades is left out, not filled"
    assert all(older[0] < newer[0] for older, newer in pairwise(rows))


def assert_book(book, strict):
    bids, asks = book["bids"], book["asks"]
    assert bids and asks
    assert bids[0][0] < asks[0][0]
    for better, worse in pairwise(bids):
        assert better[0] > worse[0] if strict else better[0] >= worse[0]
    for better, worse in pairwise(asks):
        assert better[0] < worse[0] if strict else better[0] <= worse[0]
    assert all(price > 0 and amount > 0 for price, amount in [*bids, *asks])


def check_load_markets_lists_what_conf_lists(bitfinex, wait):
    spot, futures = wait(
        bitfinex.public_get_conf_config({"config": "pub:info:pair,pub:info:pair:futures"})
    )
    assert len(spot) > 150 and len(futures) > 10
    listed = {f"t{row[0]}" for row in [*spot, *futures]}
    assert set(bitfinex.markets_by_id) == listed

    market = bitfinex.market("BTC/USD")
    assert market["id"] == "tBTCUSD"
    assert (market["base"], market["quote"], market["type"]) == ("BTC", "USD", "spot")
    assert market["spot"] and market["active"] and not market["contract"]
    assert market["precision"] == {**market["precision"], "amount": 8, "price": 5}
    row = next(row for row in spot if row[0] == "BTCUSD")
    assert isinstance(row[1][3], str) and isinstance(row[1][4], str)
    assert market["limits"]["amount"] == {"min": float(row[1][3]), "max": float(row[1][4])}
    assert market["limits"]["amount"]["min"] > 0


def check_load_markets_knows_colons_aliases_and_swaps(bitfinex):
    colon = bitfinex.market(colon_pair(bitfinex))
    base, quote = colon["id"][1:].split(":")
    assert (colon["baseId"], colon["quoteId"]) == (base, quote)
    assert bitfinex.market("BTC/USDT")["id"] == "tBTCUST"

    swap = bitfinex.market("BTC/USDT:USDT")
    assert swap["id"] == "tBTCF0:USTF0"
    assert swap["swap"] and swap["contract"] and swap["linear"] and swap["settle"] == "USDT"
    assert any("TEST" in market_id for market_id in bitfinex.markets_by_id)


def check_fetch_ticker(bitfinex, wait):
    ticker = wait(bitfinex.fetch_ticker("BTC/USD"))
    assert ticker["symbol"] == "BTC/USD"
    figures = ["bid", "ask", "last", "high", "low", "change", "percentage", "baseVolume"]
    assert all(isinstance(ticker[name], float) for name in figures)
    assert ticker["high"] >= ticker["last"] >= ticker["low"] > 0
    assert 0 < ticker["bid"] < ticker["ask"]
    assert ticker["close"] == ticker["last"]
    assert ticker["open"] == pytest.approx(ticker["last"] - ticker["change"])
    assert ticker["percentage"] == pytest.approx(100 * ticker["change"] / ticker["open"], abs=1e-3)
    assert ticker["average"] == pytest.approx((ticker["open"] + ticker["close"]) / 2)
    assert ticker["baseVolume"] > 0
    assert all(ticker[name] is None for name in ["timestamp", "bidVolume", "vwap", "quoteVolume"])
    assert len(ticker["info"]) == 11
    assert 1.2e12 < int(ticker["info"][10]) < now_ms(), "the first trade, in milliseconds"


def check_fetch_ticker_of_a_swap_and_a_colon_pair(bitfinex, wait):
    for symbol in ["BTC/USDT:USDT", colon_pair(bitfinex)]:
        ticker = wait(bitfinex.fetch_ticker(symbol))
        assert ticker["symbol"] == symbol
        assert ticker["high"] >= ticker["last"] >= ticker["low"] > 0


def check_fetch_tickers_by_name(bitfinex, wait):
    names = ["BTC/USD", "ETH/USD", "BTC/USDT:USDT", colon_pair(bitfinex)]
    tickers = wait(bitfinex.fetch_tickers(names))
    assert sorted(tickers) == sorted(names)
    for name, ticker in tickers.items():
        assert ticker["symbol"] == name
        assert ticker["high"] >= ticker["last"] >= ticker["low"] > 0
        assert len(ticker["info"]) == 12


def check_fetch_tickers_of_everything(bitfinex, wait):
    tickers = wait(bitfinex.fetch_tickers())
    pairs = {ticker["info"][0] for ticker in tickers.values() if ticker["info"][0][0] == "t"}
    assert len(pairs) > 150 and pairs <= set(bitfinex.markets_by_id)
    assert len(tickers["fUSD"]["info"]) == 18
    assert tickers["BTC/USD"]["last"] > 0


def check_fetch_order_book_by_order(bitfinex, wait):
    """ccxt asks for R0 where its user names no precision: a row for each order."""
    book = wait(bitfinex.fetch_order_book("BTC/USD"))
    assert book["symbol"] == "BTC/USD" and book["nonce"] is None
    assert_book(book, strict=False)
    assert len(book["bids"]) == len(book["asks"]) == 25
    assert len(wait(bitfinex.fetch_order_book("BTC/USD", 100))["bids"]) == 100

    rows = wait(bitfinex.public_get_book_symbol_precision({"symbol": "tBTCUSD", "precision": "R0"}))
    ids = [int(row[0]) for row in rows]
    assert len(set(ids)) == len(ids) and min(ids) > 2**32


def check_fetch_order_book_by_price(bitfinex, wait):
    for precision in ["P0", "P4"]:
        book = wait(bitfinex.fetch_order_book("BTC/USD", 25, {"precision": precision}))
        assert_book(book, strict=True)
        assert 0 < len(book["bids"]) <= 25 and 0 < len(book["asks"]) <= 25
    assert len(wait(bitfinex.fetch_order_book("BTC/USD", 1, {"precision": "P0"}))["bids"]) == 1


def check_fetch_ohlcv_newest(bitfinex, wait):
    rows = wait(bitfinex.fetch_ohlcv("BTC/USD"))
    assert_candles(rows, MINUTE)
    assert len(rows) == 100
    assert now_ms() - 60 * MINUTE < rows[-1][0] <= now_ms()
    five = wait(bitfinex.fetch_ohlcv("BTC/USD", "5m", limit=5))
    assert_candles(five, 5 * MINUTE)
    assert len(five) == 5


def check_fetch_ohlcv_since(bitfinex, wait):
    since = now_ms() // MINUTE * MINUTE - 240 * MINUTE
    rows = wait(bitfinex.fetch_ohlcv("BTC/USD", "1m", since, 30))
    assert_candles(rows, MINUTE)
    assert len(rows) == 30 and since <= rows[0][0] < since + 60 * MINUTE
    until = since + 20 * MINUTE
    window = wait(bitfinex.fetch_ohlcv("BTC/USD", "1m", since, 100, {"until": until}))
    assert window == [row for row in rows if row[0] <= until]


def check_fetch_ohlcv_of_days_and_weeks(bitfinex, wait):
    days = wait(bitfinex.fetch_ohlcv("BTC/USD", "1d", limit=10))
    assert_candles(days, DAY)
    assert len(days) == 10
    weeks = wait(bitfinex.fetch_ohlcv("BTC/USD", "1w", limit=4))
    assert_candles(weeks, DAY)
    assert all((newer[0] - older[0]) % WEEK == 0 for older, newer in pairwise(weeks))


def check_fetch_trades(bitfinex, wait):
    trades = wait(bitfinex.fetch_trades("BTC/USD", limit=50))
    assert len(trades) == 50
    assert now_ms() - 60 * MINUTE < trades[-1]["timestamp"] <= now_ms()
    for trade in trades:
        assert isinstance(trade["id"], str) and trade["id"].isdigit()
        assert trade["side"] == ("buy" if float(trade["info"][2]) > 0 else "sell")
        assert trade["price"] > 0 and trade["amount"] > 0
        assert trade["cost"] == pytest.approx(trade["price"] * trade["amount"])
    assert len({trade["id"] for trade in trades}) == 50
    assert all(older["timestamp"] <= newer["timestamp"] for older, newer in pairwise(trades))


def check_fetch_trades_since_makes_the_candles(bitfinex, wait):
    """Trades of closed minutes, put together by hand, are the candles of those minutes."""
    # An hour: in six minutes there may be no trade at all.
    since = now_ms() // MINUTE * MINUTE - 66 * MINUTE
    until = since + 60 * MINUTE - 1
    trades = wait(bitfinex.fetch_trades("BTC/USD", since, 10_000, {"until": until}))
    candles = wait(bitfinex.fetch_ohlcv("BTC/USD", "1m", since, 60, {"until": until}))
    assert trades and candles
    assert since <= trades[0]["timestamp"] and trades[-1]["timestamp"] <= until

    buckets = {}
    for trade in sorted(trades, key=lambda trade: (trade["timestamp"], int(trade["id"]))):
        buckets.setdefault(trade["timestamp"] // MINUTE * MINUTE, []).append(trade)
    assert [row[0] for row in candles] == sorted(buckets)
    for timestamp, opened, high, low, close, volume in candles:
        prices = [trade["price"] for trade in buckets[timestamp]]
        assert (opened, high, low, close) == (prices[0], max(prices), min(prices), prices[-1])
        amounts = [trade["amount"] for trade in buckets[timestamp]]
        assert volume == pytest.approx(sum(amounts), rel=1e-9)


def check_fetch_status(bitfinex, wait):
    assert wait(bitfinex.fetch_status())["status"] == "ok"


def check_mistakes_have_the_exceptions_of_the_exchange(bitfinex, wait):
    with pytest.raises(ccxt.BadSymbol, match="symbol: invalid"):
        wait(bitfinex.public_get_ticker_symbol({"symbol": "tNOPEUSD"}))
    with pytest.raises(ccxt.BadSymbol, match="symbol: invalid"):
        wait(bitfinex.public_get_book_symbol_precision({"symbol": "tNOPEUSD", "precision": "P0"}))
    with pytest.raises(ccxt.BadRequest, match="prec: invalid"):
        wait(bitfinex.public_get_book_symbol_precision({"symbol": "tBTCUSD", "precision": "P9"}))
    with pytest.raises(ccxt.BadRequest, match="len: invalid"):
        wait(bitfinex.fetch_order_book("BTC/USD", 10))
    with pytest.raises(ccxt.BadRequest, match="time_interval: invalid"):
        wait(bitfinex.fetch_ohlcv("BTC/USD", "2h"))


def check_candles_of_an_unknown_pair_are_empty(bitfinex, wait):
    """The exchange's odd one out: 200 and an empty array."""
    pair = {"symbol": "tNOPEUSD", "timeframe": "1m"}
    assert wait(bitfinex.public_get_candles_trade_timeframe_symbol_hist(pair)) == []
