"""While a source works, neither who waits for the answer nor who asks the source holds a transaction of ours open."""

import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg
import pytest
from django.db import connections

from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.accounts.models import User
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.services import save_connection
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.queries.downloads import begin
from apps.queries.models import QueryRun
from apps.queries.services import answer
from apps.queries.types import Answer
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from apps.warehouses.types import Target
from tests import databases
from tests.environment import WORKER
from tests.warehouses.samples import PASSWORD, reader_database

FILES = {
    "slow.view.yaml": "schema: public\ntable_name: slow\ndimensions:\n  region: {}\nmeasures:\n  count: {aggregate_type: count}\n",
    "Slow.topic.yaml": "base_view: slow\n",
}
OPEN = """SELECT state, query FROM pg_stat_activity
 WHERE datname = %s AND usename = 'omni_app' AND (state LIKE 'idle in transaction%%' OR (state = 'active' AND xact_start < now() - interval '1 s'))"""


@pytest.fixture
def held_back() -> Iterator[Target]:
    """A source with one table, which its owner can hold back."""
    with reader_database(f"slow_source_{WORKER}") as target:
        with psycopg.connect(databases.admin_url(target.database), autocommit=True) as owner:
            owner.execute("CREATE TABLE public.slow AS SELECT 'EU' AS region")
            owner.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
            owner.execute("GRANT SELECT ON public.slow TO PUBLIC")
        yield target


@pytest.fixture
def slow(acme: TenantRef, held_back: Target, ann: User, now: datetime) -> Dataset:
    connection = Connection(
        name="slow", dialect="postgres", host=held_back.host, database=held_back.database, username=held_back.username
    )
    save_connection(connection, secret=PASSWORD, by=SYSTEM, now=now)
    import_files(connection=connection, name="slow", files=FILES, publish=True, by=SYSTEM, now=now)
    found = Dataset.objects.get(name="Slow")
    grant_permission(user=ann, permission="query_dataset", obj=found, by=SYSTEM, now=now)
    return found


def test_no_transaction_is_open_while_the_source_works(
    acme: TenantRef, slow: Dataset, ann: User, held_back: Target, now: datetime
) -> None:
    """One thread is the worker of the run (tasks run where they are sent), the other waits for the same answer."""
    actor, answers = actor_for_user(ann), []
    question = {"dataset": "Slow", "fields": ["slow.region", "slow.count"]}

    def ask() -> None:
        with bound(acme.id):
            answers.append(answer(actor, question, now=now, wait_s=20))
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    with psycopg.connect(databases.admin_url(held_back.database)) as owner:
        owner.execute("LOCK TABLE public.slow IN ACCESS EXCLUSIVE MODE")
        for thread in threads:
            thread.start()
            time.sleep(0.3)
        wait_until_the_source_works(held_back)
        time.sleep(1.2)
        assert open_transactions() == []
        with psycopg.connect(psycopg_url()) as held:  # the positive control: such a transaction would be seen
            held.execute("SELECT 1")
            assert len(open_transactions()) == 1
    for thread in threads:
        thread.join()
    assert [found.rows for found in answers if isinstance(found, Answer)] == [[("EU", 1)], [("EU", 1)]]


def test_no_transaction_is_open_while_a_download_comes(
    acme: TenantRef, slow: Dataset, ann: User, held_back: Target, now: datetime
) -> None:
    """The task runs where it is sent: one thread is the asker, and then the worker."""
    actor, runs = actor_for_user(ann), []
    question = {"dataset": "Slow", "fields": ["slow.region", "slow.count"]}

    def ask() -> None:
        with bound(acme.id):
            runs.append(begin(actor, question, now=now))
        connections.close_all()

    thread = threading.Thread(target=ask)
    with psycopg.connect(databases.admin_url(held_back.database)) as owner:
        owner.execute("LOCK TABLE public.slow IN ACCESS EXCLUSIVE MODE")
        thread.start()
        wait_until_the_source_works(held_back)
        time.sleep(1.2)
        assert open_transactions() == []
    thread.join()
    with bound(acme.id):
        assert QueryRun.objects.get(pk=runs[0]).state == QueryRun.State.DONE


def psycopg_url() -> str:
    settings = connections["default"].settings_dict
    return f"postgresql://omni_app@/{settings['NAME']}?host={settings['HOST']}"


def wait_until_the_source_works(held_back: Target) -> None:
    deadline = time.monotonic() + 20
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
    with psycopg.connect(databases.admin_url(held_back.database), autocommit=True) as watcher:
        while watcher.execute(waiting, (held_back.database,)).fetchone() is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def open_transactions() -> list[Any]:
    name = f"omni_test_{WORKER}"
    with psycopg.connect(databases.admin_url(name)) as watcher:
        return watcher.execute(OPEN, (name,)).fetchall()
