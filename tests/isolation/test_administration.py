"""Globex's administrator, with Acme's ids in every form, action, filter and autocomplete of the administration."""

import re
from typing import Any

import pytest
from django.db.models import ForeignKey, ManyToManyField
from django.test import Client
from django.urls import reverse

from apps.access.admin import HoldersAdmin
from apps.access.admin.shown import deletion_digest
from apps.access.sites import tenant_admin_site
from apps.accounts.models import ApiToken, ScimToken, UserSession
from apps.datamodels.models import DataModel
from apps.tenants.binding import bound
from tests.isolation.houses import CANARY, House, World
from tests.isolation.ledger import Ledger, changed
from tests.isolation.test_matrix import AUDIT, SESSION

PAGES = sorted(tenant_admin_site._registry.items(), key=lambda pair: pair[0]._meta.label)
IDS = [model._meta.label for model, _ in PAGES]


def address(model: type[Any], page: str, *args: object) -> str:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    return reverse(name, args=args, urlconf="omni.urls.tenant")


def relations(model: type[Any]) -> list[Any]:
    """Return the fields of a model that lead to a row of a tenant."""
    fields = [*model._meta.local_fields, *model._meta.local_many_to_many]
    return [field for field in fields if isinstance(field, ForeignKey | ManyToManyField) and field.name != "tenant"]


def shows(answer: Any) -> bool:
    return CANARY in answer.content.decode(errors="replace")


def theirs(house: House, model: type[Any]) -> str:
    return str(house.row(model).pk)


def deletion(house: House, model: type[Any]) -> str:
    """Return what the house's own administrator is shown before deleting its row; empty where nobody deletes such rows."""
    page = house.browser("ada").get(address(model, "delete", theirs(house, model)), follow=True)
    found = re.search(rb'name="shown" value="([0-9a-f]{64})"', page.content)
    return found[1].decode() if found else ""


def effect(house: House, model: type[Any], name: str) -> str:
    """Return what the house's own administrator is shown before an action on its row; empty where it runs at once."""
    chosen = {"_selected_action": theirs(house, model), "action": name}
    page = house.browser("ada").post(address(model, "changelist"), chosen)
    found = re.search(rb'name="shown" value="([0-9a-f]{64})"', page.content)
    return found[1].decode() if found else ""


def test_the_houses_own_administrator_is_shown_what_would_be_deleted(houses: World) -> None:
    assert len([model for model, _ in PAGES if deletion(houses.acme, model)]) > 5
    named = [(ApiToken, "revoke"), (UserSession, "end"), (ScimToken, "revoke")]
    assert [name for model, name in named if not effect(houses.acme, model, name)] == []


@pytest.mark.parametrize(("model", "page"), PAGES, ids=IDS)
def test_no_action_takes_another_tenants_row(houses: World, ledger: Ledger, model: type[Any], page: Any) -> None:
    key, of_row = theirs(houses.acme, model), deletion(houses.acme, model)
    names = [action if isinstance(action, str) else action.__name__ for action in page.actions or ()]
    # What asks first is wrapped by the page; the rest runs at once, and is not tried by the owner.
    effects = {name: effect(houses.acme, model, name) for name in names if hasattr(getattr(page, name), "__wrapped__")}
    before, client = ledger.read(), houses.globex.browser("ada")
    chosen = {"_selected_action": key, "select_across": "0", "index": "0", "post": "yes"}
    posts = [
        (address(model, "changelist"), chosen | {"action": name, "shown": effects.get(name, "")}) for name in names
    ]
    for shown in (of_row, deletion_digest([], is_locking=False)):  # as if the row had been shown, and as if nothing had
        posts.append((address(model, "changelist"), chosen | {"action": "delete_selected", "shown": shown}))
    posts.append((address(model, "delete", key), {"post": "yes", "shown": of_row}))
    for path, data in posts:
        answer = client.post(path, data, follow=True)
        assert answer.status_code in (200, 403, 404), data
        assert not shows(answer), data
    assert changed(before, ledger.read(), houses.acme) == set()


@pytest.mark.parametrize(("model", "page"), PAGES, ids=IDS)
def test_no_form_takes_another_tenants_row(houses: World, ledger: Ledger, model: type[Any], page: Any) -> None:
    """Every relation of the model and of its inlines names a row of Acme's."""
    before, client = ledger.read(), houses.globex.browser("ada")
    ids = ledger.ids(houses.acme)
    data = {field.name: theirs(houses.acme, field.related_model) for field in relations(model)}
    data |= holders(page, houses.acme)
    data |= {
        "name": "mine",
        "label": "Mine",
        "slug": "mine",
        "title": "Mine",
        "email": "mine@globex.example",
        "timezone": "UTC",
    }
    for inline in page.inlines:
        prefix = inline.model._meta.get_field(fk_of(inline.model, model)).remote_field.get_accessor_name()
        data |= {f"{prefix}-TOTAL_FORMS": "1", f"{prefix}-INITIAL_FORMS": "0"}
        data |= {
            f"{prefix}-0-{field.name}": theirs(houses.acme, field.related_model) for field in relations(inline.model)
        }
    own = houses.globex.row(model)
    for path in (
        address(model, "add"),
        address(model, "change", own.pk),
        address(model, "change", theirs(houses.acme, model)),
    ):
        answer = client.post(path, data)
        assert answer.status_code in (200, 302, 403, 404, 405), path
        assert not shows(answer), path
    assert changed(before, ledger.read(), houses.acme) == set()
    assert ledger.mentions(houses.globex, ids, but=frozenset({AUDIT, SESSION})) == []


HOLDING = [pair for pair in PAGES if isinstance(pair[1], HoldersAdmin)]


