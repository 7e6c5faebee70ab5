"""The one statement of every question says what the ORM and guardian say."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission, revoke_permission
from apps.accounts.models import AttributeDefinition, GroupMembership, User, UserAttribute, UserGroup
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.services import save_connection
from apps.datamodels.models import Dataset
from apps.datamodels.selectors import current_version
from apps.datamodels.services import import_files
from apps.governance.reading import Asked, permitted_sql, read_permitted
from apps.governance.selectors import fingerprint, governed_by_name, governed_version, permitted_dataset
from apps.semantic.errors import UnknownDatasetError
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from apps.vault.models import TenantKey
from apps.vault.services import key_at_hand, keyed_hash
from tests.apps.queries.conftest import MODEL


def by_orm(user: User, name: str) -> Dataset | None:
    try:
        return permitted_dataset(actor_for_user(user), name)
    except UnknownDatasetError:
        return None


def by_hand(user: User, name: str) -> Dataset | None:
    found = read_permitted(actor_for_user(user), name)
    return found[0] if found is not None else None


def test_it_finds_what_was_granted_and_nothing_else(
    sales: Dataset, ann: User, ada: User, now: datetime, globex: TenantRef
) -> None:
    group = UserGroup.objects.create(name="Readers")
    other = UserGroup.objects.create(name="Others")
    GroupMembership.objects.create(user=ann, group=group)
    grant_permission(group=other, permission="query_dataset", obj=sales, by=SYSTEM, now=now)

    def agree(*, ann_may: bool) -> None:
        for person, name in ((ann, "Sales"), (ann, "Nothing"), (ada, "Sales")):
            assert by_hand(person, name) == by_orm(person, name)
        assert (by_hand(ann, "Sales") is not None) == ann_may

    agree(ann_may=False)
    for holder in ({"user": ann}, {"group": group}):
        grant_permission(**holder, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
        agree(ann_may=True)
        revoke_permission(**holder, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
        agree(ann_may=False)
    grant_permission(user=ann, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    with bound(globex.id):
        assert read_permitted(actor_for_user(ann), "Sales") is None
    Dataset.objects.update(is_published=False)
    agree(ann_may=False)


def test_an_answer_is_of_the_one_for_whom_it_was_asked(sales: Dataset, ann: User, bob: User, globex: TenantRef) -> None:
    own = actor_for_user(ann)
    asked = Asked(own.tenant_id, ann.pk, "Sales", lambda: None)
    assert asked.is_of(own, "Sales")
    assert not asked.is_of(own, "Others")
    assert not asked.is_of(actor_for_user(bob), "Sales")
    assert not replace(asked, tenant_id=globex.id).is_of(own, "Sales")
    assert not replace(asked, person_id=None).is_of(replace(own, user_id=None), "Sales")


def test_it_brings_the_rows_that_the_orm_brings(sales: Dataset, ann: User, now: datetime) -> None:
    grant_permission(user=ann, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    actor = actor_for_user(ann)
    found = read_permitted(actor, "Sales")
    assert found is not None
    dataset, version = found
    assert version == current_version(sales.data_model)
    data_model = sales.data_model
    pairs = (
        (dataset, sales), (dataset.data_model, data_model), (dataset.data_model.connection, data_model.connection),
    )  # fmt: skip
    with CaptureQueriesContext(connection) as further:
        for ours, theirs in pairs:
            for field in theirs._meta.concrete_fields:
                if field.attname not in ours.get_deferred_fields():
                    assert getattr(ours, field.attname) == getattr(theirs, field.attname), field
        assert "sealed_credential" in dataset.data_model.connection.get_deferred_fields()
    assert not further.captured_queries


def test_a_destroyed_key_is_gone_at_the_next_question(sales: Dataset, ann: User, now: datetime) -> None:
    grant_permission(user=ann, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    actor = actor_for_user(ann)
    with key_at_hand():
        read_permitted(actor, "Sales")
        with CaptureQueriesContext(connection) as further:
            held = keyed_hash("test", b"x")
        assert not further.captured_queries
    assert held == keyed_hash("test", b"x")
    TenantKey.objects.update(destroyed_at=now)
    with key_at_hand():
        read_permitted(actor, "Sales")
        with pytest.raises(Exception, match="no key"):
            keyed_hash("test", b"x")


def test_rights_worked_out_once_are_those_worked_out_anew(sales: Dataset, eve: User, max_: User) -> None:
    first, second = (governed_by_name(actor_for_user(person), "Sales") for person in (eve, max_))
    again = governed_version(actor_for_user(eve), sales)
    assert first.scope == again.scope
    assert first.limits == again.limits
    assert first.scope.fingerprint == fingerprint(first.scope, sales, str(first.version.pk), hides_values=False)
    assert first.scope.fingerprint != second.scope.fingerprint


def test_the_statement_reads_no_table_from_end_to_end(sales: Dataset, ann: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        params = {"tenant": sales.tenant_id, "name": "Sales", "person": ann.pk}
        cursor.execute(f"EXPLAIN {permitted_sql()}", params)
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    assert "Seq Scan" not in plan


def test_equal_rights_are_told_in_the_words_of_each(
    acme: TenantRef, source: Path, ann: User, bob: User, now: datetime
) -> None:
    connection_ = Connection(name="orders", dialect="duckdb", database="acme.duckdb")
    save_connection(connection_, secret=None, by=SYSTEM, now=now)
    rule = "  - {field: region, user_attribute: %s, values_for_unfiltered: [ALL]}\n"
    view = MODEL["orders.view.yaml"].replace("  region: {}", "  region: {required_access_grants: [finance]}")
    view = view.replace(rule % "region", (rule % "home") + (rule % "away"))
    held = {"home": ("EU", "ALL"), "away": ("ALL", "EU")}
    for name in held:
        AttributeDefinition.objects.create(name=name, is_list=True)
    import_files(
        connection=connection_, name="orders", files=MODEL | {"orders.view.yaml": view}, publish=True, by=SYSTEM, now=now
    )  # fmt: skip
    sales = Dataset.objects.get(name="Sales")
    for place, person in enumerate((ann, bob)):
        grant_permission(user=person, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
        for name, values in held.items():
            definition = AttributeDefinition.objects.get(name=name)
            UserAttribute.objects.create(user=person, definition=definition, values=[values[place]])
    first, second = (governed_by_name(actor_for_user(person), "Sales") for person in (ann, bob))
    assert first.scope.fingerprint == second.scope.fingerprint
    assert (first.limits[0], second.limits[0]) == ("Only rows for your home: EU", "Only rows for your away: EU")
