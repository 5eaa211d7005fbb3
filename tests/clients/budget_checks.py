"""The end of a budget, as a client of the exchange meets it. Run last: it spends the minute."""

import asyncio

import ccxt
import ccxt.async_support
import pytest
from conftest import patient


def ask_at_once(base, wait, symbols):
    """ccxt without its own throttle asks for the trades of many markets at the same moment."""

    async def gathered():
        client = patient(ccxt.async_support.bitfinex({"enableRateLimit": False}))
        client.urls["api"] = {**client.urls["api"], "public": base, "private": base}
        try:
            asks = (
                client.public_get_trades_symbol_hist({"symbol": symbol, "limit": 1})
                for symbol in symbols
            )
            return await asyncio.gather(*asks, return_exceptions=True)
        finally:
            await client.close()

    return wait(gathered())


def check_past_the_budget_the_exchange_limits(base, wait, http):
    (pairs,) = http.get(f"{base}/v2/conf/pub:list:pair:exchange").json()
    answers = ask_at_once(base, wait, [f"t{pair}" for pair in pairs[:60]])
    answered = [answer for answer in answers if isinstance(answer, list)]
    limited = [answer for answer in answers if isinstance(answer, ccxt.RateLimitExceeded)]
    assert len(answered) + len(limited) == 60, set(map(repr, answers))
    assert 1 <= len(answered) <= 15, "trades: 15 requests a minute"
    assert all('["error",11010,"ratelimit: error"]' in str(error) for error in limited)


@pytest.mark.gateway
def check_the_exchange_never_had_to_limit_the_gateway(http, exchange):
    assert http.get(f"{exchange}/sim/counts").json()["refused"] == {}
