"""Four exchanges that answer every request with the same bodies, in the shapes that each documents.

    python parity_exchange.py

Whoever asks twice gets the same bytes, so that two readers of them can be compared value by value.
All four share one root, which is printed: their paths differ. What is in the bodies is made up, and
meant to be awkward: zeros at the end of numbers, empty buckets, empty strings, aliases, markets that
are shut.
"""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

MINUTE = 60
# The minute before the present one, whose candle is closed and a moment older than any grace.
NEWEST = int(time.time()) // MINUTE * MINUTE - 2 * MINUTE
BUCKETS = [NEWEST - MINUTE * back for back in range(9, -1, -1)]


def iso(seconds, fraction="Z"):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction


# Kraken ------------------------------------------------------------------------------------------


def pair(altname, wsname, base, quote, **more):
    fields = {
        "altname": altname, "wsname": wsname, "aclass_base": "currency", "base": base,
        "aclass_quote": "currency", "quote": quote, "lot": "unit", "cost_decimals": 5,
        "pair_decimals": 1, "lot_decimals": 8, "lot_multiplier": 1, "leverage_buy": [2, 3],
        "leverage_sell": [2, 3], "fees": [[0, 0.4]], "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD", "margin_call": 80, "margin_stop": 40, "ordermin": "0.00005",
        "costmin": "0.5", "tick_size": "0.1", "status": "online",
    }  # fmt: skip
    return {name: value for name, value in {**fields, **more}.items() if value is not None}


KRAKEN_PAIRS = {
    # ccxt keeps the last of those that share their currencies: here the lit one, below the dark one.
    "XXBTZUSD.d": pair("XBTUSD.d", None, "XXBT", "ZUSD"),
    "XXBTZUSD": pair("XBTUSD", "XBT/USD", "XXBT", "ZUSD"),
    "XDGUSD": pair("XDGUSD", "XDG/USD", "XXDG", "ZUSD", pair_decimals=7, tick_size="0.0000001", ordermin="13"),
    "XTZUSD": pair("XTZUSD", "XTZ/USD", "XTZ", "ZUSD", pair_decimals=4, tick_size="0.0001", leverage_buy=[], leverage_sell=[]),
    "XTZUSD.d": pair("XTZUSD.d", None, "XTZ", "ZUSD"),
    "XBTUSD:BTNL": pair("XBTUSD:BTNL", "XBT/USD:BTNL", "XXBT", "ZUSD"),
    "XTZEUR": pair("XTZEUR", "XTZ/EUR", "XTZ", "ZEUR", pair_decimals=4, tick_size="0.0001"),
    "LUNAUSD": pair("LUNAUSD", "LUNA/USD", "LUNA", "ZUSD", status="cancel_only"),
}  # fmt: skip


def kraken_ticker(last):
    return {
        "a": [f"{last}.10000", "1", "1.000"], "b": [f"{last}.00000", "2", "2.500"],
        "c": [f"{last}.00000", "0.04408910"], "v": ["4147.94474901", "8896.96086304"],
        "p": ["62456.22239", "62568.63032"], "t": [3907, 10056], "l": ["61302.00000", "61102.00000"],
        "h": ["63621.00000", "63860.10000"], "o": "62571.56000",
    }  # fmt: skip


KRAKEN_TICKERS = {
    "XXBTZUSD": kraken_ticker(62430), "XDGUSD": kraken_ticker(7), "XTZUSD": kraken_ticker(3),
    # Nobody trades, and nobody wants to.
    "XTZEUR": {
        "a": ["0.00000", "0", "0.000"], "b": ["0.00000", "0", "0.000"], "c": ["0.00000", "0.00000000"],
        "v": ["0.00000000", "0.00000000"], "p": ["0.00000", "0.00000"], "t": [0, 0],
        "l": ["0.00000", "0.00000"], "h": ["0.00000", "0.00000"], "o": "0.00000",
    },
}  # fmt: skip
KRAKEN_CANDLES = [
    [start, "62400.0", "62410.5", "62390.1", "62400.0", "62401.33", "1.20300000", 12]
    if place % 4
    # A bucket without a trade, as the exchange fills it.
    else [start, "62400.0", "62400.0", "62400.0", "62400.0", "0.0", "0.00000000", 0]
    for place, start in enumerate(BUCKETS)
]
KRAKEN_TRADES = [
    [f"6243{n}.10000", "0.00100000", NEWEST + n + 0.7630123, "bs"[n % 2], "ml"[n % 2], "", 83449369 + n]
    for n in range(6)
]
KRAKEN_BOOK = {
    "asks": [[f"6243{n}.10000", "4.000", NEWEST + n] for n in range(1, 9)],
    "bids": [[f"6242{n}.00000", "59.580", NEWEST - n] for n in range(9, 1, -1)],
}


