"""What ccxt makes of an exchange's bodies is what the gateway makes of them, value by value.

Both read the same bodies from `parity_exchange.py`. Where the gateway means to differ, the
difference stands in DIFFERENCES with what it is, and in the README's table.
"""

import json
import math
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import ccxt
import pytest
from conftest import patient

pytestmark = pytest.mark.gateway

MARKETS = {"bitfinex": "BTC/USD", "kraken": "BTC/USD", "coinbase": "BTC/USD", "binance": "BTC/USDT"}
EXCHANGES = list(MARKETS)

RECEIVED = "when Tidegate received it, where the exchange gives no time"
UNTOLD = "not told"
EXACT = "exact; ccxt cuts it to the market's tick"
UNCHANGED = "of a market whose price has not changed it is told; ccxt has none"
NONE = "where there is none it is `null`; ccxt has 0"
SHUT = "what cannot be traded now is left out; ccxt lists it"
EMPTY = "marks the candle of a bucket without a trade; ccxt has no such mark"

# Exchange (`*`: all), endpoint, field: what the gateway says instead.
DIFFERENCES = {
    ("*", "ticker", "timestamp"): RECEIVED,
    ("*", "ticker", "datetime"): RECEIVED,
    ("*", "orderbook", "timestamp"): RECEIVED,
    ("*", "orderbook", "datetime"): RECEIVED,
    ("*", "ticker", "indexPrice"): UNTOLD,
    ("*", "ticker", "markPrice"): UNTOLD,
    ("*", "trades", "order"): UNTOLD,
    ("*", "trades", "type"): UNTOLD,
    ("*", "trades", "takerOrMaker"): UNTOLD,
    ("*", "trades", "fee"): UNTOLD,
    ("*", "trades", "fees"): UNTOLD,
    ("*", "markets", "active"): SHUT,
    ("*", "ohlcv", "closed"): "tells whether the candle is final; ccxt has no such mark",
    ("kraken", "ohlcv", "empty"): EMPTY,
    ("binance", "ohlcv", "empty"): EMPTY,
    ("kraken", "ticker", "average"): EXACT,
    ("coinbase", "ticker", "average"): EXACT,
    ("binance", "ticker", "average"): EXACT,
    ("kraken", "ticker", "vwap"): NONE,
    ("kraken", "ticker", "bidVolume"): NONE,
    ("kraken", "ticker", "askVolume"): NONE,
    ("binance", "ticker", "vwap"): NONE,
    ("binance", "ticker", "bidVolume"): NONE,
    ("binance", "ticker", "askVolume"): NONE,
    ("binance", "ticker", "previousClose"): NONE,
    ("bitfinex", "ticker", "info"): "in `/tickers` without the symbol that its row begins with",
    ("kraken", "markets", "symbol"): "dark pools (`.d`) and other venues (`:BTNL`) are left out; "
    "ccxt lets a dark pool take the lit pair's place",
    ("kraken", "orderbook", "bids"): "price and amount; ccxt adds the time of the level",
    ("kraken", "orderbook", "asks"): "price and amount; ccxt adds the time of the level",
    ("kraken", "trades", "info"): "the trade's row; ccxt adds the answer's `last` to that of the newest",
    ("coinbase", "ticker", "open"): UNCHANGED,
    ("coinbase", "ticker", "change"): UNCHANGED,
    ("coinbase", "ticker", "percentage"): UNCHANGED,
    ("kraken", "ohlcv", "timeframe"): "ccxt's `2w`, which is 15 days, is not offered",
    ("coinbase", "ohlcv", "timeframe"): "`4h` is the exchange's own, and ccxt does not offer it",
    ("binance", "ohlcv", "timeframe"): "its `1s` and `3d` are not offered",
    ("coinbase", "trades", "side"): "the taker's; ccxt copies the maker's",
    ("coinbase", "trades", "datetime"): "in milliseconds; ccxt copies the exchange's text",
}


# Widths that ccxt has and the gateway has not.
NOT_OFFERED = {"kraken": {"2w"}, "binance": {"1s", "3d"}}


