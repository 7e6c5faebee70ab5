"""Schema refresh: the worker reads the source, news become proposals that nobody sees, losses become problems."""

from datetime import datetime
from pathlib import Path

import pytest
from celery import current_app
from sqlglot import exp

from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.accounts.models import AttributeDefinition, User
from apps.accounts.services import set_attribute
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.connections.models import CatalogTable
from apps.datamodels import services
from apps.datamodels.catalogue import TableColumns, kinds_in_source, propose
from apps.datamodels.errors import DraftChangedError, FileRefusedError, PublishRefusedError, SourceSilentError
from apps.datamodels.models import DataModel, Dataset, ModelVersion
from apps.datamodels.selectors import current_version, files_of, problems_of, unclassified_fields
from apps.governance.selectors import scope_for
from apps.semantic.model.kinds import check_kinds
from apps.semantic.model.reading import read_model
from tests.apps.datamodels.conftest import FILES, ORDERS, Change, Publish

VIEW = "orders.view.yaml"


@pytest.fixture
def refreshed(shop: DataModel, alter: Change, ada: User, now: datetime) -> ModelVersion:
    """The draft after a column and a table came at the source."""
    alter("ALTER TABLE orders ADD COLUMN email VARCHAR", "CREATE TABLE customers (id INT, born DATE)")
    draft = services.refresh_schema(shop, by=actor_for_user(ada), now=now).draft
    assert draft is not None
    return draft


def test_new_columns_and_tables_are_proposed_and_the_text_around_them_stays(refreshed: ModelVersion) -> None:
    files = files_of(refreshed)
    proposed = "  email: {classification: unclassified}\n"
    assert proposed in files[VIEW]
    assert files[VIEW].replace(proposed, "") == ORDERS
    assert files["customers.view.yaml"].splitlines()[1:] == [
        "schema: 'main'",
        "table_name: 'customers'",
        "dimensions:",
        "  id: {classification: unclassified}",
        "  born: {timeframes: [raw, date, week, month, quarter, year], convert_tz: false, classification: unclassified}",
    ]
    assert [item.id for item in unclassified_fields(refreshed)] == ["customers.id", "customers.born", "orders.email"]
    assert {path for path in files if files[path] != FILES.get(path)} == {VIEW, "customers.view.yaml"}
    assert AuditEvent.objects.get(verb="datamodels.schema_refreshed").facts["fields"] == ["orders.email"]


def test_a_source_without_news_makes_no_draft(shop: DataModel, now: datetime) -> None:
    outcome = services.refresh_schema(shop, by=SYSTEM, now=now)
    assert outcome.draft is None
    assert ModelVersion.objects.count() == 1


def test_a_second_refresh_adds_to_the_open_draft_what_came_since(
    shop: DataModel, refreshed: ModelVersion, alter: Change, now: datetime
) -> None:
    draft = services.classify_fields(
        refreshed, {"orders.email": "personal"}, digest=refreshed.digest, by=SYSTEM, now=now
    )
    alter("ALTER TABLE orders ADD COLUMN phone VARCHAR")
    again = services.refresh_schema(shop, by=SYSTEM, now=now)
    assert again.draft == draft
    assert again.refresh.new_fields == ("orders.phone",)
    assert "  email: {classification: personal}\n  phone: {classification: unclassified}\n" in files_of(draft)[VIEW]


def test_what_is_gone_at_the_source_is_a_problem_at_its_line_and_stays_in_the_files(
    shop: DataModel, alter: Change, now: datetime
) -> None:
    alter("ALTER TABLE orders DROP COLUMN country", "ALTER TABLE orders ADD COLUMN land VARCHAR")
    outcome = services.refresh_schema(shop, by=SYSTEM, now=now)
    assert outcome.draft is not None
    (problem,) = [item for item in problems_of(outcome.draft) if item.file == VIEW]
    assert problem in outcome.refresh.missing
    assert (problem.line, problem.is_warning) == (5, True)
    assert "reads the column “country”" in problem.message
    assert "  country: {}   # where it went\n" in files_of(outcome.draft)[VIEW]
    alter("DROP TABLE orders")
    (problem,) = services.refresh_schema(shop, by=SYSTEM, now=now).refresh.missing
    assert "no table “orders”" in problem.message


