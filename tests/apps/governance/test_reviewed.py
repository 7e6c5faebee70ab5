"""The column "model" of an access review: what it says of each person is what the same person is answered."""

import csv
import io
from collections.abc import Callable
from datetime import datetime

import pytest

from apps.access import reviewing
from apps.access.exporting import as_csv
from apps.access.services import grant_permission
from apps.accounts.models import User, UserAttribute, UserGroup
from apps.audit.types import SYSTEM
from apps.dashboards.models import Dashboard
from apps.datamodels.models import DataModel, Dataset, ModelVersion
from apps.datamodels.services import import_files
from apps.queries.errors import QueryError
from tests.apps.queries.conftest import MODEL, Ask, analysts, ask, eve, join, max_, nil, sales, source

__all__ = ["analysts", "ask", "eve", "max_", "nil", "sales", "source"]
GUARDED = MODEL | {"Sales.topic.yaml": MODEL["Sales.topic.yaml"] + "required_access_grants: [finance]\n"}
NOT_IN_FINANCE = "closed: the model asks for finance"


@pytest.fixture
def finance(eve: User, max_: User, nil: User) -> UserGroup:
    """Eve and Max are in it; Nil, who has no region, is in it too."""
    group = UserGroup.objects.create(name="Finance")
    for person in (eve, max_, nil):
        join(person, group)
    return group


@pytest.fixture
def gil(analysts: UserGroup, make_person: Callable[..., User]) -> User:
    """May query Sales, in two regions, and is not in Finance."""
    return join(make_person("gil@acme.example"), analysts, "US", "EU")


def publish(sales: Dataset, files: dict[str, str], now: datetime) -> None:
    model = sales.data_model
    import_files(connection=model.connection, name=model.name, files=files, publish=True, by=SYSTEM, now=now)


def column(sales: Dataset) -> dict[str, str]:
    """Return what the review of the data set says of each person."""
    return {entry.email: entry.condition for entry in reviewing.WhoSees("dataset", sales).whole()}


def rows(ask: Ask, who: User) -> int | None:
    """Return how many orders somebody is told of; None for a refusal."""
    try:
        return sum(row[1] for row in ask(who, "orders.region", "orders.count").rows)
    except QueryError:
        return None


def test_row_policies_are_said_as_they_are_answered(
    sales: Dataset, ask: Ask, eve: User, max_: User, nil: User, gil: User
) -> None:
    said = column(sales)
    assert said == {
        eve.email: "rows where orders.region is EU", max_.email: "all rows of orders.region",
        nil.email: "no rows: region is not set", gil.email: "rows where orders.region is EU, US",
    }  # fmt: skip
    assert [rows(ask, who) for who in (eve, max_, nil, gil)] == [3, 7, None, 7]
    UserAttribute.objects.filter(user=eve).update(values=["US"])
    assert column(sales) == said | {eve.email: "rows where orders.region is US"}
    assert rows(ask, eve) == 4


def test_of_many_values_none_is_left_out(sales: Dataset, ask: Ask, gil: User) -> None:
    """Who signs a review off has seen the seventh value too, and a change of it is another review."""
    regions = ["A", "B", "C", "D", "E", "F", "US"]
    UserAttribute.objects.filter(user=gil).update(values=regions)
    assert column(sales)[gil.email] == "rows where orders.region is A, B, C, D, E, F, US"
    assert rows(ask, gil) == 4


def test_the_models_own_grants_are_said_as_they_are_answered(
    sales: Dataset, ask: Ask, finance: UserGroup, eve: User, max_: User, nil: User, gil: User, now: datetime
) -> None:
    assert rows(ask, gil) == 7
    publish(sales, GUARDED, now)
    assert column(sales) == {
        eve.email: "open by its grants; rows where orders.region is EU", max_.email: "open by its grants; all rows of orders.region",
        nil.email: "open by its grants; no rows: region is not set",
        gil.email: f"{NOT_IN_FINANCE}; rows where orders.region is EU, US",
    }  # fmt: skip
    assert [rows(ask, who) for who in (eve, max_, nil, gil)] == [3, 7, None, None]
    finance.memberships.filter(user=eve).delete()
    join(gil, finance)
    said = column(sales)
    assert said[eve.email].startswith(NOT_IN_FINANCE)
    assert said[gil.email].startswith("open by its grants")
    assert [rows(ask, who) for who in (eve, gil)] == [None, 7]


def test_a_data_set_that_the_published_model_has_no_more_is_closed_to_all(
    sales: Dataset, ask: Ask, eve: User, max_: User, now: datetime
) -> None:
    assert rows(ask, eve) == 3
    others = {path.replace("Sales.topic", "Others.topic"): content for path, content in MODEL.items()}
    publish(sales, others, now)
    assert set(column(sales).values()) == {"closed: the published model has no such data set"}
    assert rows(ask, eve) is None


def test_a_data_set_whose_model_is_not_published_is_closed_to_all(sales: Dataset, ask: Ask, eve: User) -> None:
    assert column(sales)[eve.email] == "rows where orders.region is EU"
    ModelVersion.objects.update(is_current=False)
    assert set(column(sales).values()) == {"closed: the published model has no such data set"}
    assert rows(ask, eve) is None


def test_an_administrator_who_was_granted_nothing_is_not_said_to_see_rows(sales: Dataset, ask: Ask, ada: User) -> None:
    assert ada.email not in column(sales)
    assert rows(ask, ada) is None


def test_what_a_person_sees_has_the_column_too_and_so_has_the_file(
    sales: Dataset, eve: User, max_: User, finance: UserGroup, now: datetime
) -> None:
    """A person's own page reads several objects at once: each line has what holds for its own."""
    publish(sales, GUARDED | {"Open.topic.yaml": "base_view: orders\nlabel: Open\n"}, now)
    grant_permission(user=eve, permission="query_dataset", obj=Dataset.objects.get(name="Open"), by=SYSTEM, now=now)
    board = Dashboard.objects.create(slug="board", title="Board")
    grant_permission(user=eve, permission="view_dashboard", obj=board, by=SYSTEM, now=now)
    found = {(entry.kind, entry.object): entry.condition for entry in reviewing.WhatSees(eve).whole()}
    assert found == {
        ("Data set", "Sales"): "open by its grants; rows where orders.region is EU",
        ("Data set", "Open"): "rows where orders.region is EU",
        ("Dashboard", "Board"): "",
    }
    file = list(csv.DictReader(io.StringIO(as_csv(list(reviewing.WhoSees("dataset", sales).whole())).decode())))
    assert {row["email"]: row["model"] for row in file} == column(sales)
    assert DataModel.objects.count() == 1
