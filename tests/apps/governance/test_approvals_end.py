"""Requests and approvals that end: by time, by changes, by words of others."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection

from apps.access.selectors import actor_for_user
from apps.access.types import Actor
from apps.accounts.models import User
from apps.audit.models import AuditEvent
from apps.datamodels.errors import PublishRefusedError
from apps.datamodels.models import Dataset, ModelFile, ModelVersion
from apps.datamodels.services import open_draft, save_draft_file
from apps.governance.blast_radius.approving import (
    approve,
    ask_to_switch_off,
    refuse,
    switch_on,
    withdraw,
)
from apps.governance.blast_radius.asking import needs_second_administrator
from apps.governance.blast_radius.errors import RequestRefusedError
from apps.governance.models import ApprovalRequest, PublishingPolicy
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from tests.apps.governance.test_blast_approvals import (
    MINUTE,
    NARROWER,
    WIDER,
    asked,
    bea,
    draft,
    is_on,
    publish,
    verbs,
)
from tests.apps.queries.conftest import analysts, eve, max_, sales, source

__all__ = ["analysts", "bea", "eve", "is_on", "max_", "sales", "source"]


def test_an_approval_lapses_after_seven_days(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, now: datetime
) -> None:
    wider = draft(sales, WIDER, now)
    request = asked(wider, ada, now)
    with pytest.raises(RequestRefusedError, match="expired"):
        approve(request.pk, by=actor_for_user(bea), now=now + timedelta(days=7))
    approve(request.pk, by=actor_for_user(bea), now=now)
    with pytest.raises(PublishRefusedError):
        publish(wider, ada, now + timedelta(days=7))
    publish(wider, ada, now + timedelta(days=7) - MINUTE)


def test_changed_files_void_the_approval(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, now: datetime
) -> None:
    wider = draft(sales, WIDER, now)
    request = asked(wider, ada, now)
    approve(request.pk, by=actor_for_user(bea), now=now)
    other = draft(sales, WIDER.replace("placed, timeframes", "region, timeframes"), now)
    with pytest.raises(PublishRefusedError):
        publish(other, ada, now)
    ModelFile.objects.filter(version=wider, path="orders.view.yaml").update(content=WIDER + "# changed beneath\n")
    with pytest.raises(PublishRefusedError):
        publish(wider, ada, now)
    ModelFile.objects.filter(version=wider, path="orders.view.yaml").update(content=WIDER)
    publish(wider, ada, now)


def test_a_request_is_about_the_files_as_they_were_when_it_was_made(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, now: datetime
) -> None:
    own = open_draft(sales.data_model, by=actor_for_user(ada), now=now)

    def saved(content: str) -> ModelVersion:
        by = actor_for_user(ada)
        return save_draft_file(own, path="orders.view.yaml", content=content, digest=own.digest, by=by, now=now)

    own = saved(WIDER)
    request = asked(own, ada, now)
    own = saved(f"{WIDER}# and more\n")
    with pytest.raises(RequestRefusedError, match="have changed since"):
        approve(request.pk, by=actor_for_user(bea), now=now)
    own = saved(WIDER)
    approve(request.pk, by=actor_for_user(bea), now=now)


def test_another_current_version_voids_request_and_approval(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, now: datetime
) -> None:
    first = ModelVersion.objects.get(is_current=True)
    wider = draft(sales, WIDER, now)
    approved, waiting = asked(wider, ada, now), asked(draft(sales, WIDER + "#\n", now), ada, now)
    approve(approved.pk, by=actor_for_user(bea), now=now)
    publish(wider, ada, now)
    with pytest.raises(RequestRefusedError, match="have changed since"):
        approve(waiting.pk, by=actor_for_user(bea), now=now)
    refuse(waiting.pk, by=actor_for_user(bea), now=now)
    publish(first, ada, now + MINUTE)  # rolled back: it narrows
    with pytest.raises(PublishRefusedError):  # the approval was for the publication before
        publish(wider, ada, now + 2 * MINUTE)
    approve(asked(wider, ada, now + 2 * MINUTE).pk, by=actor_for_user(bea), now=now + 2 * MINUTE)
    publish(wider, ada, now + 2 * MINUTE)


def test_whoever_approved_must_still_be_an_administrator(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, now: datetime
) -> None:
    wider = draft(sales, WIDER, now)
    approve(asked(wider, ada, now).pk, by=actor_for_user(bea), now=now)
    for change in ({"is_active": False}, {"is_tenant_admin": False}):
        User.objects.filter(pk=bea.pk).update(**change)
        with pytest.raises(PublishRefusedError):
            publish(wider, ada, now)
        User.objects.filter(pk=bea.pk).update(is_active=True, is_tenant_admin=True)
    publish(wider, ada, now)


def test_refused_and_withdrawn_requests_open_nothing(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, now: datetime
) -> None:
    wider = draft(sales, WIDER, now)
    refuse(asked(wider, ada, now).pk, by=actor_for_user(bea), now=now)
    withdraw(asked(wider, ada, now).pk, by=actor_for_user(ada), now=now)
    given = asked(wider, ada, now)
    approve(given.pk, by=actor_for_user(bea), now=now)
    withdraw(given.pk, by=actor_for_user(bea), now=now)  # the approver thinks again
    with pytest.raises(PublishRefusedError):
        publish(wider, ada, now)
    for request in ApprovalRequest.objects.all():
        with pytest.raises(RequestRefusedError):
            approve(request.pk, by=actor_for_user(bea), now=now)
    approve(asked(wider, ada, now).pk, by=actor_for_user(bea), now=now)
    publish(wider, ada, now)


def test_only_whoever_asked_or_approved_takes_it_back_and_only_while_it_holds(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, make_person: Callable[..., User], now: datetime
) -> None:
    cem = make_person("cem@acme.example", is_tenant_admin=True)
    wider = draft(sales, WIDER, now)
    refused = asked(wider, ada, now)
    refuse(refused.pk, by=actor_for_user(bea), now=now)
    given = asked(wider, ada, now)
    for actor, request in ((bea, given), (cem, given), (ada, refused), (bea, refused)):
        with pytest.raises(RequestRefusedError, match="Only whoever asked or approved"):
            withdraw(request.pk, by=actor_for_user(actor), now=now)
    approve(given.pk, by=actor_for_user(bea), now=now)
    with pytest.raises(RequestRefusedError, match="Only whoever asked or approved"):
        withdraw(given.pk, by=actor_for_user(cem), now=now)
    withdraw(given.pk, by=actor_for_user(ada), now=now)  # whoever asked thinks again
    said = AuditEvent.objects.filter(verb="governance.approval_withdrawn").get().facts
    assert (said["version"], said["digest"]) == (str(wider), wider.digest)
    for actor in (ada, bea):
        with pytest.raises(RequestRefusedError, match="only while it holds"):
            withdraw(given.pk, by=actor_for_user(actor), now=now)
    with pytest.raises(PublishRefusedError):
        publish(wider, ada, now)


def test_what_needs_no_approval_is_not_asked_and_nothing_is_asked_twice(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, now: datetime
) -> None:
    with pytest.raises(RequestRefusedError, match="widens nothing"):
        asked(draft(sales, NARROWER, now), ada, now)
    wider = draft(sales, WIDER, now)
    asked(wider, ada, now)
    with pytest.raises(RequestRefusedError, match="has asked for this already"):
        asked(wider, bea, now)
    asked(wider, bea, now + timedelta(days=8))  # the first one has expired


def test_switching_off_needs_a_second_administrator_too(
    sales: Dataset, ada: User, bea: User, is_on: None, now: datetime
) -> None:
    request = ask_to_switch_off(note="too slow", by=actor_for_user(ada), now=now)
    assert needs_second_administrator()
    with pytest.raises(RequestRefusedError, match="your own request"):
        approve(request.pk, by=actor_for_user(ada), now=now)
    with pytest.raises(RequestRefusedError, match="asked for this already"):
        ask_to_switch_off(by=actor_for_user(bea), now=now)
    approve(request.pk, by=actor_for_user(bea), now=now)
    assert not needs_second_administrator()
    assert verbs()[-1] == "governance.second_administrator_switched_off"
    with pytest.raises(RequestRefusedError, match="is not needed"):
        ask_to_switch_off(by=actor_for_user(ada), now=now)
    switch_on(by=actor_for_user(ada), now=now)
    assert needs_second_administrator()
    assert PublishingPolicy.objects.count() == 1


def test_of_two_decisions_at_once_one_counts(
    sales: Dataset,
    acme: TenantRef,
    ada: User,
    bea: User,
    eve: User,
    is_on: None,
    make_person: Callable[..., User],
    now: datetime,
) -> None:
    cleo = make_person("cleo@acme.example", is_tenant_admin=True)
    request = asked(draft(sales, WIDER, now), ada, now)
    start, outcomes = threading.Barrier(2), []

    def decide(act: Callable[..., object], actor: Actor) -> None:
        with bound(acme.id):
            start.wait()
            try:
                act(request.pk, by=actor, now=now)
                outcomes.append(act.__name__)
            except RequestRefusedError as error:
                outcomes.append(error.text)
        connection.close()

    pairs = ((approve, actor_for_user(bea)), (refuse, actor_for_user(cleo)))
    threads = [threading.Thread(target=decide, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[0] == "Somebody has decided already, or it was withdrawn."
    state = {"approve": "approved", "refuse": "refused"}[sorted(outcomes)[1]]
    assert ApprovalRequest.objects.get().state == state
    assert len([verb for verb in verbs() if verb in ("governance.approval_given", "governance.approval_refused")]) == 1