def test_nobody_sees_a_proposed_field_until_it_is_classified_and_published(
    shop: DataModel, refreshed: ModelVersion, ann: User, now: datetime
) -> None:
    dataset = Dataset.objects.get(name="Sales")
    grant_permission(user=ann, permission="query_dataset", obj=dataset, by=SYSTEM, now=now)
    country = AttributeDefinition.objects.get(name="country")
    set_attribute(user=ann, definition=country, values=["ALL"], by=SYSTEM, now=now)

    def seen() -> frozenset[str]:
        return scope_for(actor_for_user(ann), Dataset.objects.get(name="Sales")).fields

    services.publish_version(refreshed, by=SYSTEM, now=now)
    assert "orders.email" not in seen()
    assert "orders.country" in seen()
    draft = services.open_draft(shop, by=SYSTEM, now=now)
    draft = services.classify_fields(draft, {"orders.email": "internal"}, digest=draft.digest, by=SYSTEM, now=now)
    assert "orders.email" not in seen()
    services.publish_version(draft, by=SYSTEM, now=now)
    assert "orders.email" in seen()


def test_classifying_writes_at_exactly_that_field(refreshed: ModelVersion, ada: User, now: datetime) -> None:
    labels = {"orders.email": "personal", "customers.id": "internal"}
    before = files_of(refreshed)
    draft = services.classify_fields(refreshed, labels, digest=refreshed.digest, by=actor_for_user(ada), now=now)
    after = files_of(draft)
    assert after[VIEW] == before[VIEW].replace(
        "email: {classification: unclassified}", "email: {classification: personal}"
    )
    assert after["customers.view.yaml"] == before["customers.view.yaml"].replace(
        "id: {classification: unclassified}", "id: {classification: internal}"
    )
    assert [item.id for item in unclassified_fields(draft)] == ["customers.born"]
    event = AuditEvent.objects.filter(verb="datamodels.draft_saved").latest("sequence")
    assert (event.facts["kind"], event.facts["personal"]) == ("classified", ["orders.email"])


@pytest.mark.parametrize(
    "labels",
    [
        {"orders.email": "unclassified"},
        {"orders.email": ""},
        {"orders.email": "secret"},
        {"orders.country": "public"},
        {"x": "public"},
    ],
)
def test_what_cannot_be_classified_is_refused_and_nothing_saved(
    refreshed: ModelVersion, now: datetime, labels: dict[str, str]
) -> None:
    before = files_of(refreshed)
    with pytest.raises(FileRefusedError):
        services.classify_fields(
            refreshed, {"customers.id": "public", **labels}, digest=refreshed.digest, by=SYSTEM, now=now
        )
    assert files_of(refreshed) == before


def test_classifying_what_has_changed_meanwhile_is_refused(refreshed: ModelVersion, now: datetime) -> None:
    labels = {"orders.email": "public"}
    with pytest.raises(DraftChangedError):
        services.classify_fields(refreshed, labels, digest="another", by=SYSTEM, now=now)
    services.classify_fields(refreshed, labels, digest=refreshed.digest, by=SYSTEM, now=now)


def test_a_source_that_cannot_be_reached_says_so_and_proposes_nothing(
    shop: DataModel, database_file: Path, now: datetime
) -> None:
    database_file.unlink()
    with pytest.raises(SourceSilentError, match="no such file"):
        services.refresh_schema(shop, by=SYSTEM, now=now)
    assert ModelVersion.objects.count() == 1


def test_without_a_worker_the_refresh_ends(shop: DataModel, now: datetime) -> None:
    current_app.conf.task_always_eager = False  # the message is sent, and nobody takes it
    try:
        with pytest.raises(SourceSilentError, match="No worker answered"):
            services.refresh_schema(shop, by=SYSTEM, now=now, wait_s=0.3)
    finally:
        current_app.conf.task_always_eager = True
    assert not CatalogTable.objects.exists()


