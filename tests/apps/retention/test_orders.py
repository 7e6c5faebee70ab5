"""A tenant asks to be erased: by whom, with whose second word, how long it waits, who takes it back, and what the operator may do."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from pytest_django import Settings

from apps.access.selectors import actor_for_user
from apps.accounts.models import User
from apps.accounts.scim.people import remove_person
from apps.accounts.services import set_active, set_administrator
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.retention import ordering
from apps.retention.certificates import BEFORE, read_certificate, signed
from apps.retention.controls import CONTROLS, erasure_notice
from apps.retention.errors import CertificateError, OrderRefusedError
from apps.retention.models import ErasureOrder
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from apps.vault.signing import trusted_keys
from tests.apps.conftest import SignedIn
from tests.apps.retention.test_erase_tenant import erase, is_served, refusing

PutAway = Callable[[User, User, datetime], None]
PAGE = "/admin/retention/erasureorder/"
ASK = {"act": "ask", "days": "14", "reason": "We move away.", "typed_name": "Acme"}


@pytest.fixture
def bea(acme: TenantRef, make_person: Callable[..., User]) -> User:
    """A second administrator of Acme."""
    return make_person("bea@acme.example", is_tenant_admin=True)


def post(client: Client, **data: str) -> str:
    with unbound():
        return client.post(PAGE, data, follow=True).content.decode()


def the_order() -> ErasureOrder:
    return ErasureOrder.objects.get(ended_at=None)


def made_due(**ago: int) -> None:
    """Let the waiting time of the open request be over."""
    ErasureOrder.objects.filter(ended_at=None).update(due_at=datetime.now(UTC) - timedelta(**ago))


def verbs() -> list[str]:
    found = AuditEvent.objects.filter(verb__startswith="retention.erasure").order_by("sequence")
    return [event.verb.removeprefix("retention.erasure_") for event in found]


def test_asked_for_confirmed_waited_for_and_carried_out(
    acme: TenantRef, globex: TenantRef, ada: User, bea: User, signed_in: SignedIn, own_folder: Path
) -> None:
    """The whole way, with what everybody sees and what the command says at each step."""
    admin, second, out = signed_in(ada), signed_in(bea), own_folder / "out.json"
    with unbound():
        assert "Another administrator confirms it" in admin.get(PAGE).content.decode()
    page = post(admin, **ASK)
    assert "A second administrator has to confirm it" in page
    assert "your own request" in page
    with pytest.raises(CommandError, match="a second administrator has until"):
        erase("acme", out)
    post(admin, act="confirm", order=str(the_order().pk), typed_name="Acme")
    assert the_order().due_at is None  # nobody is their own second
    assert "Type the name exactly" in post(second, act="confirm", order=str(the_order().pk), typed_name="acme")
    assert the_order().due_at is None
    page = post(second, act="confirm", order=str(the_order().pk), typed_name="Acme")
    assert "The waiting time runs" in page
    due_at = the_order().due_at
    assert due_at is not None
    assert timedelta(days=13, hours=23) < due_at - datetime.now(UTC) <= timedelta(days=14)
    with pytest.raises(CommandError, match=r"its waiting time runs until .* --reason TEXT"):
        erase("acme", out)
    assert is_served(acme)
    assert not out.exists()
    made_due(hours=1)
    assert "The waiting time is over" in post(admin, act="nothing") + page_of(admin)
    certificate = erase("acme", out, confirm=None)  # without further questions
    asked = certificate["asked_for"]
    assert (asked["requested_by"], asked["confirmed_by"]) == (f"{ada} ({ada.email})", f"{bea} ({bea.email})")
    assert (asked["state"], asked["reason"]) == ("due", "")
    assert certificate["rows"]["retention_erasureorder"] == 1
    assert not is_served(acme)
    assert is_served(globex)
    with unbound():
        call_command("verify_certificate", str(out))


def page_of(client: Client) -> str:
    with unbound():
        return client.get(PAGE).content.decode()


def test_whoever_is_the_only_administrator_waits_as_long(
    acme: TenantRef, ada: User, ann: User, signed_in: SignedIn, own_folder: Path, make_person: Callable[..., User]
) -> None:
    make_person("gone@acme.example", is_tenant_admin=True, is_active=False)
    admin, member = signed_in(ada), signed_in(ann)
    with unbound():
        assert "There is none but you" in admin.get(PAGE).content.decode()
        assert "The erasure of everything" not in member.get("/trust/").content.decode()
    assert "The waiting time runs" in post(admin, **ASK)
    event = AuditEvent.objects.get(verb="retention.erasure_requested")
    assert (event.actor_id, event.facts["is_alone"], event.facts["days"]) == (ada.pk, True, 14)
    with unbound():
        told = member.get("/trust/").content.decode()
    assert "The erasure of everything was asked for" in told
    assert "any administrator can take it back" in told
    assert "Take it back" in page_of(admin)
    assert "Nothing is erased" in post(admin, act="take back", order=str(the_order().pk))
    with unbound():
        assert "The erasure of everything" not in member.get("/trust/").content.decode()
    with pytest.raises(CommandError, match="it was taken back on"):
        erase("acme", own_folder / "out.json")
    assert is_served(acme)
    assert verbs() == ["requested", "taken_back"]


def shut_out(who: User, by: User, now: datetime) -> None:
    set_active(who, is_active=False, by=actor_for_user(by), now=now)


def unmake(who: User, by: User, now: datetime) -> None:
    set_administrator(who, is_tenant_admin=False, by=actor_for_user(by), now=now)


def remove(who: User, by: User, now: datetime) -> None:
    remove_person(who, by=actor_for_user(by), now=now)


def unmake_and_shut_out(who: User, by: User, now: datetime) -> None:
    unmake(who, by, now)
    shut_out(who, by, now)


@pytest.mark.parametrize("put_away", [shut_out, unmake, remove, unmake_and_shut_out])
def test_nobody_is_alone_by_putting_the_others_away_first(
    acme: TenantRef, ada: User, ann: User, bea: User, signed_in: SignedIn, own_folder: Path, put_away: PutAway
) -> None:
    """Thirty days later there is nobody else indeed; until then the operator's word is the second one."""
    admin = signed_in(ada)
    put_away(bea, ada, datetime.now(UTC))
    assert "there was one less than 30 days ago" in page_of(admin)
    assert "has to confirm it" in post(admin, **ASK)
    order = the_order()
    assert (order.due_at, order.state(order.confirm_by)) == (None, "lapsed")
    with pytest.raises(CommandError, match="a second administrator has until"):
        erase("acme", own_folder / "out.json")
    post(admin, act="take back", order=str(order.pk))
    later = datetime.now(UTC) + timedelta(days=30, minutes=1)
    wish: dict[str, Any] = {"typed_name": "Acme", "reason": "", "days": 14}
    due_at = ordering.ask_for_erasure(**wish, by=actor_for_user(ada), now=later).due_at
    assert due_at == later + timedelta(days=14)


