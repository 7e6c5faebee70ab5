"""Everybody who holds one part, at every door: what is not theirs does not exist for them and they leave no trace.

Who may what stands in ``parts.py`` and ``doors.py``; what is allowed is tried in ``test_parts_allowed.py``.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from django.test import Client

from apps.access.sites import tenant_admin_site
from apps.audit.models import AuditEvent
from apps.tenants.binding import bound
from tests.isolation.doors import ADDRESSES, MODELS_PAGES, opens
from tests.isolation.houses import CANARY, House, World
from tests.isolation.ledger import Ledger, changed
from tests.isolation.parts import AREAS, PARTS, TOKEN_AREAS, TOKENS, give_parts, row_of
from tests.isolation.specimens import Specimen, of_models, routes, specimens
from tests.isolation.test_administration import address, as_it_stands, fields
from tests.isolation.test_matrix import AUDIT, REFUSED, SESSION, call, forget_messages, text_of

OUTSIDE = {"everybody", "asking", "data", "board", "view-as"}
"""areas that open no page of the administration"""
DENIED = {"queries.query_denied"}
"""what the log says of questions that were refused"""
PAGES = {model._meta.label: (model, page) for model, page in tenant_admin_site._registry.items()}
LOOKED = {200, 302, 403, 404, 405}
"""what is answered to a write by who may look: the ledger says whether anything was written"""


@pytest.fixture(scope="module")
def house(houses: World) -> House:
    give_parts(houses.acme)
    return houses.acme


def areas_of(name: str) -> set[str]:
    """Return the areas of a part; those of a tenant administrator are all but what is somebody's own and what opens data."""
    if name == "ada":
        return {area for named in AREAS.values() for area in named.split()} - OUTSIDE | {"tenant", "anybody's", "everybody", "view-as", "asking"}  # fmt: skip
    found = set(AREAS[name].split()) | {"everybody"}
    return found | ({"anybody's"} if found - OUTSIDE else set())


@cache
def model_pages() -> dict[str, tuple[str, str]]:
    """Return the addresses that Django makes of registered models: address → (model, page)."""
    found = {}
    for label, (model, _) in PAGES.items():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        names = {"": "changelist", "add/": "add", "<path:object_id>/": "bare", "<path:object_id>/history/": "history"}
        names |= {"<path:object_id>/delete/": "delete", "<path:object_id>/change/": "change"}
        found |= {base + rest: (label, name) for rest, name in names.items()}
    return found


@cache
def doors() -> dict[str, tuple[str, str]]:
    """Return every door: address → who reads, who writes."""
    found = dict(ADDRESSES)
    for route, (label, name) in model_pages().items():
        pages = MODELS_PAGES[label]
        write = {"add": pages.add, "change": pages.change, "delete": pages.delete}
        read = {"add": pages.add, "delete": pages.delete, "bare": "anybody's", "history": "anybody's"}
        at_list = " ".join((*pages.actions.values(), pages.delete))
        found.setdefault(
            route, (read.get(name, pages.look), write.get(name, at_list if name == "changelist" else "nobody"))
        )
    return found


def test_every_address_and_page_has_its_line() -> None:
    """A new one fails here until somebody has said whom it is for."""
    closed = {route for route, item in specimens("omni.urls.tenant").items() if not item.is_open and not item.is_key}
    closed = {route for route in closed if not route.startswith("/scim/")}
    assert closed == doors().keys() & set(routes("omni.urls.tenant")), closed ^ doors().keys()
    assert doors().keys() <= set(routes("omni.urls.tenant"))
    assert MODELS_PAGES.keys() == PAGES.keys()


def test_every_action_and_part_of_a_page_has_its_line() -> None:
    for label, (_, page) in PAGES.items():
        actions = {action if isinstance(action, str) else action.__name__ for action in page.actions or ()}
        assert MODELS_PAGES[label].actions.keys() == actions, label
        inlines = {inline.model._meta.label for inline in page.inlines}
        assert MODELS_PAGES[label].parts.keys() | MODELS_PAGES[label].read.keys() == inlines, label


def test_every_part_and_token_has_its_areas() -> None:
    assert AREAS.keys() == PARTS.keys()
    assert TOKEN_AREAS.keys() == {*TOKENS, "program", "scim"}


@pytest.fixture(scope="module")
def bodies(house: House) -> Mapping[str, dict[str, Any]]:
    """What an administrator's browser sends from the pages of every model, with one thing changed; and to delete its row."""
    ada, found = house.browser("ada"), {}
    for route, (label, name) in model_pages().items():
        model, pages = PAGES[label][0], MODELS_PAGES[label]
        if name == "delete" and pages.delete != "nobody":
            page = ada.get(address(model, "delete", row_of(house, label).pk))
            shown = re.search(rb'name="shown" value="([0-9a-f]{64})"', page.content)
            found[route] = {"post": "yes", "shown": shown[1].decode() if shown else ""}  # none: something hangs on it
        if name in ("change", "add") and getattr(pages, name) != "nobody":
            args = (row_of(house, label).pk,) if name == "change" else ()
            found[route] = as_it_stands(ada, address(model, name, *args)) | {"name": "another", "title": "Another"}
    return found


def specimen_of(house: House, route: str, bodies: Mapping[str, dict[str, Any]]) -> Specimen:
    """Return what is sent to an address: the row of the house that only the area protects, and a whole form."""
    found = specimens("omni.urls.tenant")[route]
    if route in of_models(tenant_admin_site) and "<path:object_id>" in route:
        key = str(row_of(house, model_pages()[route][0]).pk)
        found = replace(found, path={"object_id": f"={key}"})
    return found


