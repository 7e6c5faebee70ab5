"""A model that was published by older rules and has faults by today's: nothing of it is shown, and everybody is told."""

import io

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.access.selectors import actor_for_user
from apps.accounts.models import User
from apps.dashboards.models import Dashboard
from apps.datamodels.models import Dataset, ModelFile
from apps.datamodels.selectors import current_version, meaning_or_none, problems_of
from apps.governance.offering import listed_datasets
from apps.governance.reviewed import conditions
from tests import databases
from tests.apps.dashboards.conftest import Browse
from tests.apps.dashboards.test_pages import PAGE, text, tile_urls
from tests.environment import WORKER

FAULT = "\nmeasures_of_old: ["


@pytest.fixture
def reader(ann: User, dashboard: Dashboard, sales: Dataset, give) -> User:
    give(ann, ("view_dashboard", dashboard), ("query_dataset", sales), country=["NO"])
    return ann


@pytest.fixture
def spoil(sales: Dataset):
    """Give the published version a fault, as newer rules do."""

    def spoiled() -> None:
        version = current_version(sales.data_model)
        file = ModelFile.objects.filter(version=version, path__contains=".view").first()
        with psycopg.connect(
            databases.admin_url(f"omni_test_{WORKER}"), autocommit=True
        ) as superuser:  # nobody else changes what is published
            superuser.execute("SET session_replication_role = replica")
            superuser.execute("UPDATE datamodels_modelfile SET content = content || %s WHERE id = %s", (FAULT, file.pk))
            superuser.execute(
                "UPDATE datamodels_modelversion SET digest = repeat('0', 64) WHERE id = %s", (version.pk,)
            )

    return spoiled


def checked(*slugs: str) -> str:
    out = io.StringIO()
    try:
        call_command("check_models", *slugs, stdout=out)
    except CommandError as error:
        return f"{out.getvalue()}{error}"
    return out.getvalue()


def test_tiles_lists_and_reviews_say_so_and_show_nothing(
    reader: User, dashboard: Dashboard, sales: Dataset, browse: Browse, spoil
) -> None:
    page = browse(reader)
    urls = tile_urls(page, dashboard)
    before = [text(page.get(url)) for url in urls.values()]
    assert not any("has to repair" in found for found in before)
    assert [item.pk for item in listed_datasets(actor_for_user(reader))] == [sales.pk]
    spoil()
    assert page.get(PAGE).status_code == 200
    for url in urls.values():
        shown = page.get(url)
        assert shown.status_code == 200
        assert "its data team has to repair the model" in text(shown)
        assert "<td" not in shown.content.decode()
    assert listed_datasets(actor_for_user(reader)) == []
    assert conditions([(actor_for_user(reader), sales)]) == ["closed: the published model has faults by today's rules"]
    version = current_version(sales.data_model)
    assert meaning_or_none(version) is None
    assert any("expected" in problem.message or problem.line for problem in problems_of(version))


def test_the_api_answers_with_one_clear_problem(reader: User, sales: Dataset, browse: Browse, spoil) -> None:
    page: Client = browse(reader)
    fields = sorted(current_version_fields(sales))[:1]
    question = {"dataset": sales.name, "fields": fields}
    assert page.post("/api/v1/query", question, content_type="application/json").status_code == 200
    spoil()
    refused = page.post("/api/v1/query", question, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (503, "unreadable_model")
    assert page.get("/api/v1/datasets").json() == {"datasets": []}
    assert page.get(f"/api/v1/datasets/{sales.name}").status_code == 503


def current_version_fields(sales: Dataset) -> frozenset[str]:
    meaning = meaning_or_none(current_version(sales.data_model))
    assert meaning is not None
    return frozenset(name for name in meaning.topics[sales.name].fields if meaning.measure(name) is not None)


def test_the_command_tells_before_an_upgrade_is_let_loose(sales: Dataset, spoil) -> None:
    assert "1 published models, all as they should be" in checked()
    assert checked("acme") == checked()
    assert "no active tenant nobody" in checked("nobody")
    spoil()
    told = checked()
    assert "acme\t" in told
    assert "1 of 1 published models cannot be asked" in told