def holders(page: Any, house: House) -> dict[str, str]:
    """Return the house's group and person as holders of every permission on a page's objects."""
    names = [rule.codename for rule in getattr(page, "rules", ())]
    groups, people = str(house.group.pk), str(house.person.pk)
    return {f"{name}_groups": groups for name in names} | {f"{name}_people": people for name in names}


def as_it_stands(client: Client, path: str) -> dict[str, Any]:
    """Return what a browser sends back of a page on which nothing was changed."""
    context = client.get(path).context
    sets = [inline.formset for inline in context["inline_admin_formsets"]]
    forms = [context["adminform"].form, *(form for found in sets for form in (found.management_form, *found.forms))]
    values = {bound.html_name: bound.value() for form in forms for bound in form}
    sent = {
        name: "on" if value is True else value
        for name, value in values.items()
        if value is not None and value is not False
    }
    return {name: [str(one) for one in value] if isinstance(value, list) else value for name, value in sent.items()}


def granted(house: House, page: Any, key: Any) -> set[tuple[str, str]]:
    """Return who holds something on one object: permission and id of the person or group."""
    found: set[tuple[str, str]] = set()
    with bound(house.tenant.id):
        for rule in page.rules:
            for table, who in ((rule.group_table, "group_id"), (rule.user_table, "user_id")):
                rows = table.objects.filter(content_object_id=key).values_list("permission__codename", who)
                found |= {(codename, str(pk)) for codename, pk in rows}
    return found


@pytest.mark.parametrize(("model", "page"), HOLDING, ids=[model._meta.label for model, _ in HOLDING])
def test_no_form_grants_to_another_tenants_people(houses: World, ledger: Ledger, model: type[Any], page: Any) -> None:
    """The same form with the house's own group and person is saved, and grants to both."""
    client, own = houses.globex.browser("ada"), houses.globex.row(model)
    path = address(model, "change", own.pk)
    if model is DataModel:  # its own page shows what is in it
        path = reverse("admin:datamodels_holders", args=(own.pk,), urlconf="omni.urls.tenant")
    form, known = as_it_stands(client, path), granted(houses.globex, page, own.pk)
    before = ledger.read()
    try:
        for name, value in holders(page, houses.acme).items():
            answer = client.post(path, form | {name: [*form.get(name, ()), value]})
            assert answer.status_code == 200, name
            assert name in answer.context["adminform"].form.errors
            assert not shows(answer)
        assert granted(houses.globex, page, own.pk) == known
        assert changed(before, ledger.read(), houses.acme, houses.globex) <= {SESSION}
        saved = client.post(path, form | holders(page, houses.globex))
        assert saved.status_code == 302, saved.context["errors"]
        of_both = {
            (rule.codename, str(who.pk)) for rule in page.rules for who in (houses.globex.group, houses.globex.person)
        }
        assert granted(houses.globex, page, own.pk) == of_both
        assert changed(before, ledger.read(), houses.acme) == set()
    finally:
        client.post(path, form)
    assert granted(houses.globex, page, own.pk) == known


def fk_of(model: type[Any], parent: type[Any]) -> str:
    return str(
        next(
            field.name
            for field in model._meta.local_fields
            if field.related_model and issubclass(parent, field.related_model)
        )
    )


@pytest.mark.parametrize(("model", "page"), PAGES, ids=IDS)
def test_no_filter_or_search_finds_another_tenants_row(houses: World, model: type[Any], page: Any) -> None:
    client = houses.globex.browser("ada")
    asked = [
        {"q": CANARY},
        {"q": theirs(houses.acme, model)},
        {"tenant": str(houses.acme.tenant.id)},
        {"tenant__id__exact": str(houses.acme.tenant.id)},
    ]
    for field in relations(model):
        key = theirs(houses.acme, field.related_model)
        asked += [{f"{field.name}__id__exact": key}, {f"{field.name}": key}, {f"{field.name}__isnull": "False"}]
    for query in asked:
        answer = client.get(address(model, "changelist"), query_params=query, follow=True)
        assert answer.status_code in (200, 400), query
        assert not shows(answer) or CANARY in query.values(), query
    history = client.get(address(model, "history", theirs(houses.acme, model)), follow=True)
    assert not shows(history)


def test_the_houses_own_administrator_finds_these_rows(houses: World) -> None:
    client = houses.acme.browser("ada")
    found = [model._meta.label for model, _ in PAGES if shows(client.get(address(model, "changelist")))]
    assert len(found) > 8


def fields() -> list[tuple[str, str, str]]:
    """Return every field that autocomplete could be asked about: of each page and each inline."""
    models = {model for model, _ in PAGES} | {inline.model for _, page in PAGES for inline in page.inlines}
    return sorted(
        (model._meta.app_label, model._meta.model_name, field.name) for model in models for field in relations(model)
    )


def test_no_autocomplete_offers_another_tenants_row(houses: World) -> None:
    own, other, offered = houses.acme.browser("ada"), houses.globex.browser("ada"), 0
    for app_label, model_name, field_name in fields():
        for term in ("", CANARY, "acme"):
            query = {"app_label": app_label, "model_name": model_name, "field_name": field_name, "term": term}
            answer = other.get("/admin/autocomplete/", query_params=query)
            assert answer.status_code in (200, 403, 404), query
            assert not shows(answer), query
        offered += shows(own.get("/admin/autocomplete/", query_params=query | {"term": ""}))
    assert offered > 0


def test_no_search_of_the_administration_finds_another_tenants_row(houses: World) -> None:
    for term in (CANARY, "acme", "ann@acme"):
        assert not shows(
            houses.globex.browser("ada").get("/admin/search/", query_params={"s": "x" if term == CANARY else term})
        )