HOSTILE = (
    ("Order Date", "TIMESTAMP"), ('a"b', "INT"), ("x: {hidden: true}", "INT"), ("# note", "INT"), ("${id}", "INT"),
    ("two\nlines", "INT"), ("{{omni_attributes.x}}", "INT"), ("1st", "INT"), ("COUNTRY", "INT"), ("größe", "INT"),
    ("count", "INT"), ("no", "BOOLEAN"), ("it's", "INT"),
)  # fmt: skip


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql", "bigquery"])
def test_columns_of_any_name_become_one_unclassified_dimension_each(dialect: str) -> None:
    schema = {"duckdb": "main", "postgres": "public"}.get(dialect, "shop")
    table = TableColumns(
        schema, "orders", (("id", "INT"), ("country", "T"), ("amount", "INT"), ("created_at", "T"), *HOSTILE)
    )
    found = propose(read_model(FILES, dialect=dialect), FILES, [table])
    meaning = read_model(found.files, dialect=dialect)
    before = read_model(FILES, dialect=dialect).views["orders"]
    new = {name: item for name, item in meaning.views["orders"].dimensions.items() if name not in before.dimensions}
    assert list(new) == [
        "order_date", "a_b", "x_hidden_true", "note", "column_1st", "gr_e", "count_2", "no", "it_s",
    ]  # fmt: skip
    assert {item.classification for item in new.values()} == {"unclassified"}
    read = [column.name for item in new.values() for column in item.sql.find_all(exp.Column)]
    assert read == ["Order Date", 'a"b', "x: {hidden: true}", "# note", "1st", "größe", "count", "no", "it's"]
    assert len(found.skipped) == 3
    assert all(meaning.views["orders"].dimensions[name].sql == item.sql for name, item in before.dimensions.items())


def test_a_column_that_the_model_ignores_is_not_proposed_again(
    publish: Publish, shop: DataModel, alter: Change, now: datetime
) -> None:
    publish({VIEW: ORDERS.replace("dimensions:\n", "dimensions:\n  email: {ignored: true}\n")})
    alter("ALTER TABLE orders ADD COLUMN email VARCHAR")
    assert services.refresh_schema(shop, by=SYSTEM, now=now).draft is None


def test_tables_of_other_schemas_and_lists_of_the_model_are_left_alone(
    publish: Publish, shop: DataModel, alter: Change, now: datetime
) -> None:
    publish({"model.yaml": FILES["model.yaml"] + "ignored_views: [tmp_*]\n"})
    alter("CREATE SCHEMA other", "CREATE TABLE other.things (id INT)", "CREATE TABLE tmp_x (id INT)")
    assert services.refresh_schema(shop, by=SYSTEM, now=now).draft is None
    alter("CREATE TABLE kept (id INT)")
    assert services.refresh_schema(shop, by=SYSTEM, now=now, with_tables=False).draft is None
    assert services.refresh_schema(shop, by=SYSTEM, now=now).refresh.new_views == ("kept",)


def test_timeframes_of_a_column_that_is_no_date_are_a_fault() -> None:
    view = "dimensions: {year: {timeframes: [year]}, day: {timeframes: [month]}, at: {timeframes: [date]}}\n"
    meaning = read_model({"t.view": view}, dialect="duckdb")
    columns = (("year", "INTEGER"), ("day", "DATE"), ("at", "TIMESTAMP WITH TIME ZONE"))
    kinds = kinds_in_source(meaning, [TableColumns("main", "t", columns)])
    assert kinds == {"t": {"year": "number", "day": "date", "at": "timestamp"}}
    problem, other = check_kinds(meaning, kinds)
    assert str(problem).startswith("t.view:1:14: “t.year” has timeframes and is a number")
    assert other.is_warning
    assert "“t.day” is a date and is taken for a moment" in str(other)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql"])
def test_days_and_moments_are_proposed_as_what_they_are(dialect: str) -> None:
    columns = (("born", "date"), ("paid_date", "date"), ("made_at", "timestamp"), ("made_date", "timestamp"))
    table = TableColumns({"duckdb": "main", "postgres": "public"}.get(dialect, "shop"), "orders", columns)
    proposed = propose(read_model(FILES, dialect=dialect), FILES, [table])
    meaning = read_model(proposed.files, dialect=dialect)
    found = [meaning.views["orders"].dimensions[name] for name, _ in columns]
    assert [(item.type, item.converts_timezone) for item in found] == [
        ("timestamp", False), ("date", True), ("timestamp", True), ("timestamp", True),
    ]  # fmt: skip
    told = [item.message for item in check_kinds(meaning, kinds_in_source(meaning, [table]))]
    assert not any("is taken for" in text for text in told)


def test_a_version_that_adds_up_texts_of_the_source_is_told_and_not_published(
    publish: Publish, shop: DataModel, alter: Change, now: datetime
) -> None:
    alter("ALTER TABLE orders ADD COLUMN note VARCHAR")
    services.refresh_schema(shop, by=SYSTEM, now=now)
    wrong = ORDERS.replace("measures:\n", "measures:\n  notes: {aggregate_type: %s, sql: note}\n")
    assert publish({VIEW: wrong % "count_distinct"}) == current_version(shop)
    with pytest.raises(PublishRefusedError, match="sum over a text"):
        publish({VIEW: wrong % "sum"})
