"""bitfinex-api-py, the exchange's own client: it ignores statuses and trusts positions in rows."""

import time
from itertools import pairwise

import pytest
from bfxapi.rest.exceptions import RequestParameterError


def now_ms():
    return int(time.time() * 1000)


def check_platform_status(bfx):
    assert bfx.get_platform_status().status == 1


def check_conf(bfx):
    pairs = bfx.conf("pub:list:pair:exchange")
    assert len(pairs) > 150 and "BTCUSD" in pairs and not any(pair[0] == "t" for pair in pairs)
    renamed = dict(bfx.conf("pub:map:currency:sym"))
    assert renamed["UST"] == "USDt" and renamed["DSH"] == "DASH"


def check_ticker(bfx):
    ticker = bfx.get_t_ticker("tBTCUSD")
    assert ticker.high >= ticker.last_price >= ticker.low > 0
    assert 0 < ticker.bid < ticker.ask
    assert ticker.bid_size > 0 and ticker.ask_size > 0 and ticker.volume > 0
    opened = ticker.last_price - ticker.daily_change
    assert ticker.daily_change_relative == pytest.approx(ticker.daily_change / opened, abs=1e-5)


def check_tickers(bfx):
    tickers = bfx.get_t_tickers(["tBTCUSD", "tBTCF0:USTF0"])
    assert list(tickers) == ["tBTCUSD", "tBTCF0:USTF0"]
    assert all(row.high >= row.last_price >= row.low > 0 for row in tickers.values())


def check_tickers_all(bfx):
    everything = bfx.get_tickers(["ALL"])
    funding = [symbol for symbol in everything if symbol.startswith("f")]
    assert len(everything) - len(funding) > 150 and "fUSD" in funding
    smallest = min(row.last_price for name, row in everything.items() if name.startswith("t"))
    assert 0 < smallest < 1e-6, "prices that JSON prints with an exponent survive"


def check_book(bfx):
    rows = bfx.get_t_book("tBTCUSD", "P0", len=25)
    bids = [row for row in rows if row.amount > 0]
    asks = [row for row in rows if row.amount < 0]
    assert rows == [*bids, *asks] and len(bids) == len(asks) == 25
    assert all(isinstance(row.count, int) and row.count > 0 for row in rows)
    assert all(better.price > worse.price for better, worse in pairwise(bids))
    assert all(better.price < worse.price for better, worse in pairwise(asks))
    assert bids[0].price < asks[0].price


def check_raw_book(bfx):
    rows = bfx.get_t_raw_book("tBTCUSD", len=25)
    assert len(rows) == 50
    assert all(isinstance(row.order_id, int) and row.order_id > 2**32 for row in rows)
    assert all(row.amount != 0 and row.price > 0 for row in rows)


def check_trades(bfx):
    trades = bfx.get_t_trades("tBTCUSD", limit=120)
    assert len(trades) == 120
    assert all(isinstance(trade.id, int) and isinstance(trade.mts, int) for trade in trades)
    assert all(newer.id > older.id and newer.mts >= older.mts for newer, older in pairwise(trades))
    ticker = bfx.get_t_ticker("tBTCUSD")
    # A gateway's ticker may be some seconds older than its trades, and does not know the newest.
    known = [trade.price for trade in trades if trade.mts < now_ms() - 60_000]
    assert known and ticker.low <= min(known) <= max(known) <= ticker.high


def check_candles_hist(bfx):
    newest = bfx.get_candles_hist("tBTCUSD", "1h", limit=12)
    assert len(newest) == 12
    assert all(newer.mts > older.mts for newer, older in pairwise(newest))
    for row in newest:
        assert row.mts % 3_600_000 == 0 and row.volume > 0
        assert row.high >= max(row.open, row.close) >= min(row.open, row.close) >= row.low
    closed = newest[1:6]
    window = {"start": str(closed[-1].mts), "end": str(closed[0].mts)}
    oldest_first = bfx.get_candles_hist("tBTCUSD", "1h", sort=1, **window)
    assert oldest_first == closed[::-1], "both ends of a window are in it"


def check_candles_last(bfx):
    row = bfx.get_candles_last("tBTCUSD", "1m")
    # The market rests for up to half an hour.
    assert row.mts % 60_000 == 0 and now_ms() - 3_600_000 < row.mts <= now_ms()
    assert row.high >= row.close >= row.low > 0


def check_derivatives_status(bfx):
    status = bfx.get_derivatives_status(["tBTCF0:USTF0"])
    assert list(status) == ["tBTCF0:USTF0"]
    row = status["tBTCF0:USTF0"]
    assert row.deriv_price > 0 and row.mark_price > 0 and row.open_interest > 0
    assert abs(row.mts - now_ms()) < 120_000 < row.next_funding_evt_mts
    assert len(bfx.get_derivatives_status("ALL")) > 10


def check_stats(bfx):
    rows = bfx.get_stats_hist("pos.size:1m:tBTCUSD:long", limit=5)
    assert len(rows) == 5
    assert all(row.mts % 60_000 == 0 and row.value > 0 for row in rows)
    assert all(newer.mts > older.mts for newer, older in pairwise(rows))
    assert bfx.get_stats_last("pos.size:1m:tBTCUSD:long").mts >= rows[0].mts


def check_funding_ticker(bfx):
    ticker = bfx.get_f_ticker("fUSD")
    assert ticker.frr > 0 and ticker.last_price > 0
    assert isinstance(ticker.bid_period, int) and 2 <= ticker.bid_period <= 120
    assert ticker.frr_amount_available > 0


def check_funding_book(bfx):
    rows = bfx.get_f_book("fUSD", "P0", len=25)
    assert rows
    assert all(0 < row.rate < 1 and 2 <= row.period <= 120 and row.count > 0 for row in rows)
    # The sign is the other way round than in a pair's book: an offer to lend is positive.
    offers = [row.rate for row in rows if row.amount > 0]
    wanted = [row.rate for row in rows if row.amount < 0]
    assert offers and wanted and min(offers) >= max(wanted)


def check_funding_trades(bfx):
    trades = bfx.get_f_trades("fUSD", limit=10)
    assert len(trades) == 10
    assert all(0 < trade.rate < 1 and 2 <= trade.period <= 120 for trade in trades)


def check_mistakes_are_error_arrays(bfx):
    with pytest.raises(RequestParameterError, match="symbol: invalid"):
        bfx.get_t_ticker("tNOPEUSD")
    with pytest.raises(RequestParameterError, match="len: invalid"):
        bfx.get_t_book("tBTCUSD", "P0", len=7)
    with pytest.raises(RequestParameterError, match="time_interval: invalid"):
        bfx.get_candles_hist("tBTCUSD", "4m")


def check_unknown_things_are_empty(bfx):
    assert bfx.get_derivatives_status(["tNOPEF0:USTF0"]) == {}
    assert bfx.get_candles_hist("tNOPEUSD", "1m") == []
