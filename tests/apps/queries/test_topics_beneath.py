"""A query view asks another topic: what that topic closes in its own views holds, whatever the outer topic says of its own."""

import os
import subprocess
import sys
from datetime import datetime

import pytest

from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.accounts.models import User, UserGroup
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.governance.fields import open_fields
from apps.queries.services import answer
from apps.queries.types import Answer
from apps.semantic.model.reading import read_model
from tests.apps.queries.conftest import CANARY, MODEL, analysts, ask, eve, join, max_, sales, source

__all__ = ["analysts", "ask", "eve", "join", "max_", "sales", "source"]
OWN = """base_view: orders
views:
  orders:
    access_filters: [{field: region, user_attribute: region, values_for_unfiltered: [ALL]}]
    dimensions: {email: {mask_unless_access_grants: [finance]}}
"""
FILES = {
    "model.yaml": MODEL["model.yaml"],
    "orders.view.yaml": "schema: main\ntable_name: orders\ndimensions: {region: {}, email: {}}\nmeasures: {count: {aggregate_type: count}}\n",
    "states.view.yaml": "schema: main\ntable_name: orders\ndimensions: {status: {}}\n",
    "Sales.topic.yaml": OWN,
    "facts.query.view.yaml": "query:\n  topic: Sales\n  fields: {orders.region: region, orders.email: email, orders.count: n}\n"
    "dimensions: {region: {}, email: {}, n: {}}\n",
}
RELATED = """relationships:
- {join_from_view: facts, join_to_view: states, relationship_type: many_to_many, on_sql: '${facts.region} = ${states.status}'}
"""


@pytest.mark.parametrize(
    "more", ["", RELATED, "views: {facts: {label: Facts}}\n", "views: {facts: {label: F}}\n" + RELATED]
)
def test_what_the_topic_beneath_closes_holds(
    sales: Dataset, eve: User, analysts: UserGroup, now: datetime, more: str
) -> None:
    files = FILES | {"Outer.topic.yaml": "base_view: facts\n" + more}
    import_files(connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)
    outer = Dataset.objects.get(name="Outer")
    grant_permission(group=analysts, permission="query_dataset", obj=outer, by=SYSTEM, now=now)
    asked = {"dataset": "Outer", "fields": ["facts.region", "facts.email"]}
    found = answer(actor_for_user(eve), asked, now=now, wait_s=5)
    assert isinstance(found, Answer)
    assert {region for region, _ in found.rows} == {"EU"}
    assert CANARY not in repr(found.rows)
    assert not any("@" in str(email) for _, email in found.rows)


CLOSED = {
    "model": "access_grants: {fin: {user_attribute: g, allowed_values: [x]}}",
    "orders.view": "dimensions: {region: {}, email: {required_access_grants: [fin]}}\nmeasures: {count: {aggregate_type: count}}",
    "qv.query.view": "query: {base_view: orders, fields: {orders.region: a, orders.email: s, orders.count: n}}\n"
    "dimensions: {a: {}, n: {}, b: {sql: 'UPPER(${a})'}, c: {sql: 'UPPER(${b})'}}",
    "Outer.topic": "base_view: qv",
}


def test_no_field_of_a_query_view_is_open_when_one_that_it_asks_for_is_closed() -> None:
    of = read_model(CLOSED, dialect="duckdb")
    assert open_fields(of, "Outer", frozenset()) == frozenset()
    assert open_fields(of, "Outer", frozenset(("fin",))) == {"qv.a", "qv.n", "qv.s", "qv.b", "qv.c"}


@pytest.mark.parametrize("seed", range(1, 4))
def test_the_order_in_which_fields_are_looked_at_decides_nothing(seed: int) -> None:
    text = (
        "from apps.governance.fields import open_fields\n"
        "from apps.semantic.model.reading import read_model\n"
        f"print(sorted(open_fields(read_model({CLOSED!r}, dialect='duckdb'), 'Outer', frozenset())))\n"
    )
    text = "import django; django.setup()\n" + text
    found = subprocess.run(
        [sys.executable, "-c", text], env=os.environ | {"PYTHONHASHSEED": str(seed)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == "[]"
