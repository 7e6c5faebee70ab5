"""An installation of its own: its own PostgreSQL, Redis, state, web and workers, started and stopped by their ids."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from redis import Redis

from apps.embedded import postgres, redis

ROOT = Path(__file__).resolve().parent.parent.parent
Reply = tuple[int, Any]
PATIENCE_S = 60.0
WORKER = ("celery", "-A", "omni", "worker", "--loglevel", "WARNING", "--without-gossip", "--without-mingle")


def until(is_so: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Wait until something is so; return what was found."""
    deadline = time.monotonic() + patience_s
    while not (found := is_so()):
        assert time.monotonic() < deadline, f"not in {patience_s} s: {what}"
        time.sleep(0.05)
    return found


@dataclass
class Installation:
    """Processes by name, and ways to ask and to look."""

    folder: Path
    environ: dict[str, str]
    admin_url: str
    tokens: dict[str, str] = field(default_factory=dict)
    port: int = 0
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    hands: "subprocess.Popen[bytes] | None" = None

    def start(self, *command: str, log: str = "log", **changes: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{log}.log").open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env=self.environ | changes, stdout=file, stderr=file,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self.running.append(process)
        return process

    def end(self, process: "subprocess.Popen[bytes]", number: int = signal.SIGTERM) -> None:
        """End a process that was started here; one that is killed takes its children along, as a lost machine does."""
        if process.poll() is None:
            (os.killpg if number == signal.SIGKILL else os.kill)(process.pid, number)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.running.remove(process)

    def start_web(self, **changes: str) -> "subprocess.Popen[bytes]":
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        web = self.start(
            "gunicorn", "--config", "python:omni.serving", "omni.wsgi", "--bind", f"127.0.0.1:{self.port}", "--workers", "1", "--threads", "16", log="web",
            OMNI_PROCESS="web", **changes,
        )  # fmt: skip
        until(self._answers, "web answers")
        return web

    @contextmanager
    def web_elsewhere(self, **changes: str) -> Iterator[None]:
        """For the length of the block, ask another web process that differs in its environment."""
        port = self.port
        web = self.start_web(**changes)
        try:
            yield
        finally:
            self.end(web, signal.SIGKILL)
            self.port = port

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    @contextmanager
    def worker(
        self, concurrency: int = 2, *options: str, beat: bool = False, **changes: str
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """A worker for the length of the block, with processes of its own."""
        more = [*options, *(["--beat"] if beat else [])]
        process = self.start(
            *WORKER, "--concurrency", str(concurrency), *more, log="worker", OMNI_PROCESS="worker", **changes
        )
        try:
            yield process
        finally:
            if process in self.running:
                self.end(process, signal.SIGKILL)

    def crew(self, *, is_wanted: bool = True) -> None:
        """Keep one worker of four with the beat for all tests that do it no harm, or send it home."""
        if is_wanted and (self.hands is None or self.hands.poll() is not None):
            self.hands = self.start(*WORKER, "--concurrency", "4", "--beat", log="worker", OMNI_PROCESS="worker")
        elif not is_wanted and self.hands is not None:
            self.end(self.hands, signal.SIGKILL)
            self.hands = None

    def send(self, slug: str, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send a request to the API; return status and JSON."""
        line = HTTPConnection("127.0.0.1", self.port, timeout=90)
        try:
            head = {"Host": f"{slug}.localhost", "Authorization": f"Bearer {self.tokens[slug]}"}
            head |= {"Content-Type": "application/json", "Accept": "application/json", **headers}
            line.request(method, path, None if body is None else json.dumps(body), head)
            answer = line.getresponse()
            text = answer.read()
            if text and "json" not in str(answer.getheader("Content-Type")):
                return answer.status, {"not json": text[:200].decode(errors="replace")}
            return answer.status, json.loads(text) if text else None
        finally:
            line.close()

    def fetch(self, slug: str, path: str, accept: str, reader: Callable[[Any], Any]) -> tuple[int, Any]:
        """Fetch a file and let it be read as it comes; return status and what the reader made of it."""
        line = HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            head = {"Host": f"{slug}.localhost", "Authorization": f"Bearer {self.tokens[slug]}", "Accept": accept}
            line.request("GET", path, headers=head)
            answer = line.getresponse()
            return answer.status, reader(answer)
        finally:
            line.close()

    def ask(self, slug: str, dataset: str, n: int, *, is_async: bool = True) -> Reply:
        """Ask a question; those of different ``n`` are different."""
        view = dataset.lower()
        question = {"dataset": dataset, "fields": [f"{view}.count"], "filters": {f"{view}.n": {"is": n}}}
        return self.send(slug, "POST", "/api/v1/query", question, **({"Prefer": "respond-async"} if is_async else {}))

    def queue(self, slug: str, dataset: str, n: int) -> str:
        """Ask and do not wait; return the run."""
        status, body = self.ask(slug, dataset, n)
        assert status == 202, body
        return str(body["run_id"])

    def rows(self, statement: str, *parameters: object, database: str = "omni") -> list[tuple[Any, ...]]:
        """Read as a superuser, past row-level security."""
        url = self.admin_url.replace("@/postgres", f"@/{database}")
        with psycopg.connect(url, autocommit=True) as admin:
            return admin.execute(statement.encode(), parameters or None).fetchall()

    def run(self, run_id: str) -> tuple[str, str, int]:
        """Return state, error and attempts of a run."""
        found = "SELECT state, error_code, attempts FROM queries_queryrun WHERE id = %s"
        state, code, attempts = self.rows(found, run_id)[0]
        return state, code, attempts

    def until_state(self, run_id: str, *states: str, patience_s: float = PATIENCE_S) -> tuple[str, str, int]:
        until(lambda: self.run(run_id)[0] in states, f"run is {states}", patience_s)
        return self.run(run_id)

    def times_read(self) -> int:
        """Return how often the source was asked, once nobody asks it any more.

        A session tells what it has read some time later, and at the latest when it ends: all of them are ended before.
        """
        mine = "FROM pg_stat_activity WHERE datname = 'source' AND usename = 'reader'"
        until(lambda: not self.rows(f"SELECT pid {mine} AND state = 'active'"), "the source is idle")
        self.rows(f"SELECT pg_terminate_backend(pid) {mine}")
        until(lambda: not self.rows(f"SELECT pid {mine}"), "the source's sessions have ended")
        found = self.rows("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'counted'", database="source")
        return int(found[0][0])

    def redis(self) -> "Redis":
        """Return a client of the installation's Redis."""
        return Redis.from_url(self.environ["OMNI_REDIS_URL"], decode_responses=True)

    def forget_runs(self) -> None:
        """Remove runs and answers of earlier tests."""
        url = self.admin_url.replace("@/postgres", "@/omni")
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("SET session_replication_role = replica")
            admin.execute(
                "DELETE FROM queries_queryrun; DELETE FROM queries_cachedresult; DELETE FROM queries_download; DELETE FROM queries_downloadchunk"
            )


@contextmanager
def installation(folder: Path, **changes: str) -> Iterator[Installation]:
    """Start everything but the workers; stop all of it afterwards. ``changes`` of the environment are for all processes."""
    services = folder / "embedded"
    services.mkdir(parents=True)
    urls, redis_url = postgres.start(services), redis.start(services)
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("OMNI_", "DJANGO_"))}
    environ |= {
        "DJANGO_SETTINGS_MODULE": "omni.settings.local", "OMNI_STATE_DIR": str(folder), "OMNI_LEASE_S": "3",
        "OMNI_DATABASE_URL": urls["runtime"], "OMNI_DATABASE_OWNER_URL": urls["owner"], "OMNI_REDIS_URL": redis_url,
        "OMNI_PUBLIC_PORT": "0", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore",
    } | changes  # fmt: skip
    found = Installation(folder, environ, urls["admin"])
    try:
        socket_dir = str(conninfo_to_dict(urls["admin"])["host"])
        command = [sys.executable, "-m", "tests.faults.seed", urls["admin"], socket_dir]
        seeded = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        assert seeded.returncode == 0, seeded.stderr
        found.tokens = json.loads(seeded.stdout.splitlines()[-1])
        found.start_web()
        yield found
    finally:
        for process in list(found.running):
            found.end(process, signal.SIGKILL)
        redis.stop(services)
        postgres.stop(services)
