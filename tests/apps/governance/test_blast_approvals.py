"""Widening waits for a second administrator where a tenant wants it; nobody is their own second one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from apps.access.selectors import actor_for_user
from apps.access.types import Actor, SupportScope, Viewing
from apps.accounts.models import AttributeDefinition, User
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.datamodels import gates
from apps.datamodels.errors import PublishRefusedError
from apps.datamodels.gates import gate_names
from apps.datamodels.models import Dataset, ModelVersion
from apps.datamodels.services import import_files, open_draft, publish_version, save_draft_file
from apps.governance.blast_radius.approving import (
    approve,
    ask_to_publish,
    ask_to_switch_off,
    refuse,
    switch_on,
    withdraw,
)
from apps.governance.blast_radius.asking import needs_second_administrator
from apps.governance.blast_radius.errors import RequestRefusedError, UnknownRequestError
from apps.governance.controls import CONTROLS
from apps.governance.models import ApprovalRequest
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from tests.apps.queries.conftest import MODEL, analysts, eve, max_, sales, source

__all__ = ["analysts", "eve", "max_", "sales", "source"]
VIEW = MODEL["orders.view.yaml"]
WIDER = VIEW.replace("{mask_unless_access_grants: [finance]}", "{}")
NARROWER = VIEW.replace("  status: {}", "  status: {required_access_grants: [finance]}")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def bea(acme: TenantRef, make_person: Callable[..., User]) -> User:
    """Another administrator of Acme."""
    return make_person("bea@acme.example", is_tenant_admin=True)


@pytest.fixture
def is_on(ada: User, sales: Dataset, now: datetime) -> None:
    """Widening needs a second administrator."""
    switch_on(by=actor_for_user(ada), now=now)


def draft(sales: Dataset, view: str, now: datetime) -> ModelVersion:
    files = MODEL | {"orders.view.yaml": view}
    connection_ = sales.data_model.connection
    return import_files(connection=connection_, name="orders", files=files, publish=False, by=SYSTEM, now=now)


def publish(version: ModelVersion, by: User, now: datetime) -> None:
    found = ModelVersion.objects.select_related("data_model__connection").get(pk=version.pk)
    publish_version(found, by=actor_for_user(by), now=now)


def is_current(version: ModelVersion) -> bool:
    return ModelVersion.objects.get(pk=version.pk).is_current


def asked(version: ModelVersion, by: User, now: datetime) -> ApprovalRequest:
    return ask_to_publish(version, by=actor_for_user(by), now=now)


def verbs() -> list[str]:
    return list(
        AuditEvent.objects.filter(verb__startswith="governance.").order_by("sequence").values_list("verb", flat=True)
    )


def test_switched_off_anybody_who_may_publish_publishes(sales: Dataset, ada: User, eve: User, now: datetime) -> None:
    wider = draft(sales, WIDER, now)
    publish(wider, ada, now)
    assert is_current(wider)
    assert "second administrator" in gate_names()


def test_switched_on_widening_waits_and_says_what_it_would_be(
    sales: Dataset, ada: User, eve: User, is_on: None, now: datetime
) -> None:
    wider = draft(sales, WIDER, now)
    with pytest.raises(PublishRefusedError) as error:
        publish(wider, ada, now)
    assert error.value.objections == (
        "This widens what people get; another administrator has to approve exactly these files first.",
        "1 person gains `orders.email` in Sales in clear, masked until now.",
    )
    assert not is_current(wider)


def test_narrowing_never_waits(sales: Dataset, ada: User, eve: User, is_on: None, now: datetime) -> None:
    narrower = draft(sales, NARROWER, now)
    publish(narrower, ada, now)
    assert is_current(narrower)


def test_approved_by_another_administrator_it_is_published(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, now: datetime
) -> None:
    wider = draft(sales, WIDER, now)
    request = asked(wider, ada, now)
    with pytest.raises(PublishRefusedError):
        publish(wider, ada, now)
    approve(request.pk, by=actor_for_user(bea), now=now)
    publish(wider, ada, now + MINUTE)
    assert is_current(wider)
    assert verbs() == [
        "governance.second_administrator_switched_on", "governance.approval_requested", "governance.approval_given",
    ]  # fmt: skip


def test_the_same_files_imported_are_approved_with_them(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, now: datetime
) -> None:
    approve(asked(draft(sales, WIDER, now), ada, now).pk, by=actor_for_user(bea), now=now)
    files = MODEL | {"orders.view.yaml": WIDER}
    other = files | {"orders.view.yaml": WIDER + "# one more line\n"}
    orders = sales.data_model.connection
    with pytest.raises(PublishRefusedError):
        import_files(connection=orders, name="orders", files=other, publish=True, by=SYSTEM, now=now)
    assert import_files(connection=orders, name="orders", files=files, publish=True, by=SYSTEM, now=now).number > 1


def test_nobody_approves_their_own_request(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, now: datetime
) -> None:
    wider = draft(sales, WIDER, now)
    request = asked(wider, ada, now)
    for decide in (approve, refuse):
        with pytest.raises(RequestRefusedError, match="your own request"):
            decide(request.pk, by=actor_for_user(ada), now=now)
    with pytest.raises(IntegrityError, match="governance_not_oneself"), transaction.atomic():
        ApprovalRequest.objects.filter(pk=request.pk).update(state="approved", decided_by=ada, decided_at=now)
    with pytest.raises(IntegrityError, match="governance_decided_by_somebody"), transaction.atomic():
        ApprovalRequest.objects.filter(pk=request.pk).update(state="approved")
    with pytest.raises(PublishRefusedError):
        publish(wider, ada, now)
    approve(request.pk, by=actor_for_user(bea), now=now)
    assert ApprovalRequest.objects.get().decided_by == bea


def others(actor: Actor, person: User, now: datetime) -> dict[str, Actor]:
    """Whoever is no administrator in person."""
    support = SupportScope(uuid4(), uuid4(), frozenset(), sees_values=True, staff_label="Sam")
    viewing = Viewing(uuid4(), person.pk, "Ann", person.email, now + MINUTE)
    return {
        "member": actor_for_user(person),
        "token": replace(actor, kind="token", token_id=uuid4()),
        "support": replace(actor, kind="support", support=support),
        "support as person": replace(actor, support=support),
        "view": replace(actor, viewing=viewing),
        "system": replace(actor, kind="system"),
        "other tenant": replace(actor, tenant_id=uuid4()),
        "nobody": replace(actor, user_id=None),
    }


@pytest.mark.parametrize(
    "who", ["member", "token", "support", "support as person", "view", "system", "other tenant", "nobody"]
)
def test_only_administrators_in_person_ask_and_decide(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, now: datetime, who: str
) -> None:
    wider = draft(sales, WIDER, now)
    request = asked(wider, ada, now)
    actor = others(actor_for_user(bea), eve, now)[who]
    for act in (
        lambda: approve(request.pk, by=actor, now=now),
        lambda: refuse(request.pk, by=actor, now=now),
        lambda: withdraw(request.pk, by=actor, now=now),
        lambda: ask_to_publish(wider, by=actor, now=now),
        lambda: ask_to_switch_off(by=actor, now=now),
        lambda: switch_on(by=actor, now=now),
    ):
        with pytest.raises(UnknownRequestError):
            act()
    approve(request.pk, by=actor_for_user(bea), now=now)


def test_another_tenants_request_is_a_missing_one(
    sales: Dataset,
    ada: User,
    eve: User,
    is_on: None,
    globex: TenantRef,
    make_person: Callable[..., User],
    now: datetime,
) -> None:
    request = asked(draft(sales, WIDER, now), ada, now)
    with bound(globex.id):
        gus = make_person("gus@globex.example", is_tenant_admin=True)
        assert not needs_second_administrator()
        for key in (request.pk, uuid4()):
            with pytest.raises(UnknownRequestError):
                approve(key, by=actor_for_user(gus), now=now)
        assert ApprovalRequest.objects.count() == 0
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM governance_approvalrequest")
            assert cursor.fetchone() == (0,)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApprovalRequest.objects.filter(pk=request.pk).update(decided_by_id=gus.pk, decided_at=now, state="approved")


def test_the_control_notices_a_lost_gate_and_a_test_that_cannot_run(
    sales: Dataset, ada: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = next(one for one in CONTROLS if one.id == "governance.policy_tests")
    floor = AttributeDefinition.objects.create(name="floor", label="Floor")
    test = "people: {a: {attributes: {floor: '3'}}}\ntests: [{people: a, dataset: Sales, expect: denied}]\n"
    import_files(
        connection=sales.data_model.connection, name="orders", files=MODEL | {"a.access_test.yaml": test},
        publish=True, by=SYSTEM, now=now,
    )  # fmt: skip
    found = control.check()
    assert (found.holds, found.figure) == (True, "1 policy tests of 1 published models, 0 failing")
    with monkeypatch.context() as patch:
        patch.delitem(gates._gates, "policy tests")
        found = control.check()
        assert not found.holds
        assert "not asked before publishing: policy tests" in found.figure
    floor.delete()
    assert not control.check().holds


def test_whoever_wrote_a_draft_or_changed_it_last_does_not_approve_it(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, now: datetime
) -> None:
    own = open_draft(sales.data_model, by=actor_for_user(ada), now=now)
    path = "orders.view.yaml"
    own = save_draft_file(own, path=path, content=WIDER, digest=own.digest, by=actor_for_user(ada), now=now)
    request = asked(own, bea, now)
    with pytest.raises(RequestRefusedError, match="You wrote these files"):
        approve(request.pk, by=actor_for_user(ada), now=now)
    withdraw(request.pk, by=actor_for_user(bea), now=now)
    own = save_draft_file(
        own, path=path, content=f"{WIDER}# by Bea\n", digest=own.digest, by=actor_for_user(bea), now=now
    )
    changed = asked(own, ada, now)
    with pytest.raises(RequestRefusedError, match="or changed them last"):
        approve(changed.pk, by=actor_for_user(bea), now=now)
    withdraw(changed.pk, by=actor_for_user(ada), now=now)
    opened = asked(own, bea, now)
    with pytest.raises(RequestRefusedError, match="You wrote these files"):
        approve(opened.pk, by=actor_for_user(ada), now=now)  # Bea changed last what Ada began
    refuse(opened.pk, by=actor_for_user(ada), now=now)
    own = save_draft_file(own, path=path, content=WIDER, digest=own.digest, by=actor_for_user(ada), now=now)
    approve(asked(own, ada, now).pk, by=actor_for_user(bea), now=now)
    publish(own, ada, now)


def test_a_roll_back_that_widens_waits_too(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, now: datetime
) -> None:
    first = ModelVersion.objects.get(is_current=True)
    publish(draft(sales, NARROWER, now), ada, now)
    with pytest.raises(PublishRefusedError, match="another administrator has to approve"):
        publish(first, ada, now)
    approve(asked(first, ada, now).pk, by=actor_for_user(bea), now=now)
    publish(first, ada, now)
    assert ModelVersion.objects.get(is_current=True) == first


def test_taking_a_policy_test_away_waits_for_another_administrator(
    sales: Dataset, ada: User, bea: User, is_on: None, now: datetime
) -> None:
    connection_ = sales.data_model.connection
    tests = "people: {boss: {attributes: {region: [ALL]}}}\ntests: [{name: all, person: boss, dataset: Sales, expect: allowed}]\n"
    with_test = MODEL | {"a.access_test.yaml": tests}
    # More tests promise more: nothing waits.
    import_files(connection=connection_, name="orders", files=with_test, publish=True, by=SYSTEM, now=now)
    files = MODEL | {"orders.view.yaml": NARROWER}
    without = import_files(connection=connection_, name="orders", files=files, publish=False, by=SYSTEM, now=now)
    with pytest.raises(PublishRefusedError, match="the policy test `all` of Sales is removed"):
        publish(without, ada, now)
    approve(asked(without, ada, now).pk, by=actor_for_user(bea), now=now)
    publish(without, ada, now)
    assert is_current(without)
