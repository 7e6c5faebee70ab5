"""The positive controls of ``test_parts.py``: at every door that a part opens, its holder is answered and what they write is written.

Each write is taken back at once, so that the next one meets the house as it was.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from apps.access.admin import HoldersAdmin
from apps.audit.models import AuditEvent
from apps.queries.models import DownloadLimit
from apps.tenants.binding import bound, unbound
from tests.isolation.doors import ADDRESSES, MODELS_PAGES, opens
from tests.isolation.houses import House
from tests.isolation.parts import PARTS, TOKEN_AREAS, row_of
from tests.isolation.specimens import Specimen, specimens
from tests.isolation.test_administration import address, as_it_stands
from tests.isolation.test_matrix import call
from tests.isolation.test_parts import PAGES, areas_of, bodies, doors, house, model_pages, specimen_of, token_door

__all__ = ["bodies", "house"]
EVERYONE = ["ada", *PARTS]
RETURNED = {"get": {200}, "bare": {302}, "history": {302}}
ELSEWHERE = {"datamodels.DataModel change", "retention.ErasureOrder change", "tenants.SignInSettings change"}
"""pages with an address of their own"""
WAITING = {
    "/admin/connections/connection/<path:object_id>/check/",
    "/admin/connections/connection/<path:object_id>/rotate/",
    "/admin/datamodels/datamodel/<uuid:key>/refresh/",
}
"""what waits for a worker, which sees nothing of an open transaction"""

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "access.Role": {"description": "Another"},
    "access.RoleAssignment": {"built_in": "modeler", "role": "", "user": "", "group": "{group}"},
    "accounts.AttributeDefinition": {"label": "Another"},
    "accounts.IdentityProvider": {"name": "Another"},
    "accounts.ServiceAccount": {"name": "Another"},
    "accounts.User": {"name": "Another"},
    "accounts.UserGroup": {"description": "Another"},
    "connections.Connection": {"max_rows": "7"},
    "dashboards.Dashboard": {"title": "Another"},
    "dashboards.Folder": {"name": "Another"},
    "queries.DownloadLimit": {"limit-max_rows": "7"},
}
"""What is changed on the page of a model by those who may edit its objects."""
ADDED: Mapping[str, Mapping[str, Any]] = {
    "access.Role": {"name": "New", "capabilities": ["query"]},
    "access.RoleAssignment": {"group": "{group}", "built_in": "modeler"},
    "accounts.AttributeDefinition": {"name": "new", "label": "New", "type": "string"},
    "accounts.IdentityProvider": {
        "name": "New", "slug": "new", "protocol": "oidc", "issuer": "https://idp.example", "client_id": "x", "client_secret": "x",
    },
    "accounts.ScimToken": {"name": "New", "days": "3"},
    "accounts.ServiceAccount": {"name": "New", "owner": "{ada}"},
    "accounts.User": {"email": "new@acme.example", "timezone": "UTC"},
    "accounts.UserGroup": {"name": "New"},
    "connections.Connection": {"name": "new", "dialect": "duckdb", "database": "new.duckdb"},
    "dashboards.Dashboard": {"title": "New", "slug": "new"},
    "dashboards.Folder": {"name": "New"},
    "queries.DownloadLimit": {"limit-dataset": "{dataset}", "limit-max_rows": "5"},
}  # fmt: skip


def named(house: House, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a form with the ids of the house in place of names in braces."""
    keys = {"{group}": house.plain_group.pk, "{ada}": house.people["ada"].pk, "{dataset}": house.dataset.pk}
    return {
        name: str(keys[value]) if isinstance(value, str) and value in keys else value for name, value in data.items()
    }


class _TakenBackError(Exception):
    """Leaves a transaction."""


