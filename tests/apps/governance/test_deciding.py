"""What decides on a data set, where something of it is not there; and the limits in words."""

from datetime import datetime
from uuid import uuid4

import pytest

from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.access.types import Actor, SupportScope
from apps.accounts.models import User, UserGroup
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.datamodels.models import Dataset, ModelVersion
from apps.datamodels.selectors import current_version
from apps.datamodels.services import import_files
from apps.governance.deciding import decide_in
from apps.governance.selectors import governed, governed_by_name, governed_version, limits_of
from apps.semantic.errors import UnknownDatasetError
from apps.semantic.scope import AccessScope, RowPolicy
from apps.tenants.types import TenantRef
from tests.apps.governance.test_scopes import MODEL
from tests.apps.queries.conftest import analysts, ask, eve, max_, nil, sales, source

__all__ = ["analysts", "ask", "eve", "max_", "nil", "sales", "source"]

COMPOSITES = {
    "model.yaml": "access_grants: {finance: {user_attribute: omni_user_groups, allowed_values: [Finance]}}\n",
    "staff.view.yaml": "schema: main\ntable_name: orders\ndimensions: {status: {}}\nmeasures: {count: {aggregate_type: count}}\n",
    "Staff.topic.yaml": "base_view: staff\n",
    "Jobs.topic.yaml": "base_view: staff\n",
    "Payroll.topic.yaml": "base_view: staff\nrequired_access_grants: [finance]\n",
    "Open.composite_topic.yaml": "topics: [Staff, Jobs]\n"
    "shared_dimensions: {status: {mappings: {Staff: staff.status, Jobs: staff.status}}}\n",
    "Shut.composite_topic.yaml": "topics: [Staff, Payroll]\n"
    "shared_dimensions: {status: {mappings: {Staff: staff.status, Payroll: staff.status}}}\n",
}


def test_without_a_published_model_nothing_is_open_and_no_grant_passes(sales: Dataset, eve: User) -> None:
    actor = actor_for_user(eve)
    assert decide_in(current_version(sales.data_model), actor, sales).is_open
    found = decide_in(None, actor, sales)
    assert not found.is_open
    assert found.passed == frozenset()


def test_a_data_set_that_its_model_no_longer_has_reads_like_one_that_never_was(sales: Dataset, eve: User) -> None:
    actor = actor_for_user(eve)
    gone = Dataset(name="Gone", data_model=sales.data_model)
    assert not decide_in(current_version(sales.data_model), actor, gone).is_open
    assert governed_version(actor, sales)
    with pytest.raises(UnknownDatasetError, match="There is no data set “Gone”"):
        governed_version(actor, gone)


def test_a_data_set_whose_model_is_not_published_is_none(sales: Dataset, eve: User) -> None:
    actor = actor_for_user(eve)
    assert governed_by_name(actor, "Sales")
    ModelVersion.objects.filter(data_model=sales.data_model).update(is_current=False)
    for ask_ in (lambda: governed_by_name(actor, "Sales"), lambda: governed(actor, Dataset.objects.get(pk=sales.pk))):
        with pytest.raises(UnknownDatasetError):
            ask_()


def test_a_composite_over_a_closed_topic_reads_like_none(
    sales: Dataset, eve: User, analysts: UserGroup, now: datetime
) -> None:
    connection = Connection.objects.get(name="orders")
    import_files(connection=connection, name="more", files=COMPOSITES, publish=True, by=SYSTEM, now=now)
    for name in ("Open", "Shut"):
        dataset = Dataset.objects.get(name=name)
        grant_permission(group=analysts, permission="query_dataset", obj=dataset, by=SYSTEM, now=now)
    assert governed_by_name(actor_for_user(eve), "Open")
    with pytest.raises(UnknownDatasetError):
        governed_by_name(actor_for_user(eve), "Shut")


def test_a_name_that_no_text_in_the_database_can_be_is_no_data_set(sales: Dataset, eve: User) -> None:
    actor = actor_for_user(eve)
    assert governed_by_name(actor, "Sales").dataset == sales
    for name in ("Sales\x00", "\x00", "Sale"):
        with pytest.raises(UnknownDatasetError):
            governed_by_name(actor, name)


def test_a_support_session_asks_by_name_for_what_was_approved(sales: Dataset, acme: TenantRef) -> None:
    def sam(*approved: Dataset, sees: bool = True) -> Actor:
        ids = frozenset(item.pk for item in approved)
        scope = SupportScope(uuid4(), uuid4(), ids, sees_values=sees, staff_label="Sam")
        return Actor("support", acme.id, None, "Sam", support=scope)

    assert governed_by_name(sam(sales), "Sales").scope == governed(sam(sales), sales).scope
    assert not governed_by_name(sam(sales), "Sales").hides_values
    assert governed_by_name(sam(sales, sees=False), "Sales").hides_values
    with pytest.raises(UnknownDatasetError):
        governed_by_name(sam(), "Sales")


def limits(
    *policies: RowPolicy, fields: tuple[str, ...] = ("orders.region",), **rest: frozenset[str]
) -> tuple[str, ...]:
    of = AccessScope("Orders", frozenset(fields), row_policies={"orders": policies}, **rest)
    return limits_of(MODEL, of, hides_values=False)


def test_limits_in_words_name_the_first_values_and_open_fields_only() -> None:
    few = RowPolicy("orders.region", ("A", "B"), "region", "orders:1")
    many = RowPolicy("orders.region", (*"ABCDEF",), "region", "orders:1")
    gone = RowPolicy("orders.none", ("A",), "place", "orders:1")
    assert limits(few) == ("Only rows where Region is A, B",)
    assert limits(many) == ("Only rows where Region is A, B, C, D, E …",)
    assert limits(few, fields=()) == ("Only rows for your region: A, B",)
    assert limits(gone, fields=("orders.none",)) == ("Only rows for your place: A",)


def test_masks_in_words_name_open_fields_only() -> None:
    masked = frozenset(("orders.email", "orders.cost", "orders.none"))
    assert limits(fields=("orders.email", "orders.none"), masked=masked) == ("Masked: Email",)
    assert limits(fields=("orders.region",), masked=masked) == ()
