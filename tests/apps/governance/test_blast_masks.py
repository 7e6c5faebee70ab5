"""Blast radius of masks: whoever sees a mask through something else is met by whatever becomes of it."""

from collections.abc import Callable
from datetime import datetime

import pytest

from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.accounts.models import GroupMembership, User, UserGroup
from apps.audit.types import SYSTEM
from apps.datamodels.errors import PublishRefusedError
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.governance.blast_radius.approving import switch_on
from apps.governance.blast_radius.candidates import candidate_of
from apps.governance.blast_radius.radius import blast_radius
from apps.governance.selectors import governed
from tests.apps.governance.test_blast_radius import met, told
from tests.apps.queries.conftest import MODEL, Ask, analysts, ask, eve, join, max_, sales, source

__all__ = ["analysts", "ask", "eve", "max_", "sales", "source"]
VIEW = (
    MODEL["orders.view.yaml"]
    .replace("  status: {}", "  status: {}\n  loud: {sql: 'UPPER(${email})'}\n  both: {sql: \"CONCAT(${email}, ${status})\"}")
    .replace("measures:", "measures:\n  last: {aggregate_type: max, sql: '${email}'}\n"
        "  people: {aggregate_type: count_distinct, sql: '${email}'}\n"
        "  eu: {aggregate_type: count, filters: {email: {contains: '@'}}}\n"
        "  eu_share: {sql: '${eu} / NULLIF(${count}, 0)'}")
)  # fmt: skip
FILES = MODEL | {
    "orders.view.yaml": VIEW,
    "Sales.topic.yaml": "base_view: orders\nfields: [all_views.*, -orders.email]\n",
}
RULE = "{mask_unless_access_grants: [finance]}"
KEEPS = "{mask_unless_access_grants: [finance], mask: {keep_last: 15}}"
NOTHING = "{mask_unless_access_grants: [finance], mask: redact}"


def publish(sales: Dataset, files: dict[str, str], now: datetime) -> None:
    import_files(connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)


def after(sales: Dataset, files: dict[str, str]) -> list[str]:
    """Say what publishing these files would change."""
    return told(blast_radius(sales.data_model, candidate_of(files, dialect="duckdb"), target="the draft"))


def with_mask(mask: str, files: dict[str, str] = FILES) -> dict[str, str]:
    assert RULE in files["orders.view.yaml"]
    return files | {"orders.view.yaml": files["orders.view.yaml"].replace(RULE, mask)}


@pytest.fixture
def finance(analysts: UserGroup, make_person: Callable[..., User]) -> User:
    """May query Sales, Europe only, and is in Finance: no mask is there for them."""
    fay = join(make_person("fay@acme.example"), analysts, "EU")
    GroupMembership.objects.create(user=fay, group=UserGroup.objects.create(name="Finance"))
    return fay


@pytest.fixture
def published(sales: Dataset, eve: User, finance: User, now: datetime) -> Dataset:
    """Sales offers what rests on the masked address, and not the address."""
    publish(sales, FILES, now)
    return sales


def test_a_mask_that_goes_is_told_of_all_that_rests_on_it(published: Dataset) -> None:
    found = blast_radius(published.data_model, candidate_of(with_mask("{}"), dialect="duckdb"), target="the draft")
    assert told(found) == [
        "+ 1 person gains `orders.eu`, `orders.eu_share`, `orders.last` in Sales",
        "+ 1 person gains `orders.both`, `orders.loud` in Sales in clear, masked until now",
    ]
    assert met(found) == [["ann@acme.example"]] * 2
    assert after(published, FILES) == []


def test_a_weaker_mask_beneath_is_told_and_counts_follow_it(published: Dataset, now: datetime) -> None:
    assert after(published, with_mask(KEEPS)) == [
        "+ 1 person sees `orders.both`, `orders.loud` in Sales through another mask (last letters 15)",
        "- 1 person sees `orders.people` in Sales counted over masked values from then on (last letters 15)",
    ]
    publish(published, with_mask(KEEPS), now)
    unmasked = after(published, with_mask("{}"))
    assert "+ 1 person sees `orders.people` in Sales counted over values in clear, masked until now" in unmasked
    assert "+ 1 person sees `orders.people` in Sales counted over values in clear, masked until now" in after(
        published, FILES
    )


