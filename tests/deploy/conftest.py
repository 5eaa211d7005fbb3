"""What the checks share: a gateway in front of a simulated exchange, clients, a Prometheus."""

import contextlib
import datetime
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests
import yaml
from websockets.sync.client import connect

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PATIENCE = 60
EXCHANGES = ("bitfinex", "kraken", "coinbase", "binance")
# A market of each further one.
LISTED = {"kraken": "BTC/USD", "coinbase": "BTC/USD", "binance": "BTC/USDT"}


def pytest_configure():
    # So that who is told to end ends what he has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--bin", required=True)


@pytest.fixture(scope="session")
def binary(pytestconfig):
    return pytestconfig.getoption("--bin")


def said(*command, **options):
    """What a command that has to succeed prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, **options)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def until(what, ask, patience=PATIENCE):
    """Asks until there is an answer, which is returned, or patience is at its end."""
    deadline = time.monotonic() + patience
    while True:
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            if answer := ask():
                return answer
        assert time.monotonic() < deadline, f"{what}: not within {patience} s"
        time.sleep(0.05)


@contextlib.contextmanager
def running(name, path, command, log, address=None, **env):
    """Its address, as soon as `path` there answers: the one that it prints, unless it was told one."""
    with log.open("w") as out:
        process = subprocess.Popen(command, env=os.environ | env, stdout=out, stderr=subprocess.STDOUT)
        try:

            def ready():
                assert process.poll() is None, f"{name} ended:\n{log.read_text()}"
                told = [address] if address else re.findall(r"listening on http://(\S+)\n", log.read_text())
                return told and requests.get(f"http://{told[0]}{path}", timeout=20).ok and told[0]

            yield until(name, ready)
        finally:
            process.terminate()
            process.wait(PATIENCE)


@pytest.fixture(scope="session")
def exchanges(binary, tmp_path_factory):
    """Where each is simulated."""
    with contextlib.ExitStack() as stack:
        addresses = {}
        for name in EXCHANGES:
            command = [binary, "sim", "--exchange", name, "--listen", "127.0.0.1:0", "--ticker-every", "1s"]
            log = tmp_path_factory.mktemp(name) / "log"
            addresses[name] = stack.enter_context(running(name, "/sim/counts", command, log))
        yield addresses


@contextlib.contextmanager
def serving(binary, exchanges, folder, **settings):
    """The WebSockets are where the settings look for them by themselves, beside the REST interfaces."""
    env = {"TIDEGATE__SERVER__LISTEN": "127.0.0.1:0", "TIDEGATE__FEED__CONNECT_INTERVAL": "50ms"}
    for name, simulated in exchanges.items():
        env[f"TIDEGATE__EXCHANGES__{name.upper()}__ENABLED"] = "true"
        env[f"TIDEGATE__EXCHANGES__{name.upper()}__REST_URL"] = f"http://{simulated}"
    with running("gateway", "/readyz", [binary, "serve"], folder / "log", **env | settings) as address:
        yield address


def read(address, stop):
    """A client that asks for everything, over and over."""
    data = f"http://{address}/api/market-data"
    paths = [f"{what}/{symbol}" for what in ("ticker", "orderbook", "ohlcv", "trades", "market-context") for symbol in ("BTC/USD", "ETH/USD")]
    # The past, which the store is read for, and a limit that is refused.
    paths += ["tickers", "markets", "exchanges", "ohlcv/BTC/USD?limit=700&timeframe=1m", "orderbook/BTC/USD?limit=0"]
    urls = [f"{data}/{path}" for path in paths]
    urls += [f"{data}/{what}/{symbol}?exchange={name}" for name, symbol in LISTED.items() for what in ("ticker", "orderbook", "ohlcv", "trades")]
    urls += [f"http://{address}/v2/platform/status", f"http://{address}/livez"]
    # Nothing that is held of these is good enough, so a client's call has to wait for its turn.
    fetched = [f"{data}/orderbook/BTC/USD?precision=P1"]
    fetched += [f"{data}/ohlcv/{symbol}?exchange={name}&timeframe=1d" for name, symbol in LISTED.items()]
    with requests.Session() as session:
        while not stop.is_set():
            for url in fetched:
                session.get(url, headers={"cache-control": "max-age=0"}, timeout=PATIENCE)
            for url in urls:
                session.get(url, timeout=PATIENCE)
                if stop.wait(0.02):
                    return


def follow(address, stop):
    """A client of the stream."""
    url = f"http://{address}/api/market-data/stream?symbols=BTC/USD&channels=ticker,orderbook"
    with requests.get(url, stream=True, timeout=PATIENCE) as answer:
        assert answer.ok, answer.text
        for _ in answer.iter_lines():
            if stop.is_set():
                return


@pytest.fixture(scope="session")
def gateways(binary, exchanges, tmp_path_factory):
    """A gateway with all that it can have and one of Bitfinex alone with neither feed nor store, and clients of the first."""
    folder, bare = tmp_path_factory.mktemp("gateway"), tmp_path_factory.mktemp("bare")
    full = {"TIDEGATE__STORE__PATH": str(folder / "store.sqlite"), "TIDEGATE__FEED__PINNED": "BTC/USD,BTC/USDT"}
    stop = threading.Event()
    with (
        serving(binary, exchanges, folder, **full) as address,
        serving(binary, {"bitfinex": exchanges["bitfinex"]}, bare, TIDEGATE__FEED__ENABLED="false") as without,
        # Nobody reads what comes, and what is not taken from the socket would hold up its pings.
        connect(f"ws://{address}/ws/2", open_timeout=PATIENCE, max_queue=None) as follower,
    ):
        follower.send('{"event":"subscribe","channel":"ticker","symbol":"tBTCUSD"}')
        clients = [threading.Thread(target=client, args=(address, stop)) for client in (read, follow)]
        for client in clients:
            client.start()
        yield address, without
        stop.set()
        for client in clients:
            client.join(PATIENCE)


def prometheus_config(folder, gateways):
    """The configuration that is shipped, on this machine's addresses and in a hurry."""
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    # An interval is also the longest that a scrape may take.
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "500ms"}
    config["rule_files"] = [str(DEPLOY / "prometheus" / file) for file in config["rule_files"]]
    [tidegate] = [job for job in config["scrape_configs"] if job["job_name"] == "tidegate"]
    # On loopback no key is needed.
    del tidegate["authorization"]
    tidegate["static_configs"] = [{"targets": list(gateways)}]
    config["scrape_configs"] = [tidegate]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    return file