def sent(client: Client, method: str, route: str, house: House, bodies: Mapping[str, dict[str, Any]]) -> Any:
    specimen = specimen_of(house, route, bodies)
    if method == "post" and route in bodies:
        path = address(
            PAGES[model_pages()[route][0]][0], model_pages()[route][1], *(v[1:] for v in specimen.path.values())
        )
        return client.post(path, bodies[route])
    return call(client, method, route, specimen, house, {})


def writes(house: House, route: str) -> Iterator[dict[str, Any]]:
    """Yield what is posted to a list: each of its actions on the row, as if its effect had been shown."""
    label, name = model_pages().get(route, ("", ""))
    if name != "changelist":
        return
    for action in (*MODELS_PAGES[label].actions, "delete_selected"):
        yield {"action": action, "_selected_action": str(row_of(house, label).pk), "post": "yes", "select_across": "0"}


def sampled(specimen: Specimen, turn: int, *, is_behind: bool) -> tuple[str, ...]:
    """Return the methods that are tried: one only, in turn from person to person, where one door keeps somebody out."""
    if is_behind:
        return ("post",) if turn % 2 else ("get",)
    return ("get", "post", "delete") if specimen.delete else ("get", "post")


def told(house: House) -> Counter[str]:
    """Return how often the audit log of the house says what."""
    with bound(house.tenant.id):
        return Counter(AuditEvent.objects.values_list("verb", flat=True))


@pytest.mark.parametrize("name", PARTS)
def test_who_holds_one_part_is_refused_everything_else_and_leaves_no_trace(
    houses: World, house: House, ledger: Ledger, bodies: Mapping[str, dict[str, Any]], name: str
) -> None:
    client, areas = house.browser(name), areas_of(name)
    before, log, wrong, tried = ledger.read(), told(house), [], 0
    client.raise_request_exception, first = False, list(PARTS).index(name)
    for number, (route, (read, write)) in enumerate(doors().items()):
        specimen, may_look = specimen_of(house, route, bodies), opens(read, areas)
        is_behind = (
            route.startswith("/admin/") and not may_look and ("anybody's" not in areas or route in model_pages())
        )
        for method in sampled(specimen, first + number, is_behind=is_behind):
            if opens(read if method == "get" else write, areas):
                continue
            answer, tried = sent(client, method, route, house, bodies), tried + 1
            if answer.status_code == 302:
                forget_messages(client, house)
            if answer.status_code not in (LOOKED if may_look and method != "get" else REFUSED):
                wrong.append(f"{method.upper()} {route}: {answer.status_code} {answer.headers.get('Location', '')}")
            if not may_look and CANARY in text_of(answer):
                wrong.append(f"{method.upper()} {route}: shows the canary")
        if may_look and not opens(write, areas):
            for data in writes(house, route):
                answer = client.post(route, data)
                if answer.status_code not in LOOKED:
                    wrong.append(f"POST {route} {data['action']}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert tried > 100
    assert changed(before, ledger.read(), *(houses.acme, houses.globex, houses.platform)) <= {SESSION, AUDIT}
    assert (told(house) - log).keys() <= DENIED


@pytest.mark.parametrize("name", PARTS)
def test_no_autocompletion_offers_what_the_list_does_not_show(house: House, name: str) -> None:
    client, ada, areas, offered = house.browser(name), house.browser("ada"), areas_of(name), 0
    for app_label, model_name, field_name in fields():
        query = {"app_label": app_label, "model_name": model_name, "field_name": field_name, "term": ""}
        known = ada.get("/admin/autocomplete/", query_params=query)
        if known.status_code != 200:
            continue
        answer = client.get("/admin/autocomplete/", query_params=query)
        related = next(model._meta.get_field(field_name).related_model for model in all_models(app_label, model_name))
        may_see = opens(MODELS_PAGES[related._meta.label].look, areas)
        assert answer.status_code == (200 if may_see else 403 if "anybody's" in areas else 404), query
        assert may_see or CANARY not in text_of(answer), query
        offered += CANARY in text_of(known)
    assert offered > 3


def all_models(app_label: str, model_name: str) -> Iterator[Any]:
    for model, page in PAGES.values():
        for one in (model, *(inline.model for inline in page.inlines)):
            if (one._meta.app_label, one._meta.model_name) == (app_label, model_name):
                yield one


@pytest.mark.parametrize("name", TOKEN_AREAS)
def test_a_token_reaches_what_its_scope_and_holder_say_and_nothing_else(
    houses: World, house: House, ledger: Ledger, name: str
) -> None:
    areas, headers = set(TOKEN_AREAS[name].split()), house.program(name)
    before, log, wrong = ledger.read(), told(house), []
    for route, specimen in specimens("omni.urls.tenant").items():
        if not route.startswith(("/api/", "/scim/")):
            continue  # elsewhere a token is nobody's: as a stranger's in test_matrix.py
        read, write = token_door(route)
        for method in ("get", "post", "put", "patch", "delete"):
            if opens(read if method == "get" else write, areas):
                continue
            answer = call(Client(headers={"host": house.tenant.host}), method, route, specimen, house, headers)
            if answer.status_code not in REFUSED:
                wrong.append(f"{method.upper()} {route}: {answer.status_code}")
            if CANARY in text_of(answer):
                wrong.append(f"{method.upper()} {route}: shows the canary")
    assert not wrong, "\n".join(wrong)
    assert changed(before, ledger.read(), *(houses.acme, houses.globex, houses.platform)) <= {
        AUDIT,
        "accounts_apitoken",
    }
    assert (told(house) - log).keys() <= DENIED


def token_door(route: str) -> tuple[str, str]:
    """Return what opens an address to a token: the API and SCIM, nothing else."""
    if route.startswith("/scim/"):
        return "scim", "scim"
    if not route.startswith("/api/"):
        return "nobody", "nobody"
    return ADDRESSES[route]
