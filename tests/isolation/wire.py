"""The application behind a real gunicorn, on the tests' own database; requests are written to it byte by byte."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

ROOT = Path(__file__).resolve().parent.parent.parent
START_S, ANSWER_S = 60.0, 10.0
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


@contextmanager
def gunicorn() -> Iterator[int]:
    """Run the web process, as installations do, for the length of a block; yield its port on the loopback.

    Raises:
        AssertionError: something was raised in that process and not handled; its log is the message.
    """
    url, _, query = os.environ["OMNI_DATABASE_URL"].partition("?")
    moved = f"{url.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "python:omni.serving", "omni.wsgi", "--bind", f"127.0.0.1:{port}",
             "--workers", "1"],
            cwd=ROOT, env=os.environ | {"OMNI_DATABASE_URL": moved, "DJANGO_SETTINGS_MODULE": "omni.settings.test"},
            stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for(port)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        log.seek(0)
        told = log.read()
    assert "Traceback" not in told, told


def wait_for(port: int) -> None:
    deadline = time.monotonic() + START_S
    while not exchange(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
        assert time.monotonic() < deadline, "gunicorn does not answer"
        time.sleep(0.1)


def exchange(port: int, sent: bytes) -> bytes:
    """Send bytes as they are; return everything that comes back until the server hangs up, nothing when nobody listens."""
    found = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S) as line:
            line.sendall(sent)
            while part := line.recv(65536):
                found += part
    except (ConnectionError, TimeoutError):
        return found
    return found


def statuses(answer: bytes) -> list[int]:
    """Return the status of every answer in what came back."""
    return [int(code) for code in STATUS.findall(answer)]
