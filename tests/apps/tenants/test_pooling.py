"""Through a transaction pooler, where one connection of the server serves many clients, each transaction knows its own tenant.

PgBouncer is Debian's package of that name. Without it the same is shown by two clients that share one connection.
"""

import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, connections, transaction

from apps.accounts.models import User
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests import databases
from tests.environment import WORKER
from tests.soak.driving import Tally, drive, handlers, leak
from tests.soak.sides import make_side

BOUNCER = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
POOLED = 2
CONFIGURATION = """[databases]
{name} = host={host} port=5432 dbname={name} user=omni_app
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
user = {owner}
pool_mode = transaction
default_pool_size = {pooled}
max_client_conn = 200
ignore_startup_parameters = extra_float_digits,options
"""


@pytest.fixture
def pooler(tmp_path: Path) -> Iterator[int]:
    """A pooler with two connections to this process's database; returns its port and has Django use it."""
    if BOUNCER is None:
        pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    settings = connections["default"].settings_dict
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    file = tmp_path / "pgbouncer.ini"
    folder = Path(settings["HOST"])
    file.write_text(
        CONFIGURATION.format(name=settings["NAME"], host=folder, port=port, owner=folder.owner(), pooled=POOLED)
    )
    for path in (file, *file.parents[:3]):
        path.chmod(path.stat().st_mode | 0o055)
    process = subprocess.Popen([BOUNCER, "-q", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before = settings["HOST"], settings["PORT"], settings["OPTIONS"]
    try:
        wait_for(port, process)
        connections.close_all()
        settings["HOST"], settings["PORT"] = "127.0.0.1", str(port)
        settings["OPTIONS"] = before[2] | {
            "prepare_threshold": None
        }  # OMNI_DATABASE_PREPARES=off, as for PgBouncer < 1.21
        yield port
    finally:
        connections.close_all()
        settings["HOST"], settings["PORT"], settings["OPTIONS"] = before
        process.terminate()
        process.wait(10)


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, "the pooler has ended"
            assert time.monotonic() < deadline
            time.sleep(0.1)


def backends() -> int:
    """Return how many connections to the database the application's role holds."""
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}")) as superuser:
        row = superuser.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'omni_app' AND datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_many_clients_on_two_connections_each_see_their_own(pooler: int) -> None:
    sides = (make_side("acme"), make_side("globex"))
    assert connection.settings_dict["PORT"] == str(pooler)
    with handlers() as application:
        found = drive(application, sides, count=600, threads=6, seed=11, seconds=90)
    assert found.crossings == found.left_bound == []
    assert found.done["request"] > 100
    assert backends() <= POOLED


def test_a_setting_for_the_session_would_cross_over_in_the_pooler(pooler: int) -> None:
    """The positive control: what the application never does is seen when it is done."""
    sides = (make_side("acme"), make_side("globex"))
    with handlers() as application:
        found: Tally = drive(application, sides, count=60, threads=3, seed=5, seconds=60, one=leak("/soak/stuck/"))
    assert found.crossings or found.left_bound


def test_two_clients_that_share_one_connection_see_their_own(
    acme: TenantRef, globex: TenantRef, make_person: Callable[..., User]
) -> None:
    """Without a pooler: transactions of two tenants follow each other on one connection, some of them broken off."""
    make_person("ann@acme.example")
    with bound(globex.id):
        make_person("gus@globex.example")
    dice, emails = random.Random(3), {acme.id: "ann@acme.example", globex.id: "gus@globex.example"}
    for _ in range(200):
        tenant = dice.choice((acme, globex))
        with bound(tenant.id):
            if dice.random() < 0.3:
                with pytest.raises(ZeroDivisionError), transaction.atomic():
                    assert list(User.objects.values_list("email", flat=True)) == [emails[tenant.id]]
                    raise ZeroDivisionError
            with connection.cursor() as cursor:
                cursor.execute("SELECT email FROM accounts_user")
                assert cursor.fetchall() == [(emails[tenant.id],)]
        with unbound(), connection.cursor() as cursor:
            cursor.execute("SELECT email FROM accounts_user")
            assert cursor.fetchall() == []


def test_a_client_of_a_pooler_brings_nothing_of_its_own(pooler: int, acme: TenantRef, ann: User) -> None:
    with bound(acme.id):
        assert User.objects.count() == 1
    name = connections["default"].settings_dict["NAME"]
    with psycopg.connect(f"postgresql://omni_app@127.0.0.1:{pooler}/{name}", autocommit=True) as stranger:
        row: Any = stranger.execute(
            "SELECT count(*), coalesce(current_setting('omni.tenant_id', true), '') FROM accounts_user"
        ).fetchone()
    assert row == (0, "")
