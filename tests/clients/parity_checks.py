"""What ccxt makes of an exchange's bodies is what the gateway makes of them, value by value.

Both read the same bodies from `parity_exchange.py`. Where the gateway means to differ, the
difference stands in DIFFERENCES with what it is, and in the README's table.
"""

import json
import math
import re
from pathlib import Path

import ccxt
import pytest

pytestmark = pytest.mark.gateway

MARKETS = {"bitfinex": "BTC/USD", "kraken": "BTC/USD", "coinbase": "BTC/USD", "binance": "BTC/USDT"}
EXCHANGES = list(MARKETS)

# Exchange, endpoint, field: what the gateway says instead.
DIFFERENCES = {
    ("*", "ticker", "timestamp"): "time of receipt where the exchange gives none",
    ("*", "ticker", "datetime"): "time of receipt where the exchange gives none",
    ("*", "orderbook", "timestamp"): "time of receipt where the exchange gives none",
    ("*", "orderbook", "datetime"): "time of receipt where the exchange gives none",
    ("coinbase", "trades", "side"): "the taker's side; ccxt copies the maker's",
}


@pytest.fixture(scope="module", params=EXCHANGES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def client(name, exchange):
    """ccxt as a user has it, with nothing but its address changed."""
    options = {"fetchMarkets": {"types": ["spot"]}} if name == "binance" else {}
    client = getattr(ccxt, name)({"options": options} if options else {})
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
        response = http.get(f"{base}/api/market-data/{path}{joined}exchange={name}", timeout=15)
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


def unlike(name, endpoint, ours, theirs, fields):
    return {
        field: (ours[field], theirs[field])
        for field in fields
        if not meant(name, endpoint, field) and not equal(ours[field], theirs[field])
    }


TICKER = [
    "symbol", "high", "low", "bid", "bidVolume", "ask", "askVolume", "vwap", "open", "close", "last",
    "previousClose", "change", "percentage", "average", "baseVolume", "quoteVolume", "timestamp",
]  # fmt: skip


def compare_tickers(name, ours, theirs):
    assert unlike(name, "ticker", ours, theirs, TICKER) == {}
    if theirs["timestamp"] is not None:
        assert int(ours["timestamp"]) == theirs["timestamp"]
    assert flat(ours["info"]) == flat(theirs["info"])


def flat(info):
    """The exchange's row, with every number as text."""
    return json.loads(json.dumps(info), parse_float=str, parse_int=str) if info else info


def check_markets(name, ask, client):
    ours = {market["symbol"]: market for market in ask("markets")["markets"]}
    spot = [market for market in client.markets.values() if market["spot"] and market["active"]]
    listed = {market["symbol"] for market in spot if ".d" not in market["id"]}
    if name == "binance":
        # ccxt lists what is not traded on the spot market as well.
        listed -= {"FUT/USDT"}
    assert set(ours) == listed
    for symbol, market in ours.items():
        theirs = client.market(symbol)
        if name == "kraken" and symbol == "BTC/USD":
            # ccxt lets the dark pool of a pair overwrite the lit one.
            assert market["id"] == "XXBTZUSD"
        else:
            assert market["id"] == theirs["id"]
        assert (market["base"], market["quote"]) == (theirs["base"], theirs["quote"])
        for side in ("min", "max"):
            assert equal(market["limits"]["amount"][side], theirs["limits"]["amount"][side]), side
        if name != "kraken":
            for field in ("amount", "price"):
                assert equal(market["precision"][field], theirs["precision"][field]), field


def check_ticker(name, ask, client):
    symbol = MARKETS[name]
    compare_tickers(name, ask(f"ticker/{symbol}"), client.fetch_ticker(client.market(symbol)["symbol"]))


def check_tickers(name, ask, client):
    ours, theirs = ask("tickers")["tickers"], client.fetch_tickers()
    listed = {symbol for symbol in theirs if symbol in {market["symbol"] for market in ask("markets")["markets"]}}
    assert set(ours) == listed and len(ours) >= 2
    for symbol in ours:
        compare_tickers(name, ours[symbol], theirs[symbol])


def check_order_book(name, ask, client):
    symbol = MARKETS[name]
    limit = {"bitfinex": 25}.get(name, 25)
    params = {"precision": "P0"} if name == "bitfinex" else {}
    ours, theirs = ask(f"orderbook/{symbol}?limit={limit}"), client.fetch_order_book(symbol, limit, params)
    for side in ("bids", "asks"):
        assert [[float(price), float(amount)] for price, amount in ours[side]] == [row[:2] for row in theirs[side]]
        assert len(ours[side]) == 8
    assert equal(ours["nonce"], theirs["nonce"])
    if theirs["timestamp"] is not None:
        assert int(ours["timestamp"]) == theirs["timestamp"]


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
    assert bool(empty) == (fills[name] == "filled")


def check_trades(name, ask, client):
    symbol = MARKETS[name]
    theirs = client.fetch_trades(symbol, limit=50)
    ours = ask(f"trades/{symbol}?limit=50")
    assert len(ours) == len(theirs) >= 5
    by_id = {trade["id"]: trade for trade in theirs}
    fields = ["symbol", "timestamp", "datetime", "side", "price", "amount", "cost"]
    for trade in ours:
        same = by_id[trade["id"]]
        other = unlike(name, "trades", trade, same, [f for f in fields if f != "datetime"])
        assert other == {}, trade
        if meant(name, "trades", "side"):
            assert {trade["side"], same["side"]} == {"buy", "sell"}
        assert flat(trade["info"]) == flat(same["info"])
    times = [int(trade["timestamp"]) for trade in ours]
    assert times == sorted(times)


def check_unknown_symbol(name, http, base, client):
    response = http.get(f"{base}/api/market-data/ticker/NOPE-USD?exchange={name}", timeout=15)
    assert response.status_code == 404 and response.json()["code"] == "unknown_symbol"
    with pytest.raises(ccxt.BadSymbol):
        client.fetch_ticker("NOPE/USD")


def check_the_readme_tells_each_difference():
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    section = re.search(r"^### Where it differs from ccxt$(.*?)^##", readme, re.M | re.S)[1]
    for (where, endpoint, field), what in DIFFERENCES.items():
        place = "all" if where == "*" else where
        row = rf"^\| {place} \| `{endpoint}` \| [^|]*`{field}`[^|]* \| [^|]*{re.escape(what)}"
        assert re.search(row, section, re.M), (where, endpoint, field)
