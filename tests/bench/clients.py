"""Ask over HTTP on one keep-alive connection, and time it."""

import http.client
import json
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path
from typing import Any

IDLE_S = 30.0
"""well below the time after which the server closes a connection that is not used"""


class Client:
    """One keep-alive connection to the API as one person."""

    path = "/api/v1/query"

    def __init__(self, port: int, host: str, token: str) -> None:
        self._connect(port, {"Host": f"{host}:{port}", "Authorization": f"Bearer {token}"})

    def _connect(self, port: int, headers: dict[str, str]) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.used_at = time.monotonic()
        self.headers = {**headers, "Content-Type": "application/json"}

    def ask(self, query: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """Return milliseconds and the answer; raises on anything but 200."""
        self._refresh()
        body = json.dumps(query)
        started = time.perf_counter()
        self.connection.request("POST", self.path, body, self.headers)
        response = self.connection.getresponse()
        text = response.read()
        elapsed_ms = (time.perf_counter() - started) * 1000
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {text[:500]!r}")
        return elapsed_ms, json.loads(text)

    def ask_raw(self, query: dict[str, Any], kind: str) -> float:
        """Return milliseconds for an answer of another kind; raises on anything but 200."""
        started = time.perf_counter()
        self._request(query, {"Accept": kind}, 200)
        return (time.perf_counter() - started) * 1000

    def ask_later(self, query: dict[str, Any]) -> None:
        """Have a question answered without waiting for it."""
        self._request(query, {"Prefer": "respond-async"}, 202)

    def _refresh(self) -> None:
        """Connect anew where the server may have closed what was not used for long."""
        if time.monotonic() - self.used_at > IDLE_S:
            self.connection.close()
        self.used_at = time.monotonic()

    def _request(self, query: dict[str, Any], headers: dict[str, str], status: int) -> None:
        self._refresh()
        self.connection.request("POST", self.path, json.dumps(query), self.headers | headers)
        response = self.connection.getresponse()
        text = response.read()
        if response.status != status:
            raise RuntimeError(f"{response.status}: {text[:500]!r}")


def summary(samples_ms: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile in milliseconds."""
    ordered = sorted(samples_ms)
    return {
        "median_ms": round(statistics.median(ordered), 2),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 2),
    }


def timed(work: Callable[[], Any]) -> float:
    """Return milliseconds."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def requests_per_second(client: Client, query: dict[str, Any], connections: int, seconds: int = 6) -> dict[str, Any]:
    """Measure with wrk when it is installed, else with threads of this process (which costs the server a core)."""
    if shutil.which("wrk"):
        return {"tool": "wrk", "per_second": _wrk(client, query, connections, seconds)}
    return {"tool": "python threads", "per_second": _threads(client, query, connections, seconds)}


def _wrk(client: Client, query: dict[str, Any], connections: int, seconds: int) -> float:
    headers = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in client.headers.items())
    script = f'wrk.method = "POST"\nwrk.body = [==[{json.dumps(query)}]==]\n{headers}'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ask.lua"
        path.write_text(script)
        command = [
            "wrk",
            "-t",
            "1",
            "-c",
            str(connections),
            "-d",
            f"{seconds}s",
            "-s",
            str(path),
            f"http://127.0.0.1:{client.connection.port}{client.path}",
        ]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output:
        raise RuntimeError(output)
    return float(next(line for line in output.splitlines() if line.startswith("Requests/sec")).split()[1])


def _threads(client: Client, query: dict[str, Any], connections: int, seconds: int) -> float:
    counts = [0] * connections
    deadline = time.perf_counter() + seconds

    def work(index: int) -> None:
        own = copy(client)
        own._connect(client.connection.port, client.headers)
        while time.perf_counter() < deadline:
            own.ask(query)
            counts[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return round(sum(counts) / seconds, 1)
