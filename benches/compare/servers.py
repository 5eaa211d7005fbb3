"""The processes that a comparison needs: started on a core of their own, measured, ended by id."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

SERVER_CORE, LOAD_CORE = 0, 1
TICKS = os.sysconf("SC_CLK_TCK")
EXAMPLES = pathlib.Path(os.environ.get("EXAMPLES", "target/release/examples"))
HERE = pathlib.Path(__file__).resolve().parent


class Broken(Exception):
    """Something that has nothing to do with speed went wrong; there is no figure."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path, timeout=15):
    """Status, headers (names in lower case) and body of one GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, headers, response.read()
    finally:
        connection.close()


class Server:
    """A process pinned to a core, with whatever children it has."""

    def __init__(self, name, command, port, core=SERVER_CORE, env=None, ready="/"):
        self.name, self.port = name, port
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)],
            stdout=self.log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
        self._wait(ready)

    def _wait(self, ready):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if get(self.port, ready, timeout=2)[0] < 500:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        self.stop()
        self.log.seek(0)
        tail = self.log.read().decode(errors="replace")[-2000:]
        raise Broken(f"{self.name} did not come up on port {self.port}:\n{tail}")

    def pids(self):
        """The process and its children: nginx serves from a worker."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, children.read_text().split())]

    def cpu_seconds(self):
        """User and system time so far, of all threads of all its processes."""
        total = 0
        for pid in self.pids():
            # The second field is the command in brackets and may hold spaces.
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def resident_mib(self):
        total = 0
        for pid in self.pids():
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            total += int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])
        return total / 1024

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Stage:
    """Starts servers and ends every one of them when the block is left, however that happens."""

    def __init__(self, tidegate):
        self.tidegate_bin, self.servers = tidegate, []

    def __enter__(self):
        self.scratch = tempfile.TemporaryDirectory(
            prefix="tidegate-bench-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
        )
        return self

    def __exit__(self, *_):
        for server in reversed(self.servers):
            server.stop()
        self.scratch.cleanup()

    def _start(self, *args, **kwargs):
        server = Server(*args, **kwargs)
        self.servers.append(server)
        return server

    def file(self, name, content):
        path = pathlib.Path(self.scratch.name) / name
        path.write_bytes(content)
        return path

    def sim(self, exchange="bitfinex", latency=None):
        """The simulated exchange, on the core of the load: it is not what is measured."""
        port = free_port()
        command = [self.tidegate_bin, "sim", "--exchange", exchange, "--listen", f"127.0.0.1:{port}"]
        if latency:
            command += ["--latency", latency]
        return self._start(exchange, command, port, core=LOAD_CORE, ready="/sim/counts")

    def tidegate(self, *sims, **settings):
        """Before these exchanges. Their WebSockets are where settings have them by default, below
        the REST interfaces. `settings` are named like their variables, without the prefix."""
        port = free_port()
        env = {"TIDEGATE__SERVER__LISTEN": f"127.0.0.1:{port}", "TIDEGATE__LOG__FILTER": "warn"}
        for sim in sims:
            section = f"TIDEGATE__EXCHANGES__{sim.name.upper()}"
            env[f"{section}__ENABLED"] = "true"
            env[f"{section}__REST_URL"] = f"http://127.0.0.1:{sim.port}"
        env |= {f"TIDEGATE__{name}": value for name, value in settings.items()}
        command = [self.tidegate_bin, "serve"]
        return self._start("tidegate", command, port, env=env, ready="/readyz")

    def bare(self, example, files, core=SERVER_CORE):
        port = free_port()
        routes = [f"{path}={file}" for path, file in files.items()]
        return self._start(example, [EXAMPLES / example, port, *routes], port, core=core)

    def nginx(self, origin_port, lock=False):
        """One worker, tuned as one would for a small hot set; the cache lies in memory."""
        port = free_port()
        root = pathlib.Path(tempfile.mkdtemp(dir=self.scratch.name))
        template = (HERE / "nginx.conf").read_text()
        settings = {
            "ROOT": str(root),
            "PORT": str(port),
            "ORIGIN": str(origin_port),
            "USER": "user root;" if os.geteuid() == 0 else "",
            "LOCK": "proxy_cache_lock on;" if lock else "",
        }
        config = root / "nginx.conf"
        config.write_text(re.sub(r"@(\w+)@", lambda match: settings[match[1]], template))
        command = ["nginx", "-p", root, "-c", config, "-e", root / "error.log"]
        return self._start("nginx", command, port, ready="/nginx-is-up")


def load(server, path, seconds, connections):
    """Runs wrk at full speed; its report, with the server's CPU seconds per request."""
    before = server.cpu_seconds()
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    command += ["-s", str(HERE / "report.lua"), f"http://127.0.0.1:{server.port}{path}"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    report = json.loads(output.strip().splitlines()[-1])
    if report["errors"] or not report["requests"]:
        raise Broken(f"{server.name} {path}: {report['errors']} of {report['requests']} failed")
    report["rps"] = report["requests"] / report["seconds"]
    report["cpu"] = (server.cpu_seconds() - before) / report["requests"]
    return report


def stampede(server, path, connections):
    """Many clients at one moment; when each was answered."""
    command = ["taskset", "-c", str(LOAD_CORE), EXAMPLES / "stampede"]
    command += [f"127.0.0.1:{server.port}", path, str(connections)]
    output = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    report = json.loads(output.stdout)
    if report["statuses"] != {"200": connections}:
        raise Broken(f"{server.name} {path}: statuses {report['statuses']}")
    return report
