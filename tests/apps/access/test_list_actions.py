"""Actions of lists tell first what they will do, and do that or nothing."""

import re
from collections.abc import Callable
from datetime import datetime

import pytest
from django.test import Client

from apps.accounts import services
from apps.accounts.models import ApiToken, User, UserSession
from apps.accounts.services import issue_token
from apps.accounts.sessions import session_digest
from apps.audit.types import SYSTEM
from apps.tenants.binding import unbound
from tests.apps.conftest import SignedIn, asked, confirmed, press

PEOPLE, TOKENS, SESSIONS, ACCOUNTS = (
    f"/admin/accounts/{name}/" for name in ("user", "apitoken", "usersession", "serviceaccount")
)
CHANGED = "What this does has changed since the page was made. Nothing was done"


@pytest.fixture
def admin(signed_in: SignedIn, ada: User) -> Client:
    return signed_in(ada)


def chosen(action: str, *rows: object) -> dict[str, object]:
    return {"action": action, "_selected_action": [str(getattr(row, "pk", row)) for row in rows]}


def test_the_page_names_who_is_shut_out_and_who_stays(admin: Client, ada: User, ann: User, bob: User) -> None:
    services.set_active(bob, is_active=False, by=SYSTEM, now=datetime.now().astimezone())
    said = press(admin, PEOPLE, chosen("deactivate", ada, ann, bob))
    assert "<h2" in said
    assert "1 person" in said
    assert ann.email in said.partition("What will happen")[0]
    stays = said.partition("What stays as it is")[2]
    assert f"({ada.email}): nobody does this to themself" in stays
    assert f"({bob.email}): shut out already" in stays
    assert User.objects.get(pk=ann.pk).is_active
    assert "1 shut out." in press(admin, PEOPLE, asked(admin, PEOPLE, chosen("deactivate", ada, ann, bob)))
    assert not User.objects.get(pk=ann.pk).is_active
    assert f"Nothing to do. {ann.name} ({ann.email}): shut out already" in press(
        admin, PEOPLE, chosen("deactivate", ann, bob)
    )
    assert "1 admitted." in press(admin, PEOPLE, asked(admin, PEOPLE, chosen("activate", ann, ada)))
    assert User.objects.get(pk=ann.pk).is_active


@pytest.mark.parametrize("meanwhile", ["shut out", "renamed"])
def test_when_it_would_be_something_else_nothing_is_done(admin: Client, ann: User, bob: User, meanwhile: str) -> None:
    sent = asked(admin, PEOPLE, chosen("deactivate", ann, bob))
    changes = {"is_active": False} if meanwhile == "shut out" else {"name": "Somebody Else"}
    User.objects.filter(pk=ann.pk).update(**changes)
    assert CHANGED in press(admin, PEOPLE, sent)
    assert User.objects.get(pk=bob.pk).is_active
    assert CHANGED not in press(admin, PEOPLE, asked(admin, PEOPLE, chosen("deactivate", ann, bob)))
    assert not User.objects.get(pk=bob.pk).is_active


@pytest.mark.parametrize("shown", [None, "", "0" * 64])
def test_without_what_was_shown_nothing_is_done(admin: Client, ann: User, shown: str | None) -> None:
    sent = chosen("deactivate", ann) | {"post": "yes"} | ({} if shown is None else {"shown": shown})
    assert CHANGED in press(admin, PEOPLE, sent)
    assert User.objects.get(pk=ann.pk).is_active


def test_all_of_a_long_list_are_counted_and_some_named(
    admin: Client, make_person: Callable[..., User], ann: User, ada: User
) -> None:
    people = [make_person(f"p{place}@acme.example") for place in range(60)]
    sent = chosen("deactivate", ann) | {"select_across": "1"}
    said = press(admin, PEOPLE, sent)
    assert "61 people" in said
    assert "and 11 more" in said
    answer = confirmed(admin, PEOPLE, sent)
    assert answer.status_code == 302
    assert not User.objects.filter(pk__in=[person.pk for person in (*people, ann)], is_active=True).exists()
    assert User.objects.get(pk=ada.pk).is_active


def test_tokens_and_sessions_are_named_with_whose_they_are(
    admin: Client, signed_in: SignedIn, ann: User, bob: User, now: datetime
) -> None:
    for user in (ann, bob):
        issue_token(user=user, name=f"of {user.email}", days=1, by=SYSTEM, now=now)
    of_ann = signed_in(ann)
    token, session = ApiToken.objects.get(user=ann), UserSession.objects.get(user=ann)
    for path, action, row in ((TOKENS, "revoke", token), (SESSIONS, "end", session)):
        said = press(admin, path, chosen(action, row)).partition("What will happen")[0]
        assert str(ann) in said
        assert not re.search(rf"\b{bob}\b", said)  # a word: the page has random tokens
        assert "your own" not in said
        assert confirmed(admin, path, chosen(action, row)).status_code == 302
    assert set(ApiToken.objects.filter(revoked_at=None).values_list("user", flat=True)) == {bob.pk}
    with unbound():
        assert of_ann.get("/accounts/sessions/").status_code == 302
    mine = UserSession.objects.get(digest=session_digest(admin.cookies["omni_session"].value))
    assert ": your own, in this browser" in press(admin, SESSIONS, chosen("end", mine))
    assert "revoked already" in press(admin, TOKENS, chosen("revoke", token))


def test_a_service_account_is_named_with_its_tokens(admin: Client, ada: User, now: datetime) -> None:
    account = services.create_service_account(name="Alarm", owner=ada, by=SYSTEM, now=now)
    issue_token(user=account, name="t", days=1, by=SYSTEM, now=now)
    assert "Alarm, 1 valid token" in press(admin, ACCOUNTS, chosen("disable", account))
    assert User.objects.get(pk=account.pk).is_active
    for action, is_active in (("disable", False), ("enable", True)):
        confirmed(admin, ACCOUNTS, chosen(action, account))
        assert User.objects.get(pk=account.pk).is_active is is_active
    assert not ApiToken.objects.filter(revoked_at=None).exists()
