"""Whoever has the short name of a tenant that was erased shares nothing with it: no old key opens anything, nothing old is seen."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client, override_settings

from apps.access.selectors import actor_for_user
from apps.audit.models import AuditEvent
from apps.queries.models import QueryRun
from apps.queries.services import answer
from apps.queries.tasks import execute_run
from apps.queries.types import Answer
from apps.tenants.binding import bound, unbound
from apps.tenants.errors import UnknownTenantError
from apps.vault.errors import SealError
from apps.vault.services import open_sealed, seal
from tests.isolation.houses import CANARY, House, _data, _house, _people, ticket, world
from tests.isolation.specimens import filled, specimens, values
from tests.isolation.test_matrix import text_of

SPECIMENS = specimens("omni.urls.tenant")
SEALED = {"table": "t", "row": "1", "column": "c"}


@dataclass(repr=False)
class Keys:
    """What people and programs of the old tenant still hold, and what each was answered before and while nobody had the name."""

    old: House
    new: House
    worked: dict[str, int]
    alone: dict[str, int]
    question: dict[str, Any]
    sealed: bytes
    run_id: UUID
    cookies: dict[str, Any]
    addresses: dict[str, tuple[str, dict[str, str]]]


def holders(house: House, cookies: dict[str, Any]) -> dict[str, tuple[Client, dict[str, str], str]]:
    """Return, by name, a browser or program that holds an old key, and an address that it could open."""
    found: dict[str, tuple[Client, dict[str, str], str]] = {}
    pages = {
        "ada": "/admin/",
        "ann": "/accounts/sessions/",
        "visitor": "/",
        "recovery": "/accounts/recovery/",
    }
    for name, cookie in cookies.items():
        client = Client(headers={"host": house.tenant.host})
        client.cookies.load(cookie)
        found[f"cookie of {name}"] = (client, {}, pages.get(name, "/"))
    addresses = {"ann": "/api/v1/datasets", "program": "/api/v1/admin/tokens", "scim": "/scim/v2/Users"}
    for name, address in addresses.items():
        found[f"token of {name}"] = (Client(headers={"host": house.tenant.host}), house.program(name), address)
    found["link of recovery"] = (
        Client(headers={"host": house.tenant.host}),
        {},
        f"/accounts/recover/{house.recovery}/",
    )
    found["ticket of support"] = (Client(headers={"host": house.tenant.host}), {}, f"/support/enter/{house.ticket}/")
    return found


def asked(house: House, cookies: dict[str, Any]) -> dict[str, int]:
    with unbound():
        return {
            name: client.get(address, headers=headers).status_code
            for name, (client, headers, address) in holders(house, cookies).items()
        }


@pytest.fixture(scope="module")
def keys(
    django_db_setup: None, django_db_blocker: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Keys]:
    """Acme is erased, and another customer gets its name, with the same names of people, data and questions."""
    path = tmp_path_factory.mktemp("again")
    own = {"OMNI_CERTIFICATE_KEY_FILE": str(path / "key"), "OMNI_CERTIFICATE_PUBLIC_KEY_FILE": str(path / "key.pub")}
    rates = dict.fromkeys(settings.OMNI_RATES, "1000000/minute")
    changed = override_settings(
        OMNI_DATA_DIR=path / "data", OMNI_TOMBSTONES=path / "tombstones", OMNI_RATES=rates, **own
    )
    with django_db_blocker.unblock(), changed, world() as houses:  # type: ignore[attr-defined]  # a fixture of pytest-django without a type
        old = houses.acme
        cookies = {name: old.browser(name).cookies.output(header="") for name in ("ada", "ann", "recovery")}
        cookies["visitor"] = old.browsers["visitor"].cookies.output(header="")
        old.things.ticket = ticket(old, houses.platform)
        worked, addresses = asked(old, cookies), addresses_of(old)
        with bound(old.tenant.id):
            sealed = seal(b"secret", **SEALED)
            run_id = QueryRun.objects.values_list("pk", flat=True)[0]
        old.things.ticket = ticket(old, houses.platform)  # looking at the first may have used it
        with unbound():
            call_command("erase_tenant", "acme", confirm="acme", certificate=path / "certificate.json")
        alone = asked(old, cookies)
        yield Keys(old, _again(path), worked, alone, old.question, sealed, run_id, cookies, addresses)


def _again(path: Path) -> House:
    new = _house("acme", "anew", datetime.now(UTC))
    with bound(new.tenant.id):
        _people(new)
        _data(new)
    return new


def test_every_key_opened_something_before(keys: Keys) -> None:
    assert len(keys.worked) == 9
    assert {name: status for name, status in keys.worked.items() if status != 200} == {}


def test_while_nobody_has_the_name_nobody_is_there(keys: Keys) -> None:
    assert set(keys.alone.values()) == {404}


def test_no_old_key_opens_anything_of_the_new_tenant(keys: Keys) -> None:
    after = asked(keys.old, keys.cookies)
    assert {name: status for name, status in after.items() if status == 200 and not name.startswith("link")} == {}
    for name, (client, headers, address) in holders(keys.old, keys.cookies).items():
        with unbound():
            text = text_of(client.get(address, headers=headers))
        assert CANARY not in text, name
        assert "anew" not in text, name
    nobody = Client(headers={"host": keys.new.tenant.host})
    with unbound():
        answers = [nobody.post(f"/accounts/recover/{secret}/") for secret in (keys.old.recovery, "x" * 43)]
    assert [(found.status_code, "omni_session" in found.cookies) for found in answers] == [(404, False)] * 2


def test_the_new_tenants_own_people_are_let_in(keys: Keys) -> None:
    for name, address in (("ada", "/admin/"), ("ann", "/accounts/sessions/")):
        client = keys.new.browser(name)
        with unbound():
            assert client.get(address).status_code == 200
    with unbound():
        answered = Client(headers={"host": keys.new.tenant.host}).get(
            "/api/v1/datasets", headers=keys.new.program("ann")
        )
    assert answered.status_code == 200
    assert "anew" in answered.content.decode()


def addresses_of(house: House) -> dict[str, tuple[str, dict[str, str]]]:
    """Return every address with the things of a house in it, while they are there to be named."""
    return {
        route: (filled(route, values(house, specimen.path)), values(house, specimen.query))
        for route, specimen in SPECIMENS.items()
        if not specimen.ends_session
    }


def test_no_address_shows_anything_old(keys: Keys) -> None:
    """The old tenant's ids in every address, asked for by the new tenant's administrator and with the old one's cookie."""
    seen, found = [], []
    old_cookie = holders(keys.old, keys.cookies)["cookie of ada"][0]
    new = keys.new.browser("ada")
    for route, (path, query) in keys.addresses.items():
        for client in (new, old_cookie):
            with unbound():
                text = text_of(client.get(path, query_params=query))
            if CANARY in text.replace(path, "").replace(quote(path), ""):
                seen.append(route)
            if client is old_cookie and "anew" in text and not SPECIMENS[route].is_open:
                found.append(route)
    assert len(keys.addresses) > 120
    assert (seen, found) == ([], [])


