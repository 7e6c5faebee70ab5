"""The administrators' pages: history, comparison, drafts with problems at their line, publishing, rolling back."""

import re
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest
from django.test import Client

from apps.access.selectors import actor_for_user
from apps.accounts.models import User
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.services import save_connection
from apps.datamodels import services
from apps.datamodels.models import DataModel, ModelVersion
from apps.datamodels.selectors import files_of
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from tests.apps.datamodels.conftest import FILES, ORDERS, Browse, Object, Publish, define_attributes

TOPIC, VIEW = "Sales.topic.yaml", "orders.view.yaml"
TOKEN = re.compile(rb"[A-Za-z0-9]{64}")  # against forged forms, another on each page
LIST = "/admin/datamodels/datamodel/"
PAGES = (
    "change/",
    "versions/1/",
    "versions/1/diff/",
    f"versions/1/file/?path={TOPIC}",
    "versions/1/classify/",
    "versions/1/publish/",
)


def at(model: DataModel, rest: str = "change/") -> str:
    return f"{LIST}{model.pk}/{rest}"


@pytest.fixture
def page(browse: Browse, ada: User) -> Client:
    return browse(ada)


@pytest.fixture
def draft(shop: DataModel, ada: User, now: datetime) -> ModelVersion:
    return services.open_draft(shop, by=actor_for_user(ada), now=now)


def fresh(draft: ModelVersion) -> ModelVersion:
    return ModelVersion.objects.get(pk=draft.pk)


