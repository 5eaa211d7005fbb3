"""What only a gateway has: one copy of the data behind both interfaces, at the price of one call."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytestmark = pytest.mark.gateway

MINUTE = 60_000
PATIENCE = 60
DATA = "/api/market-data"


def exactly(response):
    """The document with every number as the text that was sent."""
    return json.loads(response.content, parse_float=str, parse_int=str)


def steady(fetch_exchange_form, fetch_own_form):
    """Both forms of one cached answer: repeated where a refresh came between the two."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        before, own, after = fetch_exchange_form(), fetch_own_form(), fetch_exchange_form()
        assert before.status_code == own.status_code == after.status_code == 200
        if before.content == after.content:
            return exactly(before), exactly(own)
    raise AssertionError("the data changed within three requests, over and over")


@pytest.fixture
def ask(http, base):
    return lambda path, **headers: http.get(base + path, headers=headers, timeout=PATIENCE)


@pytest.fixture
def calls(http, base, exchange):
    """How often the exchange was asked so far: by these families, or by all. What is under way, such as
    a refresh behind an earlier answer that waits for its turn, is waited for."""

    def count(*families):
        until = time.monotonic() + PATIENCE
        while http.get(f"{base}/api/status").json()["cache"]["flights"]:
            assert time.monotonic() < until, "something is fetched all the time"
            time.sleep(0.02)
        received = http.get(f"{exchange}/sim/counts").json()["received"]
        return sum(received.get(family, 0) for family in families or received)

    return count


def check_ticker_is_one_entry_in_two_forms(ask):
    row, ticker = steady(
        lambda: ask("/v2/ticker/tBTCUSD"), lambda: ask(f"{DATA}/ticker/BTC/USD")
    )
    assert ticker["info"] == row
    bid, _, ask_price, _, change, _, last, volume, high, low = row[:10]
    assert [ticker[name] for name in ("bid", "ask", "change", "last", "baseVolume")] == [
        bid, ask_price, change, last, volume
    ]  # fmt: skip
    assert (ticker["high"], ticker["low"], ticker["close"]) == (high, low, last)


def check_tickers_are_one_entry_in_two_forms(ask):
    rows, own = steady(
        lambda: ask("/v2/tickers?symbols=tBTCUSD,tETHUSD"),
        lambda: ask(f"{DATA}/tickers?symbols=BTC/USD,ETH/USD"),
    )
    assert [row[0] for row in rows] == ["tBTCUSD", "tETHUSD"]
    assert sorted(own["tickers"]) == ["BTC/USD", "ETH/USD"]
    for row, name in zip(rows, ["BTC/USD", "ETH/USD"]):
        assert own["tickers"][name]["last"] == row[7]


def check_book_is_one_entry_in_two_forms(ask):
    rows, book = steady(
        lambda: ask("/v2/book/tBTCUSD/P0?len=25"), lambda: ask(f"{DATA}/orderbook/BTC-USD?limit=20")
    )
    bids = [[price, amount] for price, _, amount in rows if not amount.startswith("-")]
    asks = [[price, amount[1:]] for price, _, amount in rows if amount.startswith("-")]
    assert book["bids"] == bids[:20] and book["asks"] == asks[:20]


def check_candles_are_one_entry_in_two_forms(ask):
    rows, own = steady(
        lambda: ask("/v2/candles/trade:1m:tBTCUSD/hist?limit=100"),
        lambda: ask(f"{DATA}/ohlcv/BTCUSD?timeframe=1m&limit=100"),
    )
    fields = ("timestamp", "open", "close", "high", "low", "volume")
    assert [[candle[name] for name in fields] for candle in own["candles"]] == rows[::-1]