def kraken(path, query):
    def answer(result):
        return {"error": [], "result": result}

    asked = query.get("pair", [None])[0]
    names = {name for id, one in KRAKEN_PAIRS.items() for name in (id, one["altname"])}
    if asked and not names.issuperset(asked.split(",")):
        return {"error": ["EQuery:Unknown asset pair"]}
    match path:
        case "Assets":
            assets = {"XXBT": "XBT", "ZUSD": "USD", "ZEUR": "EUR", "XXDG": "XDG", "XTZ": "XTZ", "LUNA": "LUNA"}
            rows = {id: {"aclass": "currency", "altname": name, "decimals": 10, "display_decimals": 5, "status": "enabled"}
                    for id, name in assets.items()}  # fmt: skip
            return answer(rows)
        case "AssetPairs":
            return answer(KRAKEN_PAIRS)
        case "Ticker":
            wanted = asked.split(",") if asked else KRAKEN_TICKERS
            return answer({id: KRAKEN_TICKERS[id] for id in KRAKEN_TICKERS if id in wanted})
        case "Depth":
            return answer({"XXBTZUSD": KRAKEN_BOOK})
        case "OHLC":
            return answer({"XXBTZUSD": KRAKEN_CANDLES, "last": BUCKETS[-2]})
        case "Trades":
            return answer({"XXBTZUSD": KRAKEN_TRADES, "last": f"{NEWEST + 6}763012300"})


# Coinbase ----------------------------------------------------------------------------------------


def product(id, alias_to=(), alias="", **more):
    base, quote = id.split("-")
    return {
        "product_id": id, "price": "62430.01", "price_percentage_change_24h": "-1.25000000000000",
        "volume_24h": "5123.12345678", "volume_percentage_change_24h": "3.5", "base_increment": "0.00000001",
        "quote_increment": "0.01", "quote_min_size": "1", "quote_max_size": "150000000",
        "base_min_size": "0.00000001", "base_max_size": "3400", "base_name": base, "quote_name": quote,
        "watched": False, "is_disabled": False, "new": False, "status": "online", "cancel_only": False,
        "limit_only": False, "post_only": False, "trading_disabled": False, "auction_mode": False,
        "product_type": "SPOT", "quote_currency_id": quote, "base_currency_id": base, "mid_market_price": "",
        "alias": alias, "alias_to": list(alias_to), "base_display_symbol": base, "quote_display_symbol": quote,
        "view_only": False, "price_increment": "0.01", "display_name": id, "product_venue": "CBE",
        "approximate_quote_24h_volume": "319836000.10", "best_bid_price": "", "best_ask_price": "",
        "high_24h": "", "low_24h": "", **more,
    }  # fmt: skip


PRODUCTS = [
    product("BTC-USD", alias_to=[], alias=""),
    product("BTC-USDC", alias_to=["BTC-USD"], alias="BTC-USD"),
    product("CGLD-USD", price="0.531", volume_24h="100", price_percentage_change_24h="0"),
    product("BTC-EUR", price="57000.01"),
    product("NEW-USD", price="", price_percentage_change_24h="", volume_24h="", approximate_quote_24h_volume=""),
    product("OLD-USD", status="delisted", trading_disabled=True),
]
COINBASE_CANDLES = [
    {"start": str(start), "low": "62390.1", "high": "62410.5", "open": "62400", "close": "62400.10", "volume": "1.20300000"}
    for place, start in enumerate(BUCKETS)
    # Buckets without a trade are left out.
    if place % 4
]
COINBASE_TRADES = {
    "trades": [
        {"trade_id": str(900 + (n * 7) % 5), "product_id": "BTC-USD", "price": f"6243{n}.1", "size": "0.00100000",
         "time": iso(NEWEST + 30 - n, ".123456Z"), "side": ["BUY", "SELL"][n % 2], "bid": "", "ask": "", "exchange": ""}
        for n in range(5)
    ],
    "best_bid": "62430.00",
    "best_ask": "62430.01",
}  # fmt: skip
COINBASE_BOOK = {
    "pricebook": {
        "product_id": "BTC-USD",
        "bids": [{"price": f"6242{n}.00", "size": "0.50000000"} for n in range(9, 1, -1)],
        "asks": [{"price": f"6243{n}.10", "size": "1.5"} for n in range(1, 9)],
        "time": iso(NEWEST + 31, ".654321Z"),
    },
    "last": "62430.01",
    "mid_market": "62430.05",
    "spread_bps": "0.0016",
    "spread_absolute": "0.1",
}
LAST_PAGE = {"prev_cursor": "", "next_cursor": "", "has_next": False, "has_prev": False}
NOT_FOUND = (404, {"error": "NOT_FOUND", "error_details": "valid product_id is required", "message": "valid product_id is required"})