@pytest.fixture(scope="module", params=EXCHANGES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def client(name, exchange):
    """ccxt as a user has it, with nothing but its address changed."""
    options = {"fetchMarkets": {"types": ["spot"]}} if name == "binance" else {}
    client = patient(getattr(ccxt, name)({"options": options} if options else {}))
    client.enableRateLimit = False
    match name:
        case "coinbase":
            client.urls["api"]["rest"] = exchange
        case "binance":
            client.urls["api"] = {**client.urls["api"], "public": f"{exchange}/api/v3"}
        case _:
            client.urls["api"] = {**client.urls["api"], "public": exchange}
    client.load_markets()
    return client


@pytest.fixture
def ask(http, base, name):
    def ask(path):
        joined = "&" if "?" in path else "?"
        response = http.get(f"{base}/api/market-data/{path}{joined}exchange={name}", timeout=60)
        assert response.status_code == 200, response.text
        return json.loads(response.content, parse_float=str, parse_int=str)

    return ask


def meant(name, endpoint, field):
    return (name, endpoint, field) in DIFFERENCES or ("*", endpoint, field) in DIFFERENCES


def equal(ours, theirs):
    """Numbers by value: ccxt has doubles, the gateway the exchange's text."""
    if ours is None or theirs is None:
        return ours is theirs
    if isinstance(theirs, (int, float)) and not isinstance(theirs, bool):
        return math.isclose(float(ours), theirs, rel_tol=1e-12)
    return ours == theirs


def unlike(ours, theirs, fields):
    return {
        field: (ours[field], theirs[field])
        for field in fields
        if not equal(ours[field], theirs[field])
    }


def has_fields(endpoint, ours, theirs):
    """What ccxt tells beyond the gateway is among the differences, and nothing else."""
    for field in theirs.keys() - ours.keys():
        assert DIFFERENCES[("*", endpoint, field)] == UNTOLD, field


def same_time(ours, theirs, is_given):
    """`is_given`: the exchange tells the time of it, so that both have the same one."""
    if is_given:
        assert int(ours["timestamp"]) == theirs["timestamp"]
    else:
        # ccxt has none, or its own clock's.
        assert abs(int(ours["timestamp"]) / 1000 - time.time()) < 120
        assert theirs["timestamp"] is None or abs(theirs["timestamp"] / 1000 - time.time()) < 120
    at = datetime.fromtimestamp(int(ours["timestamp"]) / 1000, UTC)
    assert ours["datetime"] == at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


TICKER = [
    "symbol", "high", "low", "bid", "bidVolume", "ask", "askVolume", "vwap", "open", "close", "last",
    "previousClose", "change", "percentage", "baseVolume", "quoteVolume",
]  # fmt: skip


def compare_tickers(name, ours, theirs, tick, is_timed):
    has_fields("ticker", ours, theirs)
    fields = TICKER
    if name == "coinbase" and theirs["percentage"] is None and ours["percentage"] is not None:
        assert (float(ours["percentage"]), float(ours["change"]), ours["open"]) == (0, 0, ours["last"])
        assert [theirs[field] for field in ("open", "change", "average")] == [None] * 3
        fields = [field for field in TICKER if field not in ("open", "change", "percentage")]
    for field, values in unlike(ours, theirs, fields).items():
        assert DIFFERENCES.get((name, "ticker", field)) == NONE and values == (None, 0), field
    same_time(ours, theirs, is_timed)
    if ours["open"] is None:
        assert ours["average"] is theirs["average"] is None
    else:
        assert float(ours["average"]) == pytest.approx((float(ours["open"]) + float(ours["last"])) / 2)
        cut = float(ours["average"]) - theirs["average"] if theirs["average"] is not None else 0
        assert 0 <= cut < tick if meant(name, "ticker", "average") else cut == 0
    assert flat(ours["info"]) == flat(theirs["info"])


def flat(info):
    """The exchange's row, with every number as text."""
    return json.loads(json.dumps(info), parse_float=str, parse_int=str) if info else info


def check_markets(name, ask, client):
    ours = {market["symbol"]: market for market in ask("markets")["markets"]}
    spot = [market for market in client.markets.values() if market["spot"]]
    listed = {market["symbol"] for market in spot if market["active"]}
    assert name == "bitfinex" or len(listed) < len(spot)
    # ccxt lists what is not traded on the spot market, and other venues, as well.
    assert set(ours) == listed - {"FUT/USDT", "XBTUSD:BTNL"}
    for symbol, market in ours.items():
        theirs = client.market(symbol)
        if symbol == "XTZ/USD":
            assert (market["id"], theirs["id"]) == ("XTZUSD", "XTZUSD.d")
            continue
        assert unlike(market, theirs, ["id", "symbol", "base", "quote", "type", "active"]) == {}
        assert market["margin"] is None or market["margin"] == theirs["margin"]
        for side in ("min", "max"):
            assert equal(market["limits"]["amount"][side], theirs["limits"]["amount"][side]), side
        for field in ("amount", "price"):
            assert equal(market["precision"][field], theirs["precision"][field]), field


def tick_of(market):
    return market["precision"]["price"]


def check_ticker(name, ask, client):
    market = client.market(MARKETS[name])
    ours, theirs = ask(f"ticker/{MARKETS[name]}"), client.fetch_ticker(market["symbol"])
    compare_tickers(name, ours, theirs, tick_of(market), name in ("coinbase", "binance"))


def check_tickers(name, ask, client):
    ours, theirs = ask("tickers")["tickers"], client.fetch_tickers()
    listed = {market["symbol"] for market in ask("markets")["markets"]}
    assert set(ours) == listed & set(theirs) and len(ours) >= 2
    for symbol in ours:
        if name == "bitfinex":
            assert theirs[symbol]["info"].pop(0) == client.market(symbol)["id"]
        tick = tick_of(client.market(symbol))
        compare_tickers(name, ours[symbol], theirs[symbol], tick, name == "binance")


def check_order_book(name, ask, client):
    symbol, limit = MARKETS[name], 25
    params = {"precision": "P0"} if name == "bitfinex" else {}
    ours, theirs = ask(f"orderbook/{symbol}?limit={limit}"), client.fetch_order_book(symbol, limit, params)
    has_fields("orderbook", ours, theirs)
    for side in ("bids", "asks"):
        assert [[float(price), float(amount)] for price, amount in ours[side]] == [row[:2] for row in theirs[side]]
        assert len(ours[side]) == 8
        assert {len(row) for row in theirs[side]} == {3 if meant(name, "orderbook", side) else 2}
    assert unlike(ours, theirs, ["symbol", "nonce"]) == {}
    same_time(ours, theirs, name == "coinbase")


def check_candles(name, ask, client):
    symbol = MARKETS[name]
    first = client.fetch_ohlcv(symbol, "1m")[0][0]
    theirs = client.fetch_ohlcv(symbol, "1m", first, 300)
    ours = ask(f"ohlcv/{symbol}?timeframe=1m&since={first}&limit=300")
    fields = ("timestamp", "open", "high", "low", "close", "volume")
    assert [[float(candle[field]) for field in fields] for candle in ours["candles"]] == theirs
    assert len(theirs) >= 7
    fills = {"bitfinex": "left_out", "kraken": "filled", "coinbase": "left_out", "binance": "filled"}
    assert ours["empty_buckets"] == fills[name]
    empty = [candle for candle in ours["candles"] if candle.get("empty")]
    assert len(empty) == sum(row[5] == 0 for row in theirs)
    assert bool(empty) == (fills[name] == "filled") == meant(name, "ohlcv", "empty")
    rows = ask(f"ohlcv/{symbol}?timeframe=1m&limit=5&format=arrays")["candles"]
    assert [[float(column) for column in row] for row in rows] == theirs[-5:]


def check_timeframes(name, http, base, client):
    """Widths are the same under the same names, but for those that the table names."""
    exchanges = http.get(f"{base}/api/market-data/exchanges", timeout=60).json()["exchanges"]
    (one,) = [one for one in exchanges if one["exchange"] == name]
    beyond = set(one["timeframes"]) - set(client.timeframes)
    assert beyond == ({"4h"} if name == "coinbase" else set())
    missing = set(client.timeframes) - {*one["timeframes"], *one["derived_timeframes"]}
    assert missing == NOT_OFFERED.get(name, set())
    assert all(f"`{width}`" in DIFFERENCES[name, "ohlcv", "timeframe"] for width in missing | beyond)


def check_trades(name, ask, client):
    symbol = MARKETS[name]
    theirs = client.fetch_trades(symbol, limit=50)
    ours = ask(f"trades/{symbol}?limit=50")
    assert len(ours) == len(theirs) >= 5
    by_id = {trade["id"]: trade for trade in theirs}
    for trade in ours:
        same = by_id[trade["id"]]
        has_fields("trades", trade, same)
        other = unlike(trade, same, ["symbol", "side", "price", "amount", "cost", "datetime"])
        if name == "coinbase":
            assert sorted(other.pop("side")) == ["buy", "sell"]
            at, text = other.pop("datetime")
            assert text.startswith(at[:-1]) and text == same["info"]["time"]
        assert other == {}, trade
        same_time(trade, same, True)
        ends = trade is ours[-1] and meant(name, "trades", "info")
        assert flat(trade["info"]) == flat(same["info"][:-1] if ends else same["info"])
    times = [int(trade["timestamp"]) for trade in ours]
    assert times == sorted(times)


def check_unknown_symbol(name, http, base, client):
    response = http.get(f"{base}/api/market-data/ticker/NOPE-USD?exchange={name}", timeout=60)
    assert response.status_code == 404 and response.json()["code"] == "unknown_symbol"
    with pytest.raises(ccxt.BadSymbol):
        client.fetch_ticker("NOPE/USD")


def check_the_readme_tells_each_difference():
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    section = re.search(r"^### Where it differs from ccxt$(.*?)^##", readme, re.M | re.S)[1]
    told = {}
    for row in re.findall(r"^\| (?!exchange |---)(.*) \|$", section, re.M):
        exchanges, endpoint, fields, what = row.split(" | ")
        for exchange in exchanges.split(", "):
            for field in fields.split(", "):
                told[exchange.replace("all", "*"), endpoint.strip("`"), field.strip("`")] = what
    assert told == DIFFERENCES