@pytest.mark.parametrize("way", ["somebody else", "never an administrator", "never came"])
def test_those_whose_word_never_counted_keep_nobody_waiting(
    acme: TenantRef, ada: User, ann: User, bea: User, signed_in: SignedIn, way: str
) -> None:
    if way == "never came":
        User.objects.filter(pk=bea.pk).update(subject=None, issuer="")
        shut_out(bea, ada, datetime.now(UTC))
    else:
        User.objects.filter(pk=bea.pk).update(is_tenant_admin=False)
        (shut_out if way == "somebody else" else remove)(User.objects.get(pk=bea.pk), ada, datetime.now(UTC))
    assert "There is none but you" in page_of(signed_in(ada))
    assert "The waiting time runs" in post(signed_in(ada), **ASK)


@pytest.mark.parametrize("how", ["made", "let in again", "made by the operator", "made long ago"])
def test_who_is_made_an_administrator_for_the_purpose_is_no_second_one(
    acme: TenantRef, ada: User, bea: User, signed_in: SignedIn, how: str
) -> None:
    now = datetime.now(UTC)
    by = SYSTEM if how == "made by the operator" else actor_for_user(ada)
    made_at = now - timedelta(days=30, minutes=1) if how == "made long ago" else now - timedelta(days=29)
    if how == "let in again":
        set_active(bea, is_active=True, by=by, now=made_at)
    else:
        set_administrator(bea, is_tenant_admin=True, by=by, now=made_at)
    post(signed_in(ada), **ASK)
    second, sent = signed_in(bea), {"act": "confirm", "order": str(the_order().pk), "typed_name": "Acme"}
    if how in ("made", "let in again"):
        assert "Confirm the erasure" not in page_of(second)
        assert "You have been an administrator for less than 30 days" in post(second, **sent)
        assert the_order().due_at is None
        assert "Nothing is erased" in post(second, **sent | {"act": "take back"})
    else:
        assert "Confirm the erasure" in page_of(second)
        assert "The waiting time runs" in post(second, **sent)


