"""The installation that is measured: TPC-H 0.5 in the embedded PostgreSQL, one tenant, one person with a row policy."""

import os
from dataclasses import dataclass
from pathlib import Path

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from apps.demo import sources
from apps.demo.processes import Processes, require_port, start_web, start_worker, wait_for
from apps.demo.seeding import run
from apps.tenants.models import Tenant
from tests.bench.floor import BareClient
from tests.bench.workload import REGION

HERE = Path(__file__).parent
PORT = 8231
SCALE = float(os.environ.get("OMNI_BENCH_SCALE", "0.5"))
PERSON = "eve@bench.example"
PASSWORD = "bench-only"  # the same in every run: the connection keeps it sealed from the first


@dataclass(frozen=True, slots=True)
class Installation:
    """Where to ask, as whom, and the same source asked directly."""

    port: int
    host: str
    token: str
    source: sources.SourceDatabase
    floor: "psycopg.Connection[tuple[object, ...]]"
    processes: Processes
    bare: BareClient | None = None
    """the framework's own floor, once it is started"""

    def bare_client(self) -> BareClient:
        """Return who asks bare Django.

        Raises:
            RuntimeError: it is not started.
        """
        if self.bare is None:
            raise RuntimeError("bare Django is not started")
        return self.bare


def start() -> Installation:
    """Load the data once, start web and worker, issue a token."""
    require_port(PORT, "bench")
    settings.OMNI_PUBLIC_PORT = PORT
    call_command("migrate", verbosity=0)
    source = sources.load_tpch(
        os.environ["OMNI_DATABASE_ADMIN_URL"], "bench_source", SCALE, with_mart=True, password=PASSWORD
    )
    call_command("build_assets", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    processes = Processes(Path(settings.OMNI_STATE_DIR) / "log")
    start_worker(processes)
    if not Tenant.objects.filter(slug="bench").exists():
        seed(source, "bench")
    token = token_of("bench")
    connections.close_all()
    start_web(processes, PORT)
    wait_for(f"http://127.0.0.1:{PORT}/healthz", processes)
    return Installation(PORT, "bench.localhost", token, source, direct(source), processes)


def direct(source: sources.SourceDatabase) -> "psycopg.Connection[tuple[object, ...]]":
    """Return a session on the source, without us."""
    return psycopg.connect(
        host=source.host, dbname=source.database, user=source.username, password=source.password, autocommit=True
    )


def token_of(slug: str) -> str:
    """Return a new token of the measured person in a tenant."""
    return run("issue_token", slug, PERSON, "--name", "bench", "--days", "1").strip().splitlines()[-1]


def seed(source: sources.SourceDatabase, slug: str) -> None:
    """Create a tenant with the measured person, a connection to the source, and the model."""
    run("create_tenant", slug, "--name", slug.title(), "--admin-email", "root@bench.example")
    run("create_user", slug, PERSON, "--name", "Eve", "--group", "Everybody", "--attribute", f"region={REGION}")
    run(
        "add_connection", slug, "tpch", "--dialect", "postgres", "--host", source.host, "--database", source.database,
        "--username", source.username, "--password-stdin", stdin=source.password,
    )  # fmt: skip
    run("import_model", slug, "tpch", str(HERE / "model"), "--name", "tpch", "--publish")
    for name in ("Light", "Heavy"):
        run("grant", slug, "--group", "Everybody", "query_dataset", name)
