"""Publishing is all or nothing, goes through the gates, and what was published stays as it was."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from apps.access.selectors import actor_for_user
from apps.accounts.models import AttributeDefinition, User
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.services import save_connection
from apps.datamodels import services
from apps.datamodels.errors import PublishRefusedError, VersionError
from apps.datamodels.models import DataModel, Dataset, ModelFile, ModelPublication, ModelVersion
from apps.datamodels.selectors import current_version, files_of, history_of, problems_of, semantic_model
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from tests.apps.datamodels.conftest import FILES, Object, Publish

TOPIC = "Sales.topic.yaml"
TWO_TOPICS = {TOPIC: None, "Orders.topic.yaml": "base_view: orders\n"}


def state() -> list[list[tuple[object, ...]]]:
    """Everything that publishing writes."""
    return [
        list(ModelVersion.objects.order_by("number").values_list("number", "digest", "is_current", "published_at")),
        list(Dataset.objects.order_by("name").values_list("name", "label", "is_published")),
        list(ModelPublication.objects.values_list("version__number", "published_at")),
        list(AuditEvent.objects.order_by("sequence").values_list("sequence", "verb")),
    ]


def test_a_gate_that_objects_leaves_everything_as_it_was(
    shop: DataModel, publish: Publish, against: Object, ada: User, now: datetime
) -> None:
    draft = services.open_draft(shop, by=actor_for_user(ada), now=now)
    draft = services.save_draft_file(
        draft, path="Orders.topic.yaml", content="base_view: orders\n", digest=draft.digest, by=SYSTEM, now=now
    )
    before = state()
    against("Too many people would gain by this.")
    with pytest.raises(PublishRefusedError, match="Too many people"):
        services.publish_version(draft, by=actor_for_user(ada), now=now)
    with pytest.raises(PublishRefusedError):
        publish(TWO_TOPICS)
    assert state() == before


def test_without_an_objection_the_same_draft_is_published(shop: DataModel, publish: Publish) -> None:
    version = publish(TWO_TOPICS)
    assert version.number == 2
    assert dict(Dataset.objects.values_list("name", "is_published")) == {"Sales": False, "Orders": True}


def test_a_failure_in_the_middle_publishes_nothing(
    shop: DataModel, publish: Publish, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state()

    def broken(*args: object, **kwargs: object) -> None:
        raise DatabaseError("the log is full")

    monkeypatch.setattr("apps.datamodels.services.publishing.record", broken)
    with pytest.raises(DatabaseError):
        publish(TWO_TOPICS)
    assert state() == before


def test_rolling_back_publishes_the_older_version_again(
    shop: DataModel, publish: Publish, ada: User, now: datetime
) -> None:
    publish(TWO_TOPICS)
    first = ModelVersion.objects.get(number=1)
    later = now + timedelta(hours=1)
    services.publish_version(first, by=actor_for_user(ada), now=later)
    current = current_version(shop)
    assert current == first
    assert files_of(first) == FILES
    assert dict(Dataset.objects.values_list("name", "is_published")) == {"Sales": True, "Orders": False}
    newest, *older = history_of(shop)
    assert (newest.version.number, newest.replaced_number, newest.is_roll_back) == (1, 2, True)
    assert newest.published_by == "Ada"
    assert [found.is_roll_back for found in older] == [False, False]
    assert ModelVersion.objects.get(number=1).published_at == now
    assert AuditEvent.objects.get(verb="datamodels.version_rolled_back").facts["replaced"] == 2


def test_rolling_back_goes_through_the_gates_too(
    shop: DataModel, publish: Publish, against: Object, now: datetime
) -> None:
    publish(TWO_TOPICS)
    against("Not now.")
    with pytest.raises(PublishRefusedError):
        services.publish_version(ModelVersion.objects.get(number=1), by=SYSTEM, now=now)
    assert ModelVersion.objects.get(is_current=True).number == 2


def test_a_data_set_keeps_its_id_over_versions(shop: DataModel, publish: Publish, now: datetime) -> None:
    before = Dataset.objects.get(name="Sales").pk
    publish(TWO_TOPICS)
    services.publish_version(ModelVersion.objects.get(number=1), by=SYSTEM, now=now)
    assert Dataset.objects.get(name="Sales").pk == before


def test_the_current_version_is_not_published_again(shop: DataModel, now: datetime) -> None:
    with pytest.raises(VersionError, match="already"):
        services.publish_version(ModelVersion.objects.get(number=1), by=SYSTEM, now=now)


def test_what_a_reader_began_with_stays_readable_after_a_publication(shop: DataModel, publish: Publish) -> None:
    begun = current_version(shop)
    assert begun is not None
    publish({TOPIC: "base_view: orders\nlabel: Renamed\n"})
    assert semantic_model(begun).topics["Sales"].label == "Sales"
    after = current_version(shop)
    assert after is not None
    assert semantic_model(after).topics["Sales"].label == "Renamed"


def test_a_name_that_another_model_has_taken_is_an_objection(
    shop: DataModel, database_file: object, now: datetime
) -> None:
    other = Connection(name="other", dialect="duckdb", database=shop.connection.database)
    save_connection(other, secret=None, by=SYSTEM, now=now)
    with pytest.raises(PublishRefusedError, match="Another model has a data set “Sales” already"):
        services.import_files(connection=other, name="other", files=FILES, publish=True, by=SYSTEM, now=now)
    assert not DataModel.objects.filter(name="other").exists()


Run = Callable[[str], int]


@pytest.fixture
def run(shop: DataModel) -> Run:
    """Run a statement as the runtime role, on the rows of version 1; return how many rows it met."""

    def act(statement: str) -> int:
        version = ModelVersion.objects.get(number=1)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, {"version": version.pk, "model": shop.pk, "tenant": shop.tenant_id})
            return int(cursor.rowcount)

    return act


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE datamodels_modelfile SET content = 'x' WHERE version_id = %(version)s",
        "UPDATE datamodels_modelfile SET path = path || 'x' WHERE version_id = %(version)s",
        "DELETE FROM datamodels_modelfile WHERE version_id = %(version)s",
        "INSERT INTO datamodels_modelfile (id, tenant_id, version_id, path, content) "
        "VALUES (gen_random_uuid(), %(tenant)s, %(version)s, 'x.view.yaml', '')",
        "UPDATE datamodels_modelversion SET digest = 'x' WHERE id = %(version)s",
        "UPDATE datamodels_modelversion SET published_at = NULL, is_current = false WHERE id = %(version)s",
        "UPDATE datamodels_modelversion SET number = 9 WHERE id = %(version)s",
        "DELETE FROM datamodels_modelfile WHERE version_id = %(version)s; "
        "DELETE FROM datamodels_modelpublication WHERE version_id = %(version)s; "
        "DELETE FROM datamodels_modelversion WHERE id = %(version)s",
        "DELETE FROM datamodels_modelpublication WHERE version_id = %(version)s",
        "UPDATE datamodels_modelpublication SET published_by = 'nobody' WHERE version_id = %(version)s",
        "DELETE FROM datamodels_modelfile WHERE version_id = %(version)s; SELECT set_config('omni.tenant_id', '', true)",
    ],
)
def test_the_database_refuses_to_change_what_was_published(run: Run, statement: str) -> None:
    before = state(), list(ModelFile.objects.values_list("path", "content"))
    with pytest.raises(DatabaseError, match=r"a published version never changes|permission denied"):
        run(statement)
    assert (state(), list(ModelFile.objects.values_list("path", "content"))) == before


def test_the_database_lets_a_draft_be_changed_and_a_whole_model_be_deleted(
    shop: DataModel, run: Run, ada: User, now: datetime
) -> None:
    draft = services.open_draft(shop, by=actor_for_user(ada), now=now)
    assert ModelFile.objects.filter(version=draft).update(content="x") == len(FILES)
    with transaction.atomic():
        Dataset.objects.all().delete()
        shop.delete()
    assert not ModelVersion.objects.exists()


def test_a_draft_cannot_become_current_around_the_gates(shop: DataModel, ada: User, now: datetime) -> None:
    draft = services.open_draft(shop, by=actor_for_user(ada), now=now)
    ModelVersion.objects.filter(number=1).update(is_current=False)
    with pytest.raises(DatabaseError, match="datamodels_current_is_published"):
        ModelVersion.objects.filter(pk=draft.pk).update(is_current=True)


def test_another_tenants_versions_are_not_there(shop: DataModel, globex: TenantRef) -> None:
    with bound(globex.id):
        assert not ModelVersion.objects.exists()
        assert not ModelPublication.objects.exists()
        assert not ModelFile.objects.exists()
        assert history_of(shop) == []
        assert current_version(shop) is None


POLICY_BY_LEVEL = "  - {field: orders.amount, user_attribute: level}\n"


def test_a_rule_by_an_attribute_that_nobody_can_have_is_kept_as_a_draft_and_not_published(
    shop: DataModel, source: Connection, now: datetime
) -> None:
    files = FILES | {"orders.view.yaml": FILES["orders.view.yaml"] + POLICY_BY_LEVEL}
    version = services.import_files(connection=source, name="shop", files=files, publish=False, by=SYSTEM, now=now)
    (problem,) = (item for item in problems_of(version) if not item.is_warning)
    assert "no user attribute “level”" in str(problem)
    with pytest.raises(PublishRefusedError, match=r"orders\.view\.yaml:15:5: there is no user attribute “level”"):
        services.publish_version(version, by=SYSTEM, now=now)
    assert ModelVersion.objects.get(is_current=True).number == 1
    AttributeDefinition.objects.create(name="level", label="Level", type="number")
    services.publish_version(version, by=SYSTEM, now=now)
    assert ModelVersion.objects.get(is_current=True) == version


def test_an_attribute_can_have_no_default_that_would_let_people_in() -> None:
    names = {field.name for field in AttributeDefinition._meta.get_fields()}
    assert not [name for name in names if "default" in name]


def test_a_model_stays_with_its_connection(shop: DataModel, now: datetime) -> None:
    other = Connection(name="other", dialect="duckdb", database="other.duckdb")
    save_connection(other, secret=None, by=SYSTEM, now=now)
    with pytest.raises(VersionError, match="is over the connection shop"):
        services.import_files(connection=other, name="shop", files=FILES, publish=True, by=SYSTEM, now=now)
