"""Hidden data sets and fields: out of lists, pickers and suggestions; a name that may be asked still answers."""

from datetime import datetime

import pytest
from django.http import HttpRequest

from apps.access.selectors import actor_for_user
from apps.access.sites import tenant_admin_site
from apps.accounts.models import GroupMembership, User, UserGroup
from apps.audit.types import SYSTEM
from apps.dashboards.admin import KnownDatasetsInline
from apps.dashboards.models import DashboardFilter
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.governance.offering import listed_datasets
from tests.apps.queries.conftest import MODEL, Ask
from tests.apps.queries.test_api import QUESTION, Send, send

__all__ = ["send"]

DEFAULT = "default_topic_hidden_unless_access_grants: [finance]\n"


def publish(sales: Dataset, now: datetime, topic: str = "", model: str = "") -> None:
    files = MODEL | {
        "Sales.topic.yaml": MODEL["Sales.topic.yaml"] + topic, "model.yaml": MODEL["model.yaml"] + model,
    }  # fmt: skip
    connection = sales.data_model.connection
    import_files(connection=connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)


def names(send: Send, user: User) -> list[str]:
    return [item["name"] for item in send(user, "/api/v1/datasets").json()["datasets"]]


@pytest.mark.parametrize(
    ("topic", "model"),
    [
        ("hidden: true\n", ""),
        ("hidden_unless_access_grants: [finance]\n", ""),
        ("hidden_unless_access_grants: [no_such_grant]\n", ""),
        ("", DEFAULT),
    ],
)
def test_a_hidden_data_set_is_not_listed_and_answers_by_name(
    send: Send, sales: Dataset, eve: User, ask: Ask, now: datetime, topic: str, model: str
) -> None:
    assert names(send, eve) == ["Sales"]
    publish(sales, now, topic, model)
    assert names(send, eve) == []
    assert listed_datasets(actor_for_user(eve)) == []
    assert send(eve, body=QUESTION).json()["rows"] == [["EU", 60.0]]
    assert send(eve, "/api/v1/datasets/Sales").status_code == 200


@pytest.mark.parametrize(
    ("topic", "model"),
    [
        ("hidden: false\n", ""),
        ("hidden_unless_access_grants: [finance]\n", ""),
        ("hidden_unless_access_grants: []\n", "default_topic_hidden_unless_access_grants: [no_such_grant]\n"),
        ("hidden_unless_access_grants: ['no_such_grant|finance']\n", ""),
    ],
)
def test_whose_grants_pass_has_it_in_their_lists(
    send: Send, sales: Dataset, max_: User, now: datetime, topic: str, model: str
) -> None:
    GroupMembership.objects.create(user=max_, group=UserGroup.objects.create(name="Finance"))
    publish(sales, now, topic, model)
    assert names(send, max_) == ["Sales"]


def test_hiding_gives_no_right_and_takes_none(send: Send, sales: Dataset, ada: User, now: datetime) -> None:
    publish(sales, now, "hidden_unless_access_grants: []\n")
    assert names(send, ada) == []
    assert send(ada, body=QUESTION).status_code == 404


def test_a_hidden_field_is_not_described_and_answers_by_name(send: Send, eve: User) -> None:
    described = {item["name"] for item in send(eve, "/api/v1/datasets/Sales").json()["fields"]}
    assert "orders.price" not in described
    assert "orders.region" in described
    answer = send(eve, body={"dataset": "Sales", "fields": ["orders.price"]})
    assert [row[0] for row in answer.json()["rows"]] == [10.0, 20.0, 30.0]


def test_the_picker_of_data_sets_offers_what_the_lists_show(
    sales: Dataset, eve: User, ada: User, now: datetime
) -> None:
    def offered(user: User) -> list[str]:
        request = HttpRequest()
        request.actor = actor_for_user(user)
        request.user = user
        inline = type("Filters", (KnownDatasetsInline,), {"model": DashboardFilter})(DashboardFilter, tenant_admin_site)
        field = inline.formfield_for_foreignkey(DashboardFilter._meta.get_field("dataset"), request)
        return [item.name for item in field.queryset]

    assert offered(eve) == offered(ada) == ["Sales"]
    publish(sales, now, "hidden: true\n")
    assert offered(eve) == offered(ada) == []