@pytest.mark.parametrize("state", ["unconfirmed", "waiting", "due"])
def test_any_administrator_takes_it_back_until_it_begins(
    acme: TenantRef, ada: User, bea: User, signed_in: SignedIn, state: str
) -> None:
    admin, second = signed_in(ada), signed_in(bea, is_fresh=False)
    post(admin, **ASK)
    if state != "unconfirmed":
        ordering.confirm_erasure(the_order().pk, typed_name="Acme", by=actor_for_user(bea), now=datetime.now(UTC))
    if state == "due":
        made_due(hours=1)
    key = str(the_order().pk)
    assert "Nothing is erased" in post(second, act="take back", order=key)
    ended = ErasureOrder.objects.get()
    assert (ended.state(datetime.now(UTC)), ended.taken_back_by_id) == ("taken back", bea.pk)
    assert "nothing to confirm or take back" in post(second, act="take back", order=key)
    post(admin, **ASK)
    ErasureOrder.objects.filter(ended_at=None).update(begun_at=datetime.now(UTC))
    assert "has begun" in post(second, act="take back", order=str(the_order().pk))
    assert the_order().ended_at is None


@pytest.mark.parametrize("has_asked", [True, False])
def test_an_erasure_that_could_not_refuse_the_tenant_has_not_begun(
    acme: TenantRef, ada: User, signed_in: SignedIn, own_folder: Path, has_asked: bool
) -> None:
    """Either the tenant is refused and nothing can be taken back, or it is served and its word counts."""
    admin = signed_in(ada)
    if has_asked:
        post(admin, **ASK)
        made_due(hours=1)
    with refusing("tenants_tombstone", "INSERT"), pytest.raises(CommandError, match="the database refused"):
        erase("acme", own_folder / "out.json")
    assert is_served(acme)
    if not has_asked:
        post(admin, **ASK)
    assert "Nothing is erased" in post(admin, act="take back", order=str(the_order().pk))
    with pytest.raises(CommandError, match="it was taken back on"):
        erase("acme", own_folder / "out.json")
    assert is_served(acme)
    erase("acme", own_folder / "out.json", reason="in writing")
    assert not is_served(acme)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"typed_name": "acme"}, "Type the name exactly"),
        ({"typed_name": ""}, "This field is required"),
        ({"days": "13"}, "greater than or equal to 14"),
        ({"days": "91"}, "less than or equal to 90"),
        ({}, "Asked for."),
    ],
)
def test_what_is_sent_is_checked(
    acme: TenantRef, ada: User, signed_in: SignedIn, change: dict[str, str], words: str
) -> None:
    assert words in post(signed_in(ada), **ASK | change)
    assert ErasureOrder.objects.count() == (0 if change else 1)


def test_a_wrong_name_takes_nothing_of_what_was_filled_in(acme: TenantRef, ada: User, signed_in: SignedIn) -> None:
    page = post(signed_in(ada), **ASK | {"typed_name": "acme", "days": "20"})
    assert "We move away." in page
    assert 'value="20"' in page


def test_the_operators_least_days_hold_beneath_the_form_too(acme: TenantRef, ada: User, settings: Settings) -> None:
    def ask(days: int) -> ErasureOrder:
        wish: dict[str, Any] = {"typed_name": "Acme", "reason": ""}
        return ordering.ask_for_erasure(**wish, days=days, by=actor_for_user(ada), now=datetime.now(UTC))

    settings.OMNI_ERASURE_WAIT_DAYS = 30
    with pytest.raises(OrderRefusedError, match="from 30 to 90"):
        ask(29)
    assert ask(30).wait_days == 30
    with pytest.raises(OrderRefusedError, match="asked for already"):
        ask(30)
    with pytest.raises(IntegrityError), transaction.atomic():
        ErasureOrder.objects.create(
            requested_by=ada, requested_at=datetime.now(UTC), wait_days=1, confirm_by=datetime.now(UTC)
        )