def test_the_same_question_is_answered_from_the_new_tenants_data(keys: Keys) -> None:
    with bound(keys.new.tenant.id):
        found = answer(actor_for_user(keys.new.people["ann"]), keys.question, now=datetime.now(UTC), wait_s=5)
    assert isinstance(found, Answer)
    assert [list(row) for row in found.rows] == [["anew", 1]]


def test_what_the_old_tenant_sealed_opens_nowhere(keys: Keys) -> None:
    with bound(keys.new.tenant.id):
        with pytest.raises(SealError):
            open_sealed(keys.sealed, **SEALED)
        assert open_sealed(seal(b"secret", **SEALED), **SEALED) == b"secret"


def test_a_message_of_the_old_tenant_is_refused(keys: Keys) -> None:
    with unbound(), pytest.raises(UnknownTenantError):
        execute_run(str(keys.run_id), tenant_id=str(keys.old.tenant.id))
    with unbound():
        execute_run(str(keys.run_id), tenant_id=str(keys.new.tenant.id))
    with bound(keys.new.tenant.id):
        assert not QueryRun.objects.filter(pk=keys.run_id).exists()


def test_the_new_tenants_log_begins_with_itself(keys: Keys) -> None:
    with bound(keys.new.tenant.id):
        verbs = set(AuditEvent.objects.values_list("verb", flat=True))
    assert verbs
    assert "retention.erasure_begun" not in verbs