def test_a_mask_that_comes_or_hides_more_narrows(published: Dataset, now: datetime) -> None:
    hidden = after(published, with_mask(NOTHING))
    assert "- 1 person loses `orders.both`, `orders.loud` in Sales in clear: masked from then on (redact)" in hidden
    assert not any(text.startswith("+") for text in hidden)
    publish(published, with_mask("{}"), now)
    masked = after(published, FILES)
    assert "- 1 person loses `orders.both`, `orders.loud` in Sales in clear: masked from then on (keyed hash)" in masked
    assert "- 1 person loses `orders.eu`, `orders.eu_share`, `orders.last` in Sales" in masked
    assert not any(text.startswith("+") for text in masked)


def test_a_mask_that_moves_from_beneath_to_the_field_may_show_more(published: Dataset) -> None:
    """Letters of the whole are not letters of the hash; a field that shows nothing at all is certainly less."""
    view = VIEW.replace("loud: {sql: 'UPPER(${email})'", f"loud: {{sql: 'UPPER(${{email}})', {KEEPS[1:-1]}")
    moved = after(published, FILES | {"orders.view.yaml": view})
    assert "+ 1 person sees `orders.loud` in Sales through another mask (last letters 15)" in moved
    view = VIEW.replace("loud: {sql: 'UPPER(${email})'", f"loud: {{sql: 'UPPER(${{email}})', {NOTHING[1:-1]}")
    assert after(published, FILES | {"orders.view.yaml": view}) == [
        "- 1 person loses `orders.loud` in Sales in clear: masked from then on (redact)"
    ]


def test_a_field_that_reads_in_clear_from_now_on_is_told(published: Dataset) -> None:
    view = VIEW.replace("loud: {sql: 'UPPER(${email})'", "loud: {sql: 'UPPER(email)', reads_in_clear: true")
    found = after(published, FILES | {"orders.view.yaml": view})
    assert "+ 1 person gains `orders.loud` in Sales in clear, masked until now" in found


def test_what_is_foretold_is_what_the_answer_does(published: Dataset, eve: User, ask: Ask, now: datetime) -> None:
    before = ask(eve, "orders.loud")
    assert before.columns[0].is_masked
    publish(published, with_mask("{}"), now)
    clear = ask(eve, "orders.loud")
    assert not clear.columns[0].is_masked
    assert "@EXAMPLE.COM" in repr(clear.table.to_pydict())
    assert "@EXAMPLE.COM" not in repr(before.table.to_pydict())


OWN_VIEW = "views: {orders: {dimensions: {email: {mask_unless_access_grants: [finance]}}}}\n"
DEEPER = FILES | {
    # With a key beside it, a masked value decides about no group of a query view.
    "orders.view.yaml": VIEW.replace("dimensions:\n", "dimensions:\n  id: {primary_key: true, hidden: true}\n"),
    "sums.query.view.yaml": "query: {topic: Sales, fields: {orders.id: id, orders.loud: who, orders.revenue: total}}\n",
    "Sums.topic.yaml": "base_view: sums\n",
    "Own.topic.yaml": "base_view: orders\nfields: [all_views.*, -orders.email]\n" + OWN_VIEW,
    "Both.composite_topic.yaml": "topics: [Sales, Own]\n"
    "shared_dimensions: {name: {mappings: {Sales: orders.loud, Own: orders.loud}}}\n",
}


