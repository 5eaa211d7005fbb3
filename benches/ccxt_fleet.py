"""Does with ccxt what the fleet's bots do, as each bot would by itself: a client each, no cache.

    ccxt_fleet.py URL < REQUESTS

REQUESTS are lines of JSON; the last line of the output is what happened, in JSON.
"""

import json
import sys
import time

import ccxt


def connected(url):
    client = ccxt.bitfinex({"enableRateLimit": False})
    client.urls["api"] = {**client.urls["api"], "public": url, "private": url}
    client.load_markets()
    return client


def ask(client, request):
    """The rows of one request."""
    symbol = client.markets_by_id[request["market"]][0]["symbol"]
    timeframe, limit = request["timeframe"], request["limit"]
    match request["kind"]:
        case "newest":
            return client.fetch_ohlcv(symbol, timeframe, limit=limit)
        case "since":
            width = client.parse_timeframe(timeframe) * 1000
            since = client.milliseconds() // width * width - request["bars"] * width
            return client.fetch_ohlcv(symbol, timeframe, since=since, limit=limit)
        case "closed":
            # The unfinished bar comes with them.
            return client.fetch_ohlcv(symbol, timeframe, limit=limit + 1)[:-1]
        case "context":
            client.fetch_ticker(symbol)
            client.fetch_order_book(symbol)
            return client.fetch_ohlcv(symbol, timeframe, limit=limit)


def main(url):
    requests = [json.loads(line) for line in sys.stdin]
    begin = time.monotonic()
    clients = {bot: connected(url) for bot in {request["bot"] for request in requests}}
    rows = sum(len(ask(clients[request["bot"]], request)) for request in requests)
    seconds = time.monotonic() - begin
    print(json.dumps({"version": ccxt.__version__, "bots": len(clients), "rows": rows, "seconds": seconds}))


main(sys.argv[1])