def save(page: Client, draft: ModelVersion, path: str, content: str, **more: str) -> str:
    data = {"act": "save", "content": content, "digest": fresh(draft).digest} | more
    answer = page.post(f"{at(draft.data_model, f'versions/{draft.number}/file/')}?path={path}", data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("rest", PAGES)
def test_an_administrator_opens_every_page_and_nobody_else_finds_it(
    browse: Browse, shop: DataModel, ada: User, ann: User, rest: str
) -> None:
    assert browse(ada).get(at(shop, rest)).status_code == 200
    assert browse(ann).get(at(shop, rest)).status_code == 404


@pytest.mark.parametrize(
    "rest",
    [
        "draft/",
        "refresh/",
        "versions/2/publish/",
        "versions/2/discard/",
        "versions/2/rebase/",
        "versions/2/classify/",
        f"versions/2/file/?path={TOPIC}",
    ],
)
def test_a_member_writes_nothing(browse: Browse, shop: DataModel, draft: ModelVersion, ann: User, rest: str) -> None:
    answer = browse(ann).post(at(shop, rest), {"digest": draft.digest, "content": "x", "act": "save"})
    assert answer.status_code == 404
    assert fresh(draft).digest == draft.digest
    assert (fresh(draft).is_draft, ModelVersion.objects.count()) == (True, 2)


def test_another_tenants_drafts_are_like_missing_ones(
    page: Client, shop: DataModel, globex: TenantRef, now: datetime
) -> None:
    with bound(globex.id):
        define_attributes()
        connection = Connection(name="theirs", dialect="duckdb", database="x.duckdb")
        save_connection(connection, secret=None, by=SYSTEM, now=now)
        services.import_files(connection=connection, name="theirs", files=FILES, publish=True, by=SYSTEM, now=now)
        theirs = DataModel.objects.get()
        services.open_draft(theirs, by=SYSTEM, now=now)
        before = list(ModelVersion.objects.values_list("digest", "is_current"))
    for rest in (*PAGES, "versions/2/", "versions/2/publish/"):
        found = page.get(at(theirs, rest))
        missing = page.get(f"{LIST}{uuid4()}/{rest}")
        assert (found.status_code, missing.status_code) == (404, 404)
        assert TOKEN.sub(b"", found.content) == TOKEN.sub(b"", missing.content)
        assert page.post(at(theirs, rest), {"digest": ""}).status_code in (404, 405)
    assert page.get(at(shop)).status_code == 200
    with bound(globex.id):
        assert list(ModelVersion.objects.values_list("digest", "is_current")) == before


@pytest.mark.parametrize(
    "rest",
    [
        "versions/9/",
        "versions/1/discard/",
        "versions/1/file/?path=none.view.yaml",
        "versions/1/file/",
        "versions/1/diff/?from=9",
        "versions/1/diff/?from=x",
        "versions/1/diff/?from=99999999999999",
    ],
)
def test_what_is_not_there_is_not_found(page: Client, shop: DataModel, rest: str) -> None:
    assert page.get(at(shop, rest)).status_code == 404


def test_a_draft_is_started_edited_checked_and_published(page: Client, shop: DataModel) -> None:
    assert page.post(at(shop, "draft/")).status_code == 302
    draft = ModelVersion.objects.get(number=2)
    assert "is saved in the draft" in save(page, draft, TOPIC, "base_view: orders\r\nlabel: Shop <b>sales</b>\r\n")
    assert files_of(draft)[TOPIC] == "base_view: orders\nlabel: Shop <b>sales</b>\n"
    checked = page.get(at(shop, "versions/2/?check=1")).content.decode()
    assert "nothing stands against publishing it" in checked
    question = page.get(at(shop, "versions/2/publish/")).content.decode()
    assert "Publish now" in question
    assert "data set" in question
    answer = page.post(at(shop, "versions/2/publish/"), {"digest": fresh(draft).digest}, follow=True)
    text = answer.content.decode()
    assert "shop v2 answers queries now." in text
    assert "<b>sales</b>" not in text
    assert fresh(draft).is_current


def test_problems_stand_above_the_text_with_their_line(page: Client, draft: ModelVersion) -> None:
    text = save(page, draft, VIEW, ORDERS.replace('"${amount}"', '"${no_such.field}"'))
    place = text.index("no_such.field")
    assert place < text.index("<textarea")
    assert 'data-line="12"' in text
    assert "  revenue: {aggregate_type: sum, sql: &quot;${no_such.field}&quot;}" in text[: text.index("<textarea")]
    listed = page.get(at(draft.data_model, "versions/2/?check=1")).content.decode()
    assert "1 problem" in listed
    assert f"{VIEW}:12" in listed
    assert "Publish now" not in page.get(at(draft.data_model, "versions/2/publish/")).content.decode()
    refused = page.post(at(draft.data_model, "versions/2/publish/"), {"digest": fresh(draft).digest}, follow=True)
    assert f"{VIEW}:12" in refused.content.decode()
    assert not fresh(draft).is_current


def test_a_text_that_came_too_late_is_shown_and_not_saved(page: Client, draft: ModelVersion) -> None:
    seen = draft.digest
    save(page, draft, TOPIC, "base_view: orders\nlabel: First\n")
    text = save(page, draft, TOPIC, "base_view: orders\nlabel: Second\n", digest=seen)
    assert "The draft was changed by Ada after you opened it" in text
    assert "label: Second" in text[text.index("<textarea") :]
    assert "label: First" in text[: text.index("<textarea")]
    assert files_of(draft)[TOPIC].endswith("label: First\n")


def test_files_are_added_renamed_and_removed(page: Client, shop: DataModel, draft: ModelVersion) -> None:
    assert page.get(at(shop, "versions/2/file/?path=New.topic.yaml")).status_code == 200
    save(page, draft, "New.topic.yaml", "base_view: orders\n")
    save(page, draft, "New.topic.yaml", "", act="rename", new_path="Newer.topic.yaml")
    assert "Newer.topic.yaml" in files_of(draft)
    save(page, draft, "Newer.topic.yaml", "", act="remove")
    assert files_of(draft) == FILES
    refused = page.get(at(shop, "versions/2/file/?path=../secret.yaml"), follow=True).content.decode()
    assert "A file’s name" in refused or "A file&#x27;s name" in refused
    url = f"{at(shop, 'versions/2/file/')}?path="
    assert page.post(url + "none.view.yaml", {"act": "remove", "digest": fresh(draft).digest}).status_code == 404
    assert page.post(url + TOPIC, {"act": "explode", "digest": fresh(draft).digest}).status_code == 404


def test_a_published_file_is_shown_and_cannot_be_saved(page: Client, shop: DataModel) -> None:
    url = f"{at(shop, 'versions/1/file/')}?path={TOPIC}"
    assert "readonly" in page.get(url).content.decode()
    answer = page.post(url, {"content": "x", "digest": ModelVersion.objects.get(number=1).digest}, follow=True)
    assert "not a draft any more" in answer.content.decode()


def test_objections_are_listed_and_keep_the_draft_from_being_published(
    page: Client, draft: ModelVersion, against: Object
) -> None:
    against("14 people would gain customers.email.")
    for rest in ("versions/2/?check=1", "versions/2/publish/"):
        text = page.get(at(draft.data_model, rest)).content.decode()
        assert "14 people would gain customers.email." in text
        assert "Publish now" not in text
    answer = page.post(at(draft.data_model, "versions/2/publish/"), {"digest": draft.digest}, follow=True)
    assert "14 people would gain customers.email." in answer.content.decode()
    assert not fresh(draft).is_current


def test_the_history_rolls_back_after_a_question(page: Client, shop: DataModel, publish: Publish) -> None:
    publish({TOPIC: "base_view: orders\nlabel: Shop\n"})
    listed = page.get(at(shop)).content.decode()
    assert f"{LIST}{shop.pk}/versions/1/publish/" in listed
    question = page.get(at(shop, "versions/1/publish/")).content.decode()
    assert "Roll back now" in question
    assert ModelVersion.objects.get(is_current=True).number == 2
    answer = page.post(at(shop, "versions/1/publish/"), follow=True).content.decode()
    assert "shop v1 answers queries now." in answer
    assert "roll back" in answer
    assert ModelVersion.objects.get(is_current=True).number == 1


def test_two_versions_are_compared(page: Client, shop: DataModel, publish: Publish) -> None:
    publish({TOPIC: "base_view: orders\nlabel: Shop\n"})
    text = page.get(at(shop, "versions/2/diff/?from=1")).content.decode()
    assert "label: Sales" in text
    assert "label: Shop" in text
    assert "mv-line-removed" in text


def test_a_draft_that_fell_behind_is_brought_up_to_date(page: Client, draft: ModelVersion, publish: Publish) -> None:
    save(page, draft, TOPIC, "base_view: orders\nlabel: Mine\n")
    publish({TOPIC: "base_view: orders\nlabel: Theirs\n", VIEW: ORDERS + "tags: [shop]\n"})
    shop = draft.data_model
    assert "was published after this draft began" in page.get(at(shop, "versions/2/")).content.decode()
    assert "Publish now" not in page.get(at(shop, "versions/2/publish/")).content.decode()
    data = {"digest": fresh(draft).digest}
    question = page.post(at(shop, "versions/2/rebase/"), data).content.decode()
    assert f'name="keep:{TOPIC}"' in question
    assert "label: Theirs" in question
    page.post(at(shop, "versions/2/rebase/"), data | {f"keep:{TOPIC}": "draft"})
    assert fresh(draft).base_number == 3
    assert files_of(draft)[TOPIC].endswith("Mine\n")
    assert files_of(draft)[VIEW].endswith("tags: [shop]\n")


def test_a_refresh_leads_to_the_draft_and_its_fields_are_classified(
    page: Client, shop: DataModel, database_file: Path
) -> None:
    assert "no table and no column" in page.post(at(shop, "refresh/"), follow=True).content.decode()
    with duckdb.connect(str(database_file)) as database:
        database.execute("ALTER TABLE orders ADD COLUMN email VARCHAR")
        database.execute("ALTER TABLE orders ADD COLUMN note VARCHAR")
        database.execute("ALTER TABLE orders DROP COLUMN country")
    text = page.post(at(shop, "refresh/"), follow=True).content.decode()
    assert "0 new tables and 2 new columns are proposed" in text
    assert "2 fields wait to be classified" in text
    assert "reads the column “country”" in text
    draft = ModelVersion.objects.get(number=2)
    data = {"digest": draft.digest, "everything": "internal", "label:orders.email": "personal"}
    assert "orders.email" in page.get(at(shop, "versions/2/classify/")).content.decode()
    page.post(at(shop, "versions/2/classify/"), data)
    assert "  email: {classification: personal}\n  note: {classification: internal}\n" in files_of(draft)[VIEW]
    late = page.post(at(shop, "versions/2/classify/"), data, follow=True).content.decode()
    assert "Nothing was saved" in late


def test_a_source_that_is_gone_is_said_plainly(page: Client, shop: DataModel, database_file: Path) -> None:
    database_file.unlink()
    assert "There is no such file" in page.post(at(shop, "refresh/"), follow=True).content.decode()


def test_a_draft_is_discarded_after_a_question(page: Client, shop: DataModel, draft: ModelVersion) -> None:
    assert "Discard version 2?" in page.get(at(shop, "versions/2/discard/")).content.decode()
    assert fresh(draft).is_draft
    page.post(at(shop, "versions/2/discard/"))
    assert not fresh(draft).is_draft
    assert page.get(at(shop, "versions/2/")).status_code == 404


@pytest.mark.parametrize("rest", ["draft/", "refresh/"])
def test_looking_at_an_address_that_writes_does_nothing(page: Client, shop: DataModel, rest: str) -> None:
    assert page.get(at(shop, rest)).status_code == 405
    assert ModelVersion.objects.count() == 1


def test_a_form_of_another_site_is_refused(shop: DataModel, ada: User, acme: TenantRef) -> None:
    client = Client(headers={"host": acme.host or "acme.localhost"}, enforce_csrf_checks=True)
    client.force_login(ada, backend="apps.accounts.backends.IdentityBackend")
    assert client.post(at(shop, "draft/")).status_code == 403
    assert ModelVersion.objects.count() == 1