class Prometheus:
    def __init__(self, url):
        self.url = url

    def get(self, path, **parameters):
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=PATIENCE).json()
        assert answer["status"] == "success", f"{parameters}: {answer}"
        return answer["data"]

    def ask(self, expr):
        """The samples of an instant query, as (labels, value)."""
        data = self.get("query", query=expr)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(sample["metric"], float(sample["value"][1])) for sample in data["result"]]


@pytest.fixture(scope="session")
def prometheus(gateways, tmp_path_factory):
    """A Prometheus that has seen each gateway a few times, and has evaluated each rule since then."""
    folder = tmp_path_factory.mktemp("prometheus")
    # It does not tell which port it has taken.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        "prometheus", f"--config.file={prometheus_config(folder, gateways)}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}", "--log.level=warn",
    ]
    with running("prometheus", "/-/ready", command, folder / "log", address, TZ="UTC"):
        prometheus = Prometheus(f"http://{address}")
        scraped = 'count_over_time(up{job="tidegate"}[1m]) >= 4'
        until("each gateway was scraped", lambda: len(prometheus.ask(scraped)) == len(gateways))
        # A rule may name another one's result, which is there at the next evaluation.
        since = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)

        def evaluated():
            groups = prometheus.get("rules")["groups"]
            return groups and all(evaluation(group) > since for group in groups)

        until("the rules were evaluated", evaluated)
        yield prometheus


def evaluation(group):
    """When a group of rules was evaluated; Prometheus prints more digits than Python reads."""
    return datetime.datetime.fromisoformat(group["lastEvaluation"][:19] + "+00:00")