def check_links_lead_through_the_rows_of_one_long_answer(ask, base):
    """As `requests` reads them, in a format whose body has no room for them."""
    until = time.time_ns() // 1_000_000 // MINUTE * MINUTE - 10 * MINUTE
    span = f"timeframe=1m&format=csv&since={until - 240 * MINUTE}&until={until}"
    whole = ask(f"{DATA}/ohlcv/BTC/USD?{span}&limit=1000")
    assert "next" not in whole.links
    heading, *rows = whole.text.splitlines()
    assert len(rows) > 100
    page, pages, found = f"{DATA}/ohlcv/BTC/USD?{span}&limit=40", 0, []
    while page:
        answer = ask(page)
        assert answer.text.splitlines()[0] == heading
        found += answer.text.splitlines()[1:]
        page, pages = answer.links.get("next", {}).get("url"), pages + 1
    assert (found, pages) == (rows, -(-len(rows) // 40))

    readme = (Path(__file__).parents[2] / "README.md").read_text()
    section = re.search(r"^## Candles$(.*?)^## ", readme, re.M | re.S)[1]
    (block,) = re.findall(r"^```python\n(.*?)^```$", section, re.M | re.S)
    asked = "timeframe=1m&since=2026-11-01&limit=10000"
    assert "http://127.0.0.1:8087" in block and asked in block
    fewer = f"{span.replace('&format=csv', '')}&limit=40"
    names = {}
    exec(block.replace("http://127.0.0.1:8087", base).replace(asked, fewer), names)
    assert names["rows"] == ask(f"{DATA}/ohlcv/BTC/USD?{fewer}0").json()["candles"]
    assert [str(row["timestamp"]) for row in names["rows"]] == [row.split(",")[0] for row in rows]


def check_trades_are_one_entry_in_two_forms(ask):
    rows, own = steady(
        lambda: ask("/v2/trades/tBTCUSD/hist?limit=50"),
        lambda: ask(f"{DATA}/trades/BTC-USD?limit=50"),
    )
    assert [trade["info"] for trade in own] == rows[::-1]
    assert [trade["price"] for trade in own] == [row[3] for row in rows[::-1]]


@pytest.mark.parametrize(
    "path",
    [
        "/v2/conf/pub:list:pair:exchange,pub:info:pair:futures",
        "/v2/conf/pub:map:currency:sym",
        "/v2/platform/status",
        "/v2/ticker/tNOPEUSD",
        "/v2/book/tBTCUSD/P0?len=7",
        "/v2/book/tBTCUSD/P7",
        "/v2/candles/trade:4m:tBTCUSD/hist",
        "/v2/candles/trade:1m:tNOPEUSD/hist",
        "/v2/status/deriv?keys=tNOPEF0:USTF0",
    ],
)
def check_what_does_not_move_is_what_the_exchange_says(http, base, exchange, path):
    ours, theirs = http.get(base + path), http.get(exchange + path)
    assert (ours.status_code, ours.text) == (theirs.status_code, theirs.text)
    assert ours.headers["content-type"] == theirs.headers["content-type"]


def check_closed_candles_are_what_the_exchange_says(http, base, exchange):
    end = int(time.time() * 1000) // MINUTE * MINUTE - 30 * MINUTE
    query = f"/v2/candles/trade:1m:tBTCUSD/hist?start={end - 60 * MINUTE}&end={end}&sort=1&limit=61"
    ours, theirs = http.get(base + query), http.get(exchange + query)
    assert len(exactly(theirs)) > 10
    assert exactly(ours) == exactly(theirs)


def check_a_span_of_the_past_costs_one_call_however_it_is_spelled(ask, calls):
    end = int(time.time() * 1000) // MINUTE * MINUTE - 300 * MINUTE
    start = end - 30 * MINUTE
    spellings = [
        f"/v2/candles/trade:1m:tETHUSD/hist?start={start}&end={end}&limit=100&sort=1",
        f"/v2/candles/trade:1m:tETHUSD/hist?sort=1&limit=100&end={end}&start={start}",
        f"/v2/candles/trade%3A1m%3AtETHUSD/hist?start={start}&limit=100&sort=1&end={end}",
    ]
    before = calls("candles")
    answers = [ask(path) for path in spellings * 10]
    assert calls("candles") - before == 1
    assert all(answer.status_code == 200 for answer in answers)
    assert len({answer.content for answer in answers}) == 1


def check_many_clients_on_a_cold_key_cost_one_call(ask, calls):
    before, started = calls("ticker", "tickers"), time.monotonic()
    with ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(lambda _: ask(f"{DATA}/ticker/LTC-USD"), range(50)))
    # One, unless the machine stood still for as long as the answer is fresh.
    windows = 1 + int((time.monotonic() - started) / 3)
    assert calls("ticker", "tickers") - before <= windows
    assert all(answer.status_code == 200 for answer in answers)
    assert len({answer.content for answer in answers}) <= windows


def check_a_hot_key_costs_no_more_than_its_windows(ask, calls):
    before, started = calls("book"), time.monotonic()
    for _ in range(300):
        assert ask(f"{DATA}/orderbook/ETH-USD").status_code == 200
    windows = 1 + int((time.monotonic() - started) / 2)
    assert calls("book") - before <= windows


def check_unknown_symbols_and_paths_never_reach_the_exchange(ask, http, base, calls):
    ask(f"{DATA}/markets")
    before = calls()
    problem = ask(f"{DATA}/ticker/BTC-USX")
    assert problem.status_code == 404
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["code"] == "unknown_symbol"
    assert "BTC/USD" in problem.json()["suggestions"]
    assert ask("/v2/ticker/tNOPEUSD").status_code == 500
    assert ask("/v2/nope").status_code == 404
    assert http.post(f"{base}/v2/auth/r/wallets", json={}).status_code in (401, 403, 404, 405)
    assert calls() == before


def check_every_answer_tells_its_age(ask):
    path = f"{DATA}/ticker/BTC-USD"
    ask(path)
    answer = ask(path)
    # Where the stream has it, what the exchange said last holds until its next heartbeat is missed.
    oldest = 20 if answer.headers["cache-status"].endswith("; detail=stream") else 6
    assert 0 <= int(answer.headers["age"]) <= oldest
    assert "max-age=" in answer.headers["cache-control"]
    assert answer.headers["cache-status"].startswith("tidegate; ")
    assert ask(path, **{"X-Request-Id": "of-the-client"}).headers["x-request-id"] == "of-the-client"

    for _ in range(10):
        tag = ask(path).headers["etag"]
        again = ask(path, **{"If-None-Match": tag})
        if again.status_code == 304:
            break
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == tag


@pytest.mark.parametrize(
    "symbol", ["BTC/USD", "BTC%2FUSD", "BTC-USD", "BTC_USD", "BTCUSD", "tBTCUSD", "btc-usd"]
)
def check_all_spellings_name_one_market(ask, symbol):
    answer = ask(f"{DATA}/ticker/{symbol}")
    assert answer.status_code == 200 and answer.json()["symbol"] == "BTC/USD"


def check_context_is_made_of_the_single_answers(ask):
    context = ask(f"{DATA}/market-context/BTC-USD?timeframe=1m&limit=50").json()
    assert len(context["ohlcv_data"]) == 50
    assert context["current_price"] == context["ohlcv_data"][-1]["close"]
    assert context["best_bid"] < context["best_ask"]
    assert context["spread"] == pytest.approx(context["best_ask"] - context["best_bid"])
    assert context["volume_24h"] == context["ticker"]["baseVolume"]
    assert context["market_cap"] is None
    assert context["data_quality"]["degraded"] == []
    assert context["data_quality"]["ohlcv_rows"] == 50
