"""The framework's floor beside ours, on the same machine and in the same run: :mod:`tests.bench.bare` behind gunicorn."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from apps.demo.processes import BIN, Processes, require_port, wait_for
from tests.bench.bare import KEPT
from tests.bench.clients import Client

ROOT = Path(__file__).resolve().parent.parent.parent
PORT = 8232
DATABASE = "bare"
QUESTION = {"key": KEPT}


class BareClient(Client):
    """One keep-alive connection to bare Django as one who is signed in."""

    path = "/"

    def __init__(self, session: str) -> None:
        self._connect(PORT, {"Host": f"127.0.0.1:{PORT}", "Cookie": f"sessionid={session}"})


def start_bare(processes: Processes, kept: dict[str, Any]) -> BareClient:
    """Make a database of its own, start two workers, keep an answer of ours there; return who asks for it."""
    require_port(PORT, "bare Django")
    admin_url = os.environ["OMNI_DATABASE_ADMIN_URL"]
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(DATABASE)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    head, _, tail = admin_url.partition("@/")
    places = {
        "BARE_DATABASE_URL": f"{head}@/{DATABASE}?{tail.partition('?')[2]}", "BARE_REDIS_URL": os.environ["OMNI_REDIS_URL"],
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    prepared = subprocess.run(
        [sys.executable, "-m", "tests.bench.bare"], input=json.dumps(kept).encode(), capture_output=True, check=True,
        env=os.environ | places, cwd=ROOT,
    )  # fmt: skip
    command = [str(BIN / "gunicorn"), "tests.bench.bare:application", "--bind", f"127.0.0.1:{PORT}", "--workers", "2",
               "--threads", "8", "--keep-alive", "75", "--log-level", "warning"]  # fmt: skip
    processes.start("bare", command, **places)
    wait_for(f"http://127.0.0.1:{PORT}/", processes)
    return BareClient(prepared.stdout.decode().strip())
