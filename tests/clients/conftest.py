"""The same checks run against two targets: the exchange, and the gateway in front of it.

    pytest --target exchange --base http://127.0.0.1:1 tests/clients
    pytest --target gateway --base http://127.0.0.1:2 --exchange http://127.0.0.1:1 tests/clients

What a check is named for holds on both, since a client may not notice which of them answers. The
mark `gateway` is for what only a gateway has; it is left out by target, never because something
is missing.
"""

import asyncio
import re
import signal
import subprocess

import ccxt.async_support
import pytest
import requests
from bfxapi import Client


def pytest_configure():
    # So that who is told to end ends what he has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--target", choices=["exchange", "gateway"], default="exchange")
    parser.addoption("--base", help="root URL of the target, without /v2")
    parser.addoption("--exchange", help="root URL of the exchange behind the gateway")
    parser.addoption("--bin", help="tidegate, for checks that start simulated exchanges themselves")


def pytest_collection_modifyitems(config, items):
    if config.getoption("target") == "gateway":
        return
    kept = [item for item in items if not item.get_closest_marker("gateway")]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture(scope="session")
def base(pytestconfig):
    return pytestconfig.getoption("base").rstrip("/")


@pytest.fixture(scope="session")
def exchange(pytestconfig):
    """The exchange behind the gateway; `None` if it is the target itself."""
    behind = pytestconfig.getoption("exchange")
    return behind and behind.rstrip("/")


@pytest.fixture(scope="session")
def http():
    """A plain client, for what no library asks."""
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="session")
def wait():
    """Runs a coroutine to its end, always on the same loop: ccxt's connections belong to one."""
    with asyncio.Runner() as runner:
        yield runner.run


def patient(client):
    """ccxt as a user has it, but on a machine that may stand still for longer than its deadlines."""
    client.timeout = 60_000
    if hasattr(client, "streaming"):
        client.streaming = {**client.streaming, "connectionTimeout": 60_000, "maxPingPongMisses": 12}
    return client


@pytest.fixture(scope="session")
def bitfinex(base, wait):
    """With nothing but its address changed, and its patience."""

    async def connected():
        client = patient(ccxt.async_support.bitfinex())
        client.urls["api"] = {**client.urls["api"], "public": base, "private": base}
        await client.load_markets()
        return client

    client = wait(connected())
    yield client
    wait(client.close())


@pytest.fixture(scope="session")
def bfx(base):
    """The exchange's own Python client, with nothing but its address changed."""
    return Client(rest_host=f"{base}/v2").rest.public


@pytest.fixture(scope="session")
def simulated(pytestconfig):
    """Starts a simulated exchange by name, once; its root, `127.0.0.1:PORT`."""
    running, roots = [], {}

    def root_of(name):
        if name not in roots:
            command = [pytestconfig.getoption("--bin"), "sim", "--exchange", name, "--listen", "127.0.0.1:0"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            running.append(process)
            # The line is printed by one who listens already.
            roots[name] = re.search(r"listening on http://(\S+)", process.stdout.readline())[1]
        return roots[name]

    yield root_of
    for process in running:
        process.terminate()
        process.wait()
        process.stdout.close()