def coinbase(path, query):
    known = {product["product_id"] for product in PRODUCTS}
    match path.split("/"):
        case ["products"]:
            wanted = query.get("product_ids")
            rows = [row for row in PRODUCTS if not wanted or row["product_id"] in wanted]
            if query.get("product_type", ["SPOT"]) != ["SPOT"]:
                rows = []
            return {"products": rows, "num_products": len(rows), "pagination": LAST_PAGE}
        case ["products", id, *_] if id not in known:
            return NOT_FOUND
        case ["products", _, "ticker"]:
            limit = int(query.get("limit", ["100"])[0])
            return {**COINBASE_TRADES, "trades": COINBASE_TRADES["trades"][:limit]}
        case ["products", _, "candles"]:
            start, end = (int(query[name][0]) for name in ("start", "end"))
            rows = [row for row in COINBASE_CANDLES if start <= int(row["start"]) <= end]
            return {"candles": rows[::-1]}
        case ["product_book"]:
            return COINBASE_BOOK if query["product_id"][0] in known else NOT_FOUND


COINBASE_V2 = {
    "currencies": {"data": [{"id": "USD", "name": "US Dollar", "min_size": "0.01"}]},
    "currencies/crypto": {"data": [{"asset_id": "5b71fc48", "code": "BTC", "name": "Bitcoin"}]},
    "exchange-rates": {"data": {"currency": "USD", "rates": {"BTC": "0.000016", "EUR": "0.9"}}},
}


# Binance -----------------------------------------------------------------------------------------


def symbol(base, quote, status="TRADING", spot=True):
    return {
        "symbol": base + quote, "status": status, "baseAsset": base, "baseAssetPrecision": 8,
        "quoteAsset": quote, "quotePrecision": 8, "quoteAssetPrecision": 8, "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8, "orderTypes": ["LIMIT", "MARKET"], "icebergAllowed": True,
        "ocoAllowed": True, "isSpotTradingAllowed": spot, "isMarginTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000", "tickSize": "0.01000000"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True, "maxNotional": "9000000.00000000",
             "applyMaxToMarket": False, "avgPriceMins": 5},
        ],
        "permissions": [], "permissionSets": [], "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER"],
    }  # fmt: skip


BINANCE_INFO = {
    "timezone": "UTC",
    "serverTime": NEWEST * 1000,
    "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
        {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61000},
    ],
    "exchangeFilters": [],
    "symbols": [symbol("BTC", "USDT"), symbol("ETH", "BTC"), symbol("LTC", "BTC"), symbol("OLD", "USDT", "BREAK"), symbol("FUT", "USDT", spot=False)],
}  # fmt: skip


def binance_ticker(id):
    return {
        "symbol": id, "priceChange": "-790.01000000", "priceChangePercent": "-1.250", "weightedAvgPrice": "62568.63032000",
        "prevClosePrice": "63220.02000000", "lastPrice": "62430.01000000", "lastQty": "0.00100000",
        "bidPrice": "62430.00000000", "bidQty": "2.50000000", "askPrice": "62430.01000000", "askQty": "1.00000000",
        "openPrice": "63220.02000000", "highPrice": "63860.10000000", "lowPrice": "61102.00000000",
        "volume": "8896.96086304", "quoteVolume": "556670655.60000000", "openTime": (NEWEST - 86400) * 1000,
        "closeTime": NEWEST * 1000 + 59_999, "firstId": 28385, "lastId": 28460, "count": 76,
    }  # fmt: skip


# One of them has not moved, and one is not traded.
BINANCE_TICKERS = [
    binance_ticker("BTCUSDT"),
    {**binance_ticker("ETHBTC"), "priceChange": "0.00000000", "priceChangePercent": "0.000", "openPrice": "62430.01000000"},
    {name: "0.00000000" if isinstance(value, str) and "." in value else value
     for name, value in binance_ticker("LTCBTC").items()},
]
BINANCE_CANDLES = [
    [start * 1000, "62400.00000000", "62410.50000000", "62390.10000000", "62400.10000000",
     "1.20300000" if place % 4 else "0.00000000", start * 1000 + 59_999, "75067.00000000", 12, "0.6", "37533.5", "0"]
    if place % 4
    else [start * 1000, *["62400.00000000"] * 4, "0.00000000", start * 1000 + 59_999, "0.00000000", 0, "0", "0", "0"]
    for place, start in enumerate(BUCKETS)
]  # fmt: skip
BINANCE_TRADES = [
    {"a": 26129 + n, "p": f"6243{n}.10000000", "q": "0.00100000", "f": 27781 + n, "l": 27781 + n,
     "T": (NEWEST + n) * 1000 + 7, "m": bool(n % 2), "M": True}
    for n in range(6)
]  # fmt: skip
BINANCE_BOOK = {
    "lastUpdateId": 1027024,
    "bids": [[f"6242{n}.00000000", "59.58000000"] for n in range(9, 1, -1)],
    "asks": [[f"6243{n}.10000000", "4.00000000"] for n in range(1, 9)],
}


