"""Ask, approve, deny, withdraw: who may, when, and how much."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError

from apps.access.selectors import actor_for_user
from apps.access.types import Actor
from apps.accounts.models import User
from apps.accounts.sessions import CONFIRMED_KEY
from apps.audit.selectors import events, verify_chain
from apps.connections.models import Connection
from apps.datamodels.models import DataModel, Dataset
from apps.support import selectors, services
from apps.support.errors import NotPermittedError, RequestStateError, UnknownCustomerError
from apps.support.models import RequestedDataset, StaffRequestReference, SupportRequest
from apps.tenants.binding import bound
from apps.tenants.models import Tenant
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn
from tests.apps.support.conftest import Approve, Ask

State = SupportRequest.State


def verbs() -> list[str]:
    return [event.verb for event in reversed(events())]


def test_a_request_lies_at_the_customer_and_is_told_to_both(ask: Ask, platform: TenantRef, globex: TenantRef) -> None:
    request = ask(ticket="T-12")
    assert request.state == State.PENDING
    assert verbs() == ["support.access_requested"]
    with bound(platform.id):
        assert StaffRequestReference.objects.get().request_id == request.pk
        assert verbs() == ["support.access_requested"]
        assert not SupportRequest.objects.exists()
    with bound(globex.id):
        assert not SupportRequest.objects.exists()
        assert not events().exists()


@pytest.mark.parametrize("slug", ["nobody", "platform", "", "ACME"])
def test_who_cannot_be_asked_is_refused_in_one_way(ask: Ask, slug: str) -> None:
    with pytest.raises(UnknownCustomerError, match="cannot be sent"):
        ask(tenant_slug=slug)
    assert ask().state == State.PENDING


def test_a_stopped_tenant_cannot_be_asked(ask: Ask, acme: TenantRef) -> None:
    Tenant.objects.using("owner").filter(pk=acme.id).update(is_active=False)
    with pytest.raises(UnknownCustomerError):
        ask()


@pytest.mark.parametrize(
    "changes",
    [{"reason_text": "  "}, {"reason": "curiosity"}, {"minutes": 4}, {"minutes": 481}, {"ticket": "x" * 81}],
)
def test_a_malformed_request_is_refused_and_leaves_nothing(
    ask: Ask, platform: TenantRef, changes: dict[str, object]
) -> None:
    with pytest.raises(ValidationError):
        ask(**changes)
    assert not SupportRequest.objects.exists()
    with bound(platform.id):
        assert not StaffRequestReference.objects.exists()


def test_only_staff_on_their_own_host_can_ask(ask: Ask, ada_acts: Actor, sam_acts: Actor) -> None:
    for actor in (ada_acts, replace(sam_acts, kind="token"), replace(sam_acts, is_platform_staff=False)):
        with pytest.raises(NotPermittedError):
            ask(by=actor)
    with pytest.raises(NotPermittedError):  # the customer's tenant is bound, not ours
        services.request_access(
            tenant_slug="acme",
            reason="incident",
            reason_text="x",
            minutes=10,
            by=sam_acts,
            now=datetime.now().astimezone(),
        )
    assert ask(by=sam_acts).staff_label == "Sam"


def test_an_approval_is_as_narrow_as_the_customer_made_it(
    approve: Approve, datasets: tuple[Dataset, Dataset], now: datetime
) -> None:
    request = approve(minutes=15, asks_values=True)
    assert (request.state, request.decided_by, request.granted_minutes) == (State.APPROVED, "Ada", 15)
    assert request.granted_until == now + timedelta(minutes=15)
    assert request.grants_values is False
    assert [row.dataset for row in RequestedDataset.objects.filter(is_granted=True)] == [datasets[0]]
    assert verbs()[-1] == "support.request_approved"
    assert verify_chain().is_intact


def test_an_approval_gives_no_more_than_was_asked_for(
    ask: Ask, ada_acts: Actor, datasets: tuple[Dataset, Dataset], globex: TenantRef, now: datetime
) -> None:
    request = ask(minutes=60)
    sales = [datasets[0].pk]
    with bound(globex.id):
        connection = Connection.objects.create(name="shop", dialect="duckdb", database="x")
        model = DataModel.objects.create(name="shop", connection=connection)
        theirs = Dataset.objects.create(data_model=model, name="Theirs").pk

    def approving(
        minutes: int = 10, dataset_ids: list[object] = sales, *, grants_values: bool = False
    ) -> SupportRequest:
        return services.approve_request(
            request, minutes=minutes, dataset_ids=dataset_ids, grants_values=grants_values, by=ada_acts, now=now
        )

    refused: list[Callable[[], object]] = [
        lambda: approving(minutes=61),
        lambda: approving(minutes=0),
        lambda: approving(grants_values=True),
        lambda: approving(dataset_ids=[]),
        lambda: approving(dataset_ids=[uuid4()]),
        lambda: approving(dataset_ids=[*sales, theirs]),
    ]
    for attempt in refused:
        with pytest.raises(ValidationError):
            attempt()
        request.refresh_from_db()
        assert request.state == State.PENDING
    assert approving().state == State.APPROVED


def test_a_request_that_names_data_sets_can_be_granted_only_those(
    ask: Ask, ada_acts: Actor, datasets: tuple[Dataset, Dataset], now: datetime
) -> None:
    request = ask()
    RequestedDataset.objects.create(request=request, dataset=datasets[0])
    with pytest.raises(ValidationError):
        services.approve_request(
            request, minutes=5, dataset_ids=[datasets[1].pk], grants_values=False, by=ada_acts, now=now
        )
    services.approve_request(
        request, minutes=5, dataset_ids=[datasets[0].pk], grants_values=False, by=ada_acts, now=now
    )


def test_nobody_but_the_customers_administrator_in_person_decides(
    ask: Ask, ada_acts: Actor, sam_acts: Actor, ann: User, globex: TenantRef,
    make_person: Callable[..., User], datasets: tuple[Dataset, Dataset], now: datetime,
) -> None:  # fmt: skip
    request = ask()
    with bound(globex.id):
        gus = actor_for_user(make_person("gus@globex.example", is_tenant_admin=True))
    himself = replace(sam_acts, tenant_id=ada_acts.tenant_id, is_tenant_admin=True)
    others = (
        sam_acts,
        himself,
        actor_for_user(ann),
        gus,
        replace(ada_acts, kind="token"),
        replace(ada_acts, kind="support"),
    )
    for actor in others:
        with pytest.raises(NotPermittedError):
            services.approve_request(
                request, minutes=5, dataset_ids=[datasets[0].pk], grants_values=False, by=actor, now=now
            )
        with pytest.raises(NotPermittedError):
            services.deny_request(request, by=actor, now=now)
        with pytest.raises(NotPermittedError):
            services.revoke_request(request, by=actor, now=now)
    request.refresh_from_db()
    assert request.state == State.PENDING
    services.deny_request(request, by=ada_acts, now=now)
    request.refresh_from_db()
    assert request.state == State.DENIED


def test_a_lapsed_request_cannot_be_approved(
    ask: Ask, ada_acts: Actor, datasets: tuple[Dataset, Dataset], now: datetime
) -> None:
    request, later = ask(), now + services.PENDING_LIFETIME
    with pytest.raises(RequestStateError):
        services.approve_request(
            request, minutes=5, dataset_ids=[datasets[0].pk], grants_values=False, by=ada_acts, now=later
        )
    assert selectors.state_text(request, now=later) == "lapsed, nobody decided"
    services.approve_request(
        request, minutes=5, dataset_ids=[datasets[0].pk], grants_values=False, by=ada_acts,
        now=later - timedelta(seconds=1),
    )  # fmt: skip


@pytest.mark.parametrize("state", [State.APPROVED, State.DENIED, State.WITHDRAWN, State.REVOKED])
def test_a_decision_is_made_once(
    ask: Ask, ada_acts: Actor, datasets: tuple[Dataset, Dataset], now: datetime, state: str
) -> None:
    request = ask()
    SupportRequest.objects.update(state=state)
    with pytest.raises(RequestStateError):
        services.approve_request(
            request, minutes=5, dataset_ids=[datasets[0].pk], grants_values=False, by=ada_acts, now=now
        )
    with pytest.raises(RequestStateError):
        services.deny_request(request, by=ada_acts, now=now)


def test_staff_withdraw_their_own_waiting_request_only(
    ask: Ask, approve: Approve, platform: TenantRef, sam_acts: Actor, now: datetime
) -> None:
    waiting, approved = ask(), approve()
    with bound(platform.id):
        with pytest.raises(NotPermittedError):
            services.withdraw_request(waiting.pk, by=replace(sam_acts, user_id=uuid4()), now=now)
        with pytest.raises(RequestStateError):
            services.withdraw_request(approved.pk, by=sam_acts, now=now)
        services.withdraw_request(waiting.pk, by=sam_acts, now=now)
    waiting.refresh_from_db()
    assert waiting.state == State.WITHDRAWN


@pytest.mark.parametrize("values", [{"grants_values": "on"}, {}])
def test_letting_support_in_needs_a_fresh_sign_in(
    ask: Ask, signed_in: SignedIn, ada: User, datasets: tuple[Dataset, Dataset], now: datetime, values: dict[str, str]
) -> None:
    ada_online = signed_in(ada, is_fresh=False)
    request = ask(asks_values=True)
    page = f"/support/requests/{request.pk}/approve/"
    blind = {"minutes": "30", "datasets": [datasets[0].pk]}
    away = ada_online.post(page, blind | values)
    assert away["Location"] == f"/accounts/confirm/?next=%2Fsupport%2Frequests%2F{request.pk}%2F"
    request.refresh_from_db()
    assert request.state == request.State.PENDING
    session = ada_online.session
    session[CONFIRMED_KEY] = int(now.timestamp())
    session.save()
    assert ada_online.post(page, blind | values).status_code == 302
    request.refresh_from_db()
    assert (request.state, request.grants_values) == (request.State.APPROVED, bool(values))


def test_refusing_support_never_asks(ask: Ask, signed_in: SignedIn, ada: User) -> None:
    request = ask()
    answer = signed_in(ada, is_fresh=False).post(f"/support/requests/{request.pk}/deny/")
    assert answer["Location"] == f"/support/requests/{request.pk}/"
    request.refresh_from_db()
    assert request.state == request.State.DENIED