@pytest.mark.parametrize(
    ("name", "changed", "expected"),
    [
        ("Sums", with_mask("{}", DEEPER), "+ 1 person gains `Sales: orders.email` in Sums in clear, masked until now"),
        ("Sums", with_mask(KEEPS, DEEPER), "+ 1 person sees `Sales: orders.email` in Sums through another mask (last letters 15)"),
        ("Own", DEEPER | {"Own.topic.yaml": DEEPER["Own.topic.yaml"].replace("[finance]}", "[finance], mask: {keep_last: 15}}")}, "+ 1 person sees `orders.both`, `orders.loud` in Own through another mask (last letters 15)"),
        ("Both", with_mask(KEEPS, DEEPER), "`@_shared_dimensions_.name`"),
        ("Both", DEEPER | {"Own.topic.yaml": DEEPER["Own.topic.yaml"].replace("[finance]}", "[finance], mask: {keep_last: 15}}")}, "`@_shared_dimensions_.name`"),
    ],
)  # fmt: skip
def test_masks_reached_through_other_views_and_topics_are_told(
    sales: Dataset, ann: User, now: datetime, name: str, changed: dict[str, str], expected: str
) -> None:
    publish(sales, DEEPER, now)
    group = UserGroup.objects.create(name="Derivers")
    grant_permission(group=group, permission="query_dataset", obj=Dataset.objects.get(name=name), by=SYSTEM, now=now)
    join(ann, group, "EU")
    assert after(sales, DEEPER) == []
    found = after(sales, changed)
    assert [text for text in found if expected in text and text.startswith("+")], found


def test_a_query_view_whose_question_a_mask_refuses_is_gained_with_the_mask_gone(
    sales: Dataset, ann: User, ask: Ask, now: datetime
) -> None:
    files = DEEPER | {
        "sums.query.view.yaml": "query: {topic: Sales, fields: {orders.last: who, orders.status: state}}\n"
    }
    publish(sales, files, now)
    group = UserGroup.objects.create(name="Derivers")
    grant_permission(group=group, permission="query_dataset", obj=Dataset.objects.get(name="Sums"), by=SYSTEM, now=now)
    join(ann, group, "EU")
    assert "+ 1 person gains `sums.state`, `sums.who` in Sums" in after(sales, with_mask("{}", files))


def test_unmasking_through_a_reference_waits_for_another_administrator(
    published: Dataset, ada: User, now: datetime
) -> None:
    switch_on(by=actor_for_user(ada), now=now)
    with pytest.raises(PublishRefusedError, match=r"`orders\.loud` in Sales in clear"):
        publish(published, with_mask("{}"), now)
    with pytest.raises(PublishRefusedError, match=r"`orders\.loud` in Sales through another mask"):
        publish(published, with_mask(KEEPS), now)
    publish(published, with_mask(NOTHING), now)


def test_masks_of_a_topics_own_views_are_told_beneath_its_query_views(sales: Dataset, ann: User, now: datetime) -> None:
    """The topic that is asked sees what lies beneath with its own views: so do questions, and so does this."""
    people = "schema: main\ntable_name: orders\ndimensions: {id: {primary_key: true}, email: {}, status: {}}\n"
    own = "base_view: names\nviews: {people: {dimensions: {email: {mask_unless_access_grants: [finance], mask: {keep_last: 4}}}}}\n"
    files = {
        "model.yaml": MODEL["model.yaml"],
        "people.view.yaml": people,
        "names.query.view.yaml": "query: {topic: People, fields: {people.id: id, people.email: who, people.status: state}}\n",
        "People.topic.yaml": "base_view: people\n",
        "Names.topic.yaml": own,
    }
    publish(sales, files, now)
    group = UserGroup.objects.create(name="Derivers")
    grant_permission(group=group, permission="query_dataset", obj=Dataset.objects.get(name="Names"), by=SYSTEM, now=now)
    join(ann, group)
    assert governed(actor_for_user(ann), Dataset.objects.get(name="Names")).scope.nested["People"].masked
    weaker = files | {"Names.topic.yaml": own.replace("keep_last: 4", "keep_last: 30")}
    assert after(sales, weaker) == [
        "+ 1 person sees `People: people.email` in Names through another mask (last letters 30)"
    ]
    assert after(sales, files | {"Names.topic.yaml": "base_view: names\n"}) == [
        "+ 1 person gains `People: people.email` in Names in clear, masked until now"
    ]