def binance(path, query):
    asked = query.get("symbol", [None])[0]
    known = {row["symbol"] for row in BINANCE_INFO["symbols"]}
    if asked and asked not in known:
        return 400, {"code": -1121, "msg": "Invalid symbol."}
    match path:
        case "exchangeInfo":
            return BINANCE_INFO
        case "ticker/24hr" if asked:
            return binance_ticker(asked)
        case "ticker/24hr":
            wanted = json.loads(query["symbols"][0]) if "symbols" in query else known
            return [row for row in BINANCE_TICKERS if row["symbol"] in wanted]
        case "depth":
            return BINANCE_BOOK
        case "klines":
            since = int(query.get("startTime", ["0"])[0])
            until = int(query.get("endTime", [str(1 << 60)])[0])
            limit = int(query.get("limit", ["500"])[0])
            rows = [row for row in BINANCE_CANDLES if since <= row[0] <= until]
            return rows[:limit] if "startTime" in query else rows[-limit:]
        case "aggTrades":
            return BINANCE_TRADES[-int(query.get("limit", ["500"])[0]) :]


# Bitfinex ----------------------------------------------------------------------------------------

BITFINEX_TICKER = [62430, 44.1, 62431, 56.2, -790.01, -0.01250001, 62430.5, 8896.96086304, 63860.1, 61102]
BITFINEX = {
    "tickers": [["tBTCUSD", *BITFINEX_TICKER], ["tETHUSD", *BITFINEX_TICKER]],
    "ticker/tBTCUSD": BITFINEX_TICKER,
    "book/tBTCUSD/P0": [[62429 - n, 2, 0.5] for n in range(8)] + [[62431 + n, 1, -1.5] for n in range(8)],
    "candles/trade:1m:tBTCUSD/hist": [
        [start * 1000, 62400, 62400.1, 62410.5, 62390.1, 1.203]
        for place, start in reversed(list(enumerate(BUCKETS)))
        if place % 4
    ],
    "trades/tBTCUSD/hist": [
        [1_700_000_000 + n, (NEWEST + n) * 1000 + 7, (-1) ** n * 0.001, 62430 + n] for n in range(5, -1, -1)
    ],
}  # fmt: skip
BITFINEX_CONF = {
    "pub:info:pair": [[id, [None, None, None, least, "2000", None, None, None, None, None, None, None]]
                      for id, least in (("BTCUSD", "0.00006"), ("ETHUSD", "0.002"))],
    "pub:map:currency:label": [["BTC", "Bitcoin"]],
    "pub:list:pair:exchange": ["BTCUSD", "ETHUSD"],
    "pub:list:currency": ["BTC", "ETH", "USD"],
}  # fmt: skip


def bitfinex(path, query):
    if path.startswith("conf/"):
        return [BITFINEX_CONF.get(key, []) for key in path.removeprefix("conf/").split(",")]
    rows = BITFINEX.get(path)
    if path.startswith("candles/") and rows:
        since = int(query.get("start", ["0"])[0])
        rows = [row for row in rows if row[0] >= since]
        return rows[::-1] if query.get("sort") == ["1"] else rows
    return rows if rows is not None else (500, ["error", 10020, "symbol: invalid"])


ROOTS = {
    "/0/public/": kraken,
    "/api/v3/brokerage/market/": coinbase,
    "/v2/currencies": lambda path, _: COINBASE_V2["currencies" + path],
    "/v2/exchange-rates": lambda *_: COINBASE_V2["exchange-rates"],
    "/api/v3/": binance,
    "/v2/": bitfinex,
}


class Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        target = urlsplit(self.path)
        root = next((root for root in ROOTS if target.path.startswith(root)), None)
        found = root and ROOTS[root](target.path.removeprefix(root), parse_qs(target.query))
        status, body = found if isinstance(found, tuple) else (200, found)
        if found is None:
            status, body = 404, {"message": f"no {self.path}"}
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