def written(house: House, act: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Do something, take it back, and return the answer with what the audit log said of it meanwhile."""
    answer, verbs = None, []
    try:
        with bound(house.tenant.id), transaction.atomic():
            known = set(AuditEvent.objects.values_list("pk", flat=True))
            with unbound():
                answer = act()
            verbs = list(AuditEvent.objects.exclude(pk__in=known).values_list("verb", flat=True))
            raise _TakenBackError
    except _TakenBackError:
        return answer, verbs


def shown(page: Any) -> dict[str, str]:
    """Return the digest of what a page says that will happen, if it asks."""
    found = re.search(rb'name="shown" value="([0-9a-f]{64})"', page.content)
    return {"shown": found[1].decode()} if found else {}


def holders_form(house: House, label: str, form: Mapping[str, Any]) -> dict[str, Any]:
    """Return a page's form with one holder more: what those who keep people change of an object."""
    page = PAGES[label][1]
    name = f"{page.rules[0].codename}_people"
    return {**form, name: [*form.get(name, []), str(house.people["may"].pk)]}


def tries(house: House, client: Client, label: str, areas: set[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield everything that somebody may write on the pages of a model: what it is, the address, and what is sent."""
    (model, page), pages, key = PAGES[label], MODELS_PAGES[label], row_of(house, label).pk
    if opens(pages.add, areas):
        path = address(model, "add")
        yield "add", path, as_it_stands(client, path) | named(house, ADDED[label])
    if opens(pages.change, areas):
        path = address(model, "change", key)
        form = as_it_stands(client, path)
        if opens(pages.change.replace("holders", ""), areas):
            yield "change", path, form | named(house, CHANGES[label])
        if isinstance(page, HoldersAdmin) and "holders" in areas:
            yield "holders", path, holders_form(house, label, form)
    if opens(pages.delete, areas):
        path = address(model, "delete", key)
        sent = shown(client.get(path))
        if sent:  # else something hangs on it
            yield "delete", path, {"post": "yes"} | sent


@pytest.mark.parametrize("name", EVERYONE)
def test_who_holds_a_part_is_shown_what_it_opens(house: House, bodies: Mapping[str, dict[str, Any]], name: str) -> None:
    client, areas, wrong, tried = house.browser(name), areas_of(name), [], 0
    client.raise_request_exception = False
    for route, (read, _) in doors().items():
        if not opens(read, areas):
            continue
        specimen, (label, page) = specimen_of(house, route, bodies), model_pages().get(route, ("", ""))
        if f"{label} {page}" in ELSEWHERE:
            continue
        answer, tried = call(client, "get", route, specimen, house, {}), tried + 1
        if answer.status_code not in RETURNED.get(page, {specimen.get or 200}):
            wrong.append(f"GET {route}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert tried >= 4


@pytest.mark.parametrize("name", EVERYONE)
def test_who_holds_a_part_writes_what_it_opens(house: House, name: str) -> None:
    """On every page of every model; each write is in the audit log."""
    client, areas, wrong = house.browser(name), areas_of(name), []
    if "anybody's" not in areas:
        pytest.skip("nothing to run: no page of the administration is open to them, which test_parts.py shows")
    for label in PAGES:
        for what, path, data in tries(house, client, label, areas):

            def act(path: str = path, data: Mapping[str, Any] = data, label: str = label, what: str = what) -> Any:
                if label == "queries.DownloadLimit" and what == "add":  # there is one for each data set
                    with bound(house.tenant.id):
                        DownloadLimit.objects.all().delete()
                return client.post(path, data)

            answer, verbs = written(house, act)
            is_done = answer.status_code == 302 or (label == "accounts.ScimToken" and answer.status_code == 200)
            if not is_done or not verbs:
                wrong.append(
                    f"{what} {label}: {answer.status_code} {verbs} {answer.context and answer.context.get('errors')}"
                )
    assert not wrong, "\n".join(wrong)


ENDS_NOTHING = {
    ("accounts.User", "activate"),
    ("accounts.ServiceAccount", "enable"),
    ("queries.QueryRun", "cancel_selected"),
}
"""of a row on which there is nothing to do"""


@pytest.mark.parametrize("name", EVERYONE)
def test_who_holds_a_part_runs_its_actions(house: House, name: str) -> None:
    client, areas, wrong = house.browser(name), areas_of(name), []
    for label, pages in MODELS_PAGES.items():
        model = PAGES[label][0]
        for action, door in pages.actions.items():
            if not opens(door, areas) or (label, action) in ENDS_NOTHING or action == "check_selected":
                continue
            path, chosen = (
                address(model, "changelist"),
                {"action": action, "_selected_action": str(row_of(house, label).pk)},
            )
            sent = chosen | {"post": "yes"} | shown(client.post(path, chosen))

            def act(path: str = path, sent: Mapping[str, Any] = sent) -> Any:
                return client.post(path, sent)

            answer, verbs = written(house, act)
            if answer.status_code != 302 or not verbs:
                wrong.append(f"{action} {label}: {answer.status_code} {verbs}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", EVERYONE)
def test_pages_show_the_parts_and_buttons_that_their_reader_may_use_and_no_others(house: House, name: str) -> None:
    client, areas, wrong = house.browser(name), areas_of(name), []
    for label, pages in MODELS_PAGES.items():
        model = PAGES[label][0]
        if not opens(pages.look, areas) or f"{label} change" in ELSEWHERE:
            continue
        path = address(model, "change", row_of(house, label).pk)
        context = client.get(path).context
        sets = {one.opts.model._meta.label: one for one in context["inline_admin_formsets"]}
        expected = {part for part, door in {**pages.parts, **pages.read}.items() if opens(door, areas)}
        if sets.keys() != expected:
            wrong.append(f"{label}: {sorted(sets)}, expected {sorted(expected)}")
        writable = {part for part, one in sets.items() if one.has_add_permission or one.has_change_permission}
        if writable != {part for part, door in pages.parts.items() if opens(door, areas)}:
            wrong.append(f"{label}: {sorted(writable)} can be changed")
        for button in context["actions_detail"]:
            target = str(button["path"])
            if client.get(target, follow=True).status_code != 200:
                wrong.append(f"{label}: a button leads to {target}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", EVERYONE)
def test_the_administrations_first_page_leads_where_its_reader_may_go(house: House, name: str) -> None:
    client, areas = house.browser(name), areas_of(name)
    answer = client.get("/admin/")
    if "anybody's" not in areas:
        assert answer.status_code == 404
        return
    told = {entry["model"]._meta.label for app in answer.context["available_apps"] for entry in app["models"]}
    assert told == {label for label, pages in MODELS_PAGES.items() if opens(pages.look, areas)}
    for app in answer.context["available_apps"]:
        assert client.get(app["app_url"]).status_code == 200
    closed = {label.split(".")[0] for label in PAGES} - {app["app_label"] for app in answer.context["available_apps"]}
    assert {app for app in closed if client.get(f"/admin/{app}/").status_code != 404} == set()


@pytest.mark.parametrize("name", TOKEN_AREAS)
def test_a_token_is_answered_where_its_areas_are(house: House, name: str) -> None:
    areas, wrong, tried = set(TOKEN_AREAS[name].split()), [], 0
    for route, specimen in specimens("omni.urls.tenant").items():
        read, write = token_door(route)
        if opens(read, areas) and specimen.get not in (401, 404, 405):
            answer = call(
                Client(headers={"host": house.tenant.host}), "get", route, specimen, house, house.program(name)
            )
            wrong += [f"GET {route}: {answer.status_code}"] if answer.status_code != specimen.get else []
            tried += 1
        if opens(write, areas) and specimen.json and route.startswith("/api/"):
            answer = call(
                Client(headers={"host": house.tenant.host}), "post", route, specimen, house, house.program(name)
            )
            wrong += [f"POST {route}: {answer.status_code}"] if answer.status_code != specimen.post else []
    assert not wrong, "\n".join(wrong)
    assert bool(tried) == bool(areas)


@pytest.mark.parametrize("name", PARTS)
def test_who_holds_a_part_writes_at_the_addresses_that_it_opens(
    house: House, bodies: Mapping[str, dict[str, Any]], name: str
) -> None:
    areas, wrong = areas_of(name), []
    for route, (_, write) in ADDRESSES.items():
        specimen = specimens("omni.urls.tenant")[route]
        if not opens(write, areas) or route in WAITING or specimen.post in (None, 405) or specimen.ends_session:
            continue

        client = house.browser(name)  # some of them sign out

        def act(client: Client = client, route: str = route, specimen: Specimen = specimen) -> Any:
            return call(client, "post", route, specimen, house, {})

        answer = act() if route.startswith(("/api/", "/dashboards/")) else written(house, act)[0]
        if answer.status_code != specimen.post:
            wrong.append(f"POST {route}: {answer.status_code}, expected {specimen.post}")
    assert not wrong, "\n".join(wrong)
