"""The demo's processes: identity provider, worker with beat, web. Started together, stopped together."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from apps.demo.people import IDP_PORT, everyone

BIN = Path(sys.executable).parent


class PortTakenError(RuntimeError):
    """Another program listens where the demo wants to."""


def require_port(port: int, what: str) -> None:
    """Check that nobody listens on the port.

    Raises:
        PortTakenError: somebody does.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise PortTakenError(f"port {port} ({what}) is in use; stop that program or choose another port") from None


@dataclass
class Processes:
    """Child processes in sessions of their own, so that only the parent hears Ctrl-C and stops them in order."""

    log_dir: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, command: list[str], *, without: Collection[str] = (), **environment: str) -> None:
        """Start a program in our environment, ``without`` the variables that are not for it."""
        inherited = {key: value for key, value in os.environ.items() if key not in without}
        self.log_dir.mkdir(parents=True, exist_ok=True)
        with (self.log_dir / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env=inherited | environment,
            )  # fmt: skip

    def stop(self, timeout_s: float = 10) -> None:
        """Ask each to end, last started first; kill what has not ended in time. A second Ctrl-C changes nothing."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for child in reversed(self.running.values()):
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + timeout_s
        for child in reversed(self.running.values()):
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        self.running.clear()

    def ended(self) -> str | None:
        """Return the name of a child that has ended by itself."""
        return next((name for name, child in self.running.items() if child.poll() is not None), None)


def start_identity_provider(processes: Processes) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(IDP_PORT)]
    for person in everyone():
        command += ["--user-claims", person.provider_claims()]
    processes.start("identity-provider", command)


def start_worker(processes: Processes) -> None:
    command = [str(BIN / "celery"), "-A", "omni", "worker", "--beat", "--concurrency", "4", "--loglevel", "WARNING",
               "--without-gossip", "--without-mingle"]  # fmt: skip
    processes.start("worker", command, without=("OMNI_DATABASE_ADMIN_URL",), OMNI_PROCESS="worker")


def start_web(processes: Processes, port: int) -> None:
    command = [str(BIN / "gunicorn"), "--config", "python:omni.serving", "omni.wsgi", "--bind", f"127.0.0.1:{port}",
               "--log-level", "warning"]  # fmt: skip
    of_owner = ("OMNI_DATABASE_OWNER_URL", "OMNI_DATABASE_ADMIN_URL")
    processes.start("web", command, without=of_owner, OMNI_PROCESS="web", OMNI_PUBLIC_PORT=str(port))


def wait_for(url: str, processes: Processes, *, timeout_s: float = 60) -> None:
    """Wait until the address answers at all.

    Raises:
        RuntimeError: a process ended, or it took too long.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if name := processes.ended():
            raise RuntimeError(f"the {name} process ended; see {processes.log_dir / name}.log")
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310  (our own address)
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} did not answer in {timeout_s:.0f} s")


def interrupt_on_terminate() -> None:
    """Treat SIGTERM and SIGHUP like Ctrl-C, also when the shell started us with SIGINT ignored."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
