"""Migrate and fill the installation of the fault tests, in a process of its own; prints tokens as JSON."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import django

django.setup()

import duckdb  # noqa: E402  (Django's settings come first)
import psycopg  # noqa: E402  # the settings come first
from django.core.management import call_command  # noqa: E402  # the settings come first

from apps.access.services import grant_permission  # noqa: E402  # the settings come first
from apps.accounts.models import User  # noqa: E402  # the settings come first
from apps.accounts.services import issue_token  # noqa: E402  # the settings come first
from apps.audit.types import SYSTEM  # noqa: E402  # the settings come first
from apps.connections.models import Connection  # noqa: E402  # the settings come first
from apps.connections.services import save_connection  # noqa: E402  # the settings come first
from apps.datamodels.models import Dataset  # noqa: E402  # the settings come first
from apps.datamodels.services import import_files  # noqa: E402  # the settings come first
from apps.tenants.binding import bound  # noqa: E402  # the settings come first
from apps.tenants.services import create_tenant  # noqa: E402  # the settings come first
from apps.vault.services import create_tenant_keys, ensure_worker_keys  # noqa: E402  # the settings come first

PASSWORD = "hunter2-canary"
NAPS = {"tick": 0.2, "nap": 4, "sleep": 120}
"""views of the source and for how many seconds a question to each takes"""
ROWS = int(os.environ.get("FAULTS_ROWS", "300000"))


def view(name: str, schema: str = "public") -> str:
    return (
        f"schema: {schema}\ntable_name: {name}\ndimensions:\n  n: {{}}\nmeasures:\n  count: {{aggregate_type: count}}\n"
    )


def fill_source(admin_url: str) -> None:
    """Views that take their time; ``counted`` is read once by every question, which PostgreSQL counts."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE source")
        admin.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
    with psycopg.connect(admin_url.replace("@/postgres", "@/source"), autocommit=True) as source:
        source.execute("CREATE TABLE counted AS SELECT 1 AS one")
        for name, seconds in NAPS.items():
            source.execute(
                f"CREATE VIEW {name} AS SELECT n FROM generate_series(1, 1000) n, pg_sleep({seconds}), counted"
            )
        source.execute(
            f"CREATE VIEW many AS SELECT n, 'row number ' || n AS name, n * 1.5::double precision AS half FROM generate_series(1, {ROWS}) n"
        )
        source.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")


def fill_file(folder: Path) -> None:
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "grind.duckdb")) as connection:
        connection.execute("CREATE TABLE points AS SELECT i AS n FROM range(60000) t(i)")
        connection.execute(
            "CREATE VIEW grind AS SELECT a.n % 10 AS n FROM points a, points b WHERE (a.n * 7919 + b.n) % 1000003 < 10"
        )


MANY = "schema: public\ntable_name: many\ndimensions:\n  n: {}\n  name: {}\n  half: {}\nmeasures:\n  count: {aggregate_type: count}\n"


def fill_tenant(slug: str, socket_dir: str) -> str:
    """Make a tenant with one person, who may ask everything; return a token."""
    now = datetime.now(UTC)
    tenant = create_tenant(slug=slug, name=slug)
    with bound(tenant.id):
        create_tenant_keys(now=now)
        person = User.objects.create(
            email=f"ada@{slug}.example", name="Ada", issuer="https://idp.example", subject="ada", is_tenant_admin=True
        )
        link = Connection(
            name="clock",
            dialect="postgres",
            host=socket_dir,
            database="source",
            username="reader",
            max_running=8,
            timeout_s=300,
        )
        save_connection(link, secret=PASSWORD, by=SYSTEM, now=now)
        files = {f"{name}.view.yaml": view(name) for name in NAPS} | {"many.view.yaml": MANY}
        files |= {f"{name.title()}.topic.yaml": f"base_view: {name}\n" for name in (*NAPS, "many")}
        import_files(connection=link, name="clock", files=files, publish=True, by=SYSTEM, now=now)
        file = Connection(name="file", dialect="duckdb", database="grind.duckdb", timeout_s=300)
        save_connection(file, secret=None, by=SYSTEM, now=now)
        files = {"grind.view.yaml": view("grind", "main"), "Grind.topic.yaml": "base_view: grind\n"}
        import_files(connection=file, name="file", files=files, publish=True, by=SYSTEM, now=now)
        for dataset in Dataset.objects.all():
            grant_permission(user=person, permission="query_dataset", obj=dataset, by=SYSTEM, now=now)
        return issue_token(user=person, name="faults", days=1, by=SYSTEM, now=now)


def main() -> None:
    admin_url, socket_dir = sys.argv[1:3]
    call_command("migrate", verbosity=0)
    ensure_worker_keys()
    fill_source(admin_url)
    tokens = {}
    for slug in ("acme", "globex"):
        fill_file(Path(os.environ["OMNI_STATE_DIR"]) / "data" / slug)
        tokens[slug] = fill_tenant(slug, socket_dir)
    print(json.dumps(tokens))


if __name__ == "__main__":
    main()
