"""Every task, with a message that names another tenant's things, or nobody's. A new task needs a line in ``TASKS``."""

from collections.abc import Iterator, Mapping
from uuid import uuid4

import pytest
from celery import Task

from apps.connections.models import Connection
from apps.queries.models import QueryRun
from apps.queries.running import execute
from apps.tenants.binding import bound, current_tenant_id, unbound
from apps.tenants.errors import NoTenantBoundError, UnknownTenantError
from apps.tenants.models import Tenant
from apps.vault.services import seal
from omni.celery import app
from tests.architecture.test_guards import OF_NO_TENANT
from tests.isolation.houses import World
from tests.isolation.ledger import Ledger, changed
from tests.isolation.specimens import values

TASKS: dict[str, Mapping[str, str]] = {
    "queries.execute_run": {"run_id": "run.pk"},
    "connections.check_connection": {"connection_id": "connection.pk"},
    "connections.adopt_credential": {"connection_id": "connection.pk"},
}
"""Name of a task → what its message names, as in ``specimens.py``."""


def ours() -> dict[str, Task]:
    app.loader.import_default_modules()
    return {
        name: task
        for name, task in app.tasks.items()
        if not name.startswith(("celery.", "tests.", "soak.")) and name not in OF_NO_TENANT
    }


def test_every_task_has_a_specimen() -> None:
    assert ours().keys() == TASKS.keys(), "add a line to TASKS"


@pytest.fixture
def waiting(houses: World) -> Iterator[None]:
    """Have there be something to do for every task: a run that is queued, a credential that was proposed."""
    house = houses.acme
    with bound(house.tenant.id):
        run, link = QueryRun.objects.filter(pk=house.run.pk), Connection.objects.filter(pk=house.connection.pk)
        kept = run.values(
            "state", "attempts", "started_at", "finished_at", "error_code", "error_text", "row_count"
        ).get()
        run.update(state=QueryRun.State.QUEUED, attempts=0)
        link.update(pending_credential=b"sealed by nobody")
    yield
    with bound(house.tenant.id):
        run.update(**kept)
        link.update(pending_credential=b"")


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("name", TASKS)
def test_another_tenants_things_are_left_alone(houses: World, ledger: Ledger, name: str) -> None:
    before = ledger.read()
    result = ours()[name].apply(
        kwargs={**values(houses.acme, TASKS[name]), "tenant_id": str(houses.globex.tenant.id)}, throw=False
    )
    assert result.state in ("SUCCESS", "FAILURE")
    assert changed(before, ledger.read(), houses.acme) == set()
    assert current_tenant_id() is None
    own = {**values(houses.acme, TASKS[name]), "tenant_id": str(houses.acme.tenant.id)}
    ours()[name].apply(kwargs=own, throw=False)
    assert changed(before, ledger.read(), houses.acme), "the message is worked on for the tenant that it names"


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("tenant_id", [None, "", "not-an-id", "00000000-0000-4000-8000-000000000001", "' OR true --"])
def test_a_message_without_a_tenant_is_refused(houses: World, ledger: Ledger, name: str, tenant_id: str | None) -> None:
    before, found = ledger.read(), values(houses.acme, TASKS[name])
    with unbound(), pytest.raises((NoTenantBoundError, UnknownTenantError, ValueError)):
        ours()[name].apply(kwargs={**found, "tenant_id": tenant_id}, throw=True)
    with bound(houses.acme.tenant.id), pytest.raises((NoTenantBoundError, UnknownTenantError, ValueError)):
        ours()[name].apply(kwargs={**found, "tenant_id": tenant_id}, throw=True)
    assert changed(before, ledger.read(), houses.acme, houses.globex) == set()


@pytest.mark.parametrize("name", TASKS)
def test_a_message_for_a_stopped_tenant_is_refused(houses: World, name: str) -> None:
    Tenant.objects.using("owner").filter(pk=houses.acme.tenant.id).update(is_active=False)
    try:
        with pytest.raises(UnknownTenantError):
            ours()[name].apply(
                kwargs={**values(houses.acme, TASKS[name]), "tenant_id": str(houses.acme.tenant.id)}, throw=True
            )
    finally:
        Tenant.objects.using("owner").filter(pk=houses.acme.tenant.id).update(is_active=True)


def test_a_run_that_names_another_tenants_person_ends_without_an_answer(houses: World) -> None:
    house, run_id = houses.globex, uuid4()
    with bound(house.tenant.id):
        kept = {field.attname: getattr(house.run, field.attname) for field in QueryRun._meta.local_fields}
        sealed = seal(b"{}", table="queries_queryrun", row=run_id, column="sealed_query")
        for field in ("user_id", "token_id", "support_session_id", "view_session_id"):
            kept[field] = None
        kept |= {
            "id": run_id,
            "user_id": houses.acme.person.pk,
            "sealed_query": sealed,
            "state": QueryRun.State.QUEUED,
            "leader_id": None,
        }
        QueryRun.objects.create(**kept)
        execute(run_id, now=house.now)
        found = QueryRun.objects.get(pk=run_id)
        assert (found.state, found.error_code) == (QueryRun.State.FAILED, "forbidden")
        found.delete()


def test_the_houses_own_message_is_worked_on(houses: World) -> None:
    house = houses.acme
    result = ours()["connections.check_connection"].apply(
        kwargs={"connection_id": str(house.connection.pk), "tenant_id": str(house.tenant.id)}, throw=True
    )
    assert result.successful()
    with bound(house.tenant.id):
        house.connection.refresh_from_db()
    assert house.connection.checked_at is not None