def test_asking_and_confirming_need_a_fresh_sign_in_and_an_administrator_in_person(
    acme: TenantRef, ada: User, ann: User, bea: User, signed_in: SignedIn
) -> None:
    stale, member, fresh, second = (
        signed_in(ada, is_fresh=False),
        signed_in(ann),
        signed_in(ada),
        signed_in(bea, is_fresh=False),
    )
    with unbound():
        assert stale.post(PAGE, ASK)["Location"].startswith("/accounts/confirm/?next=%2Fadmin%2Fretention%2F")
        assert member.post(PAGE, ASK).status_code == 404
        assert member.get(PAGE).status_code == 404
    assert not ErasureOrder.objects.exists()
    now = datetime.now(UTC)
    wish: dict[str, Any] = {"typed_name": "Acme", "reason": "", "days": 14}
    for actor in (
        actor_for_user(ann),
        replace(actor_for_user(ada), kind="token"),
        replace(actor_for_user(ada), kind="recovery"),
    ):
        with pytest.raises(OrderRefusedError, match="in person"):
            ordering.ask_for_erasure(**wish, by=actor, now=now)
    post(fresh, **ASK)
    sent = {"act": "confirm", "order": str(the_order().pk), "typed_name": "Acme"}
    with unbound():
        assert second.post(PAGE, sent)["Location"].startswith("/accounts/confirm/?next=%2Fadmin%2Fretention%2F")
    assert the_order().due_at is None
    post(signed_in(bea), **sent)
    assert the_order().due_at is not None


def test_what_nobody_confirms_lapses_and_can_be_asked_for_anew(
    acme: TenantRef, ada: User, bea: User, signed_in: SignedIn, own_folder: Path
) -> None:
    post(signed_in(ada), **ASK)
    ErasureOrder.objects.update(confirm_by=datetime.now(UTC) - timedelta(seconds=1))
    lapsed = str(the_order().pk)
    assert "nothing to confirm" in post(signed_in(bea), act="confirm", order=lapsed, typed_name="Acme")
    assert erasure_notice() is None
    assert "has to confirm it" in post(signed_in(ada), **ASK)
    assert str(the_order().pk) != lapsed
    assert verbs() == ["requested", "lapsed", "requested"]
    ErasureOrder.objects.filter(ended_at=None).update(confirm_by=datetime.now(UTC))
    erase("acme", own_folder / "out.json")  # the operator's own word, as where nobody has asked
    assert not is_served(acme)


@pytest.mark.parametrize("state", ["waiting", "taken back"])
def test_the_operator_gives_a_reason_which_the_certificate_says(
    acme: TenantRef, ada: User, signed_in: SignedIn, own_folder: Path, state: str
) -> None:
    admin = signed_in(ada)
    post(admin, **ASK)
    if state == "taken back":
        post(admin, act="take back", order=str(the_order().pk))
    for nothing in ("", "   "):
        with pytest.raises(CommandError, match="--reason TEXT"):
            erase("acme", own_folder / "out.json", reason=nothing)
    with pytest.raises(CommandError, match="say --confirm acme"):
        erase("acme", own_folder / "out.json", reason="in writing", confirm=None)
    assert is_served(acme)
    certificate = erase("acme", own_folder / "out.json", reason="court order 12")
    assert (certificate["asked_for"]["state"], certificate["asked_for"]["reason"]) == (state, "court order 12")


def test_the_operator_sees_who_asks_and_a_control_that_it_is_late(
    acme: TenantRef, globex: TenantRef, ada: User, signed_in: SignedIn, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed() -> str:
        with unbound():
            call_command("erase_tenant", asked=True)
        return capsys.readouterr().out

    control = next(one for one in CONTROLS if one.id == "retention.orders")
    assert listed() == "0 tenants ask to be erased\n"
    post(signed_in(ada), **ASK)
    assert listed().startswith("acme: waiting, from ")
    made_due(days=6)
    assert listed().startswith("acme: due, from ")
    assert control.check().holds
    made_due(days=8)
    assert not control.check().holds
    with bound(globex.id):
        assert control.check().holds
        assert erasure_notice() is None


def test_certificates_of_before_are_still_read(acme: TenantRef, own_folder: Path) -> None:
    erase("acme", own_folder / "out.json")
    content = json.loads((own_folder / "out.json").read_text())["certificate"]
    assert content.pop("asked_for") is None
    with pytest.raises(CertificateError, match="not a whole"):
        read_certificate(signed(content), keys=trusted_keys())
    content["format"] = BEFORE
    assert read_certificate(signed(content), keys=trusted_keys()) == content
