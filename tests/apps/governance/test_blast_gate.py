"""Whatever may choose other rows waits for another administrator, however far from what is offered it stands."""

from datetime import datetime
from pathlib import Path

import pytest

from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.accounts.models import User, UserGroup
from apps.audit.types import SYSTEM
from apps.datamodels.errors import PublishRefusedError
from apps.datamodels.models import Dataset, ModelVersion
from apps.datamodels.services import import_files
from apps.governance.blast_radius.approving import switch_on
from apps.tenants.types import TenantRef
from tests.apps.governance.shop import SHOP
from tests.apps.queries.conftest import join, source
from tests.apps.queries.conftest import published as over_orders

__all__ = ["source"]
Change = tuple[str, str, str]
OTHER = "that are chosen in another way: "


@pytest.fixture
def shop(acme: TenantRef, source: Path, ann: User, ada: User, now: datetime) -> Dataset:
    """The shop is published, Ann may query all of it in Europe, and widening needs a second administrator."""
    sales = over_orders(SHOP, now)
    group = UserGroup.objects.create(name="Shoppers")
    for dataset in Dataset.objects.filter(is_published=True):
        grant_permission(group=group, permission="query_dataset", obj=dataset, by=SYSTEM, now=now)
    join(ann, group, "EU")
    switch_on(by=actor_for_user(ada), now=now)
    return sales


def changed(*changes: Change) -> dict[str, str]:
    """Return the shop's files with texts in them replaced; an empty text is put before the whole file."""
    files = dict(SHOP)
    for name, old, new in changes:
        path = next((path for path in files if path.startswith(f"{name}.")), f"{name}.view.yaml")
        assert old in files.get(path, ""), (path, old)
        files[path] = files.get(path, "").replace(old, new, 1)
    return {path: content for path, content in files.items() if content != "gone"}


def published(shop: Dataset, files: dict[str, str], now: datetime) -> tuple[str, ...]:
    """Publish files and return what stood against it: nothing, and they answer from now on."""
    before = ModelVersion.objects.get(is_current=True)
    connection = shop.data_model.connection
    try:
        version = import_files(connection=connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)
    except PublishRefusedError as error:
        assert ModelVersion.objects.get(is_current=True) == before
        return error.objections
    assert version.is_current or ModelVersion.objects.get(is_current=True) == version
    assert version != before
    return ()


WIDENING: dict[str, tuple[tuple[Change, ...], str]] = {
    "column under a policy": (
        (("customers", '{sql: "${zone}"}', "{sql: \"CASE WHEN id > 0 THEN 'EU' END\"}"),),
        f"rows of People {OTHER}the row policy on `customers.region` (view customers)",
    ),
    "column two fields below a policy": (
        (("customers", "zone: {}", "zone: {sql: \"COALESCE(zone, 'EU')\"}"),),
        f"rows of People {OTHER}the row policy on `customers.region` (view customers)",
    ),
    "column under a policy of the data set": (
        (("orders", "region: {}", "region: {sql: \"COALESCE(region, 'EU')\"}"),),
        f"rows of Ruled {OTHER}the row policy on `orders.region` (the data set)",
    ),
    "closed field of a condition": (
        (("orders", "${status} = @{good}", "${status} <> @{good}"),),
        f"rows of Sales {OTHER}what always filters it (it rests on `orders.is_good`, defined otherwise)",
    ),
    "constant of a condition": (
        (("model", "'paid'", "'open'"),),
        f"rows of Sales {OTHER}what always filters it (it rests on `orders.is_good`, defined otherwise)",
    ),
    "condition that goes": (
        (("Sales", " AND ${orders.price} > 1", ""),),
        f"rows of Sales {OTHER}what always filters it (it says something else)",
    ),
    "filter that lets through more": (
        (("Sales", "not: [lost]", "not: [gone]"),),
        f"rows of Sales {OTHER}what always filters it (it says something else)",
    ),
    "measure that keeps small groups back": (
        (("orders", 'count_distinct, sql: "${customer_id}"', 'sum, sql: "${price}"'),),
        f"rows of Sales {OTHER}what always filters its groups (it rests on `orders.people`, defined otherwise)",
    ),
    "how many rows a join is said to find": (
        (("relationships", "customers, relationship_type: many_to_one", "customers, relationship_type: one_to_many"),),
        f"rows of Sales {OTHER}what always filters its groups (it rests on how many rows of customers match, defined otherwise)",
    ),
    "key that tells rows apart": (
        (("customers", "id: {primary_key: true}, name: {}", "id: {}, name: {primary_key: true}"),),
        f"rows of Sales {OTHER}what always filters its groups (it rests on the primary key of customers, defined otherwise)",
    ),
    "size of groups": (
        (("Sales", "greater_than: 2", "greater_than: 0"),),
        f"rows of Sales {OTHER}what always filters its groups (it says something else)",
    ),
    "field of an inner join": (
        (("allowed", "region = {{omni_attributes.region}}", "region <> {{omni_attributes.region}}"),),
        f"rows of Allowed {OTHER}the join of allowed (it rests on `allowed.is_mine`, defined otherwise)",
    ),
    "condition of an inner join": (
        (("relationships", " AND ${allowed.is_mine}", ""),),
        f"rows of Allowed {OTHER}the join of allowed (it says something else)",
    ),
    "inner join that goes": (
        (("Allowed", "joins: {allowed: {}}\n", ""),),
        f"rows of Allowed {OTHER}the join of allowed (it is gone)",
    ),
    "inner join that keeps all": (
        (("relationships", "to_view: allowed, relationship_type: many_to_one, join_type: inner", "to_view: allowed, relationship_type: many_to_one, join_type: always_left"),),
        f"rows of Allowed {OTHER}the join of allowed (it says something else)",
    ),
    "table of an inner join": (
        (("allowed", "table_name: customers", "table_name: everybody"),),
        f"rows of Allowed {OTHER}the join of allowed (it rests on the source of allowed, defined otherwise)",
    ),
    "schema of an inner join": (
        (("allowed", "schema: main", "schema: other"),),
        f"rows of Allowed {OTHER}the join of allowed (it rests on the source of allowed, defined otherwise)",
    ),
    "schema by attribute of an inner join": (
        (("allowed", "schema: main", "schema: shard"), ("model", "constants:", "dynamic_schemas: {shard: {from_schema: main, user_attribute: region}}\nconstants:")),
        f"rows of Allowed {OTHER}the join of allowed (it rests on the source of allowed, defined otherwise)",
    ),
    "SQL view behind an inner join": (
        (("chosen", " WHERE a.zone = {{omni_attributes.region}}", ""),),
        f"rows of Chosen {OTHER}the join of chosen (it rests on the source of chosen, defined otherwise)",
    ),
    "right join": (
        (("Tickets", "base_view: tickets\n", "base_view: tickets\njoins: {orders: {}}\n"),),
        f"rows of Tickets {OTHER}the join of orders (it is new)",
    ),
    "other base view": (
        (("Ruled", "base_view: orders\njoins: {customers: {}}\n", "base_view: tickets\njoins: {orders: {}}\n"),),
        f"rows of Ruled {OTHER}its base view tickets (it is new)",
    ),
    "condition beneath a query view": (
        (("Inner", "always_where_sql: ${orders.is_good}\n", ""),),
        f"rows of Best {OTHER}its base view best (it rests on the source of best, defined otherwise)",
    ),
    "closed field beneath a query view": (
        (("orders", "${status} = @{good}", "${price} > 0"),),
        f"rows of Best {OTHER}its base view best (it rests on the source of best, defined otherwise)",
    ),
    "order of a limited query view": (
        (("best", "desc: true", "desc: false"),),
        f"rows of Best {OTHER}its base view best",
    ),
    "limit of a query view": ((("best", "limit: 10", "limit: 20"),), f"rows of Best {OTHER}its base view best"),
    "filter of a query view": (
        (("best", "greater_than: 1", "greater_than: 0"),),
        f"rows of Best {OTHER}its base view best",
    ),
    "policy beneath a list of the blocked": (
        (("blocked", "\nschema", "\naccess_filters: [{field: zone, user_attribute: region}]\nschema"),),
        f"rows of Unblocked {OTHER}what always filters it (with fewer rows beneath it, it may choose others)",
    ),
    "policy beneath a list of the blocked in SQL": (
        (("blocked", "\nschema", "\naccess_filters: [{field: zone, user_attribute: region}]\nschema"),),
        f"rows of Free {OTHER}the source of free (with fewer rows beneath it, it may choose others)",
    ),
    "policy beneath the ten best": (
        (("orders", "\nschema", "\naccess_filters: [{field: region, user_attribute: region}]\nschema"),),
        f"rows of Best {OTHER}the source of best (with fewer rows beneath it, it may choose others)",
    ),
    "condition over groups that must be small": (
        (("Small", "\nbase", "\nalways_where_sql: ${orders.price} > 1\nbase"),),
        f"rows of Small {OTHER}what always filters its groups (with fewer rows beneath it, it may choose others)",
    ),
    "column under a policy beneath a query view": (
        (("orders", "zone: {}", "zone: {sql: \"COALESCE(zone, 'EU')\"}"),),
        f"rows of Best {OTHER}the row policy on `orders.zone` (Inner: the data set)",
    ),
    "view with a policy by another name": (
        (("relationships", "join_to_view: customers,", "join_to_view: customers, join_to_view_as: buyers,"), ("Sales", "joins: {customers: {}}\nfields: [orders.*, customers.name", "joins: {buyers: {}}\nfields: [orders.*, buyers.name"), ("Ruled", "joins: {customers: {}}\n", "")),
        "all rows of Sales as far as `customers.region` goes, until now only EU (view customers)",
    ),
    "column of a data set's own": (
        (("Ruled", "\naccess_filters", "\nviews: {orders: {dimensions: {region: {sql: \"COALESCE(region, 'EU')\"}}}}\naccess_filters"),),
        f"rows of Ruled {OTHER}the row policy on `orders.region` (the data set)",
    ),
    "zone in which a condition cuts days": (
        (("orders", "timeframes: [raw, date, month]}", "timeframes: [raw, date, month], convert_tz: false}"),),
        f"rows of Dated {OTHER}what always filters it (it rests on `orders.placed`, defined otherwise)",
    ),
    "filter left open": ((("orders", "default_filter: {is: paid}", "default_filter: {is: open}"),), "`orders.is_wanted`"),
    "new rollup": (
        (("more", "", "schema: main\ndimensions: {region: {}, total: {}}\nmaterialized_query: {base_view: flat, fields: [flat.region, flat.total]}\n"),),
        f"rows of Flat {OTHER}the rollup more (it is new)",
    ),
    "table of a rollup": (
        (("held", "schema: main", "schema: other"),),
        f"rows of Flat {OTHER}the rollup held (it says something else)",
    ),
    "grain of a level of detail": ((("orders", "fixed: [orders.customer_id]", "fixed: [orders.id]"),), "`orders.spent`"),
    "finer interval of a duration": ((("orders", "intervals: [days]", "intervals: [days, hours]"),), "`orders.delivery[hours]`"),
    "weaker mask": ((("orders", "keep_last: 4", "keep_last: 9"),), "`orders.email` in Sales through another mask (last letters 9)"),
    "mask that tells what is missing": ((("orders", 'mask: "null"', "mask: redact"),), "`orders.secret` in Sales through another mask (redact)"),
    "what is missing beneath a fixed text": ((("orders", "phone: {mask", "phone: {sql: \"CASE WHEN mobile = 'EU' THEN 1 END\", mask"),), "`orders.phone` in Sales from another definition"),
    "mask of a classification": ((("model", "mask: redact", "mask: hash"),), "`orders.name` in Sales through another mask"),
    "grants of a classification": ((("model", "{mask_unless_access_grants: [finance], mask: redact}", "{mask_unless_access_grants: [finance|spread]}"), ("model", "access_grants:", "access_grants:\n  spread: {user_attribute: region, allowed_values: [EU]}")), "`orders.name` in Sales in clear"),
    "values of a grant": ((("model", "omni_user_groups, allowed_values: [Finance]", "omni_user_groups, allowed_values: [Finance, Shoppers]"),), "`orders.email`"),
    "grant by other grants": ((("orders", "required_access_grants: [finance]", "required_access_grants: [finance|europe]"), ("model", "allowed_values: [US]", "allowed_values: [US, EU]"), ("Sales", ", -orders.is_good", "")), "`orders.is_good`"),
    "whom a policy spares": ((("customers", "values_for_unfiltered: [ALL]", "values_for_unfiltered: [ALL, EU]"),), "all rows of People as far as `customers.region` goes"),
    "policy that goes": ((("Ruled", "access_filters: [{field: orders.region, user_attribute: region}]\n", ""),), "all rows of Ruled as far as `orders.region` goes"),
    "topics of a composite": ((("Both", "topics: [Flat, Tickets]", "topics: [Tickets, Flat]"),), f"rows of Both {OTHER}which topics it joins"),
    "topics that are always joined": ((("Both", "\ntopics", "\nalways_join_all_topics: true\ntopics"),), f"rows of Both {OTHER}which topics it joins (it says something else)"),
    "finer frame of a shared dimension": ((("Times", 'Dated: "orders.placed[month]", Sent: "orders.placed[month]"', 'Dated: "orders.placed[date]", Sent: "orders.placed[date]"'),), "`@_shared_dimensions_.when` in Times from another definition"),
    "first day of the week": ((("model", "constants:", "week_start_day: sunday\nconstants:"),), f"rows of Sales {OTHER}what always filters it (it rests on the model's calendar"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "text"), list(WIDENING.values()), ids=list(WIDENING))
def test_it_waits_and_says_what_it_is(shop: Dataset, now: datetime, changes: tuple[Change, ...], text: str) -> None:
    objections = published(shop, changed(*changes), now)
    assert objections[:1] == (
        "This widens what people get; another administrator has to approve exactly these files first.",
    )
    assert any(text in objection for objection in objections), objections


NOT_WIDENING: dict[str, tuple[Change, ...]] = {
    "comment": (
        ("Sales", "\nbase_view", "\n# who buys\nbase_view"),
        ("orders", "\nschema", "\n# all of them\nschema"),
        ("customers", "\nschema", "\n\n\nschema"),
        ("best", "query:\n", "# the best\nquery:\n"),
        ("relationships", "\n- ", "\n# joins\n- "),
        ("chosen", "\nsql", "\n# some\nsql"),
        ("Ruled", "\nbase", "\n#\nbase"),
    ),
    "comment within an expression": (("orders", "${status} = @{good}", "${status} /* as paid */ = @{good}"),),
    "labels": (
        ("orders", "status: {}", "status: {label: State, description: of the order, hidden: true}"),
        ("Sales", "\nbase_view", "\nlabel: What was sold\nbase_view"),
        ("customers", "zone: {}", "zone: {label: Zone}"),
    ),
    "order of a file": (
        ("Sales", 'always_having_filters: {orders.people: {greater_than: 2}}\n', ""),
        ("Sales", "\nbase_view", "\nalways_having_filters: {orders.people: {greater_than: 2}}\nbase_view"),
        ("customers", "id: {primary_key: true}, name: {}, ", ""),
        ("customers", "zone: {}", "zone: {}, name: {}, id: {primary_key: true}"),
    ),
    "condition turned around": (
        ("Sales", "${orders.is_good} AND ${orders.price} > 1", "(${orders.price} > 1) AND ${orders.is_good}"),
    ),
    "new policy": (("tickets", "\nschema", "\naccess_filters: [{field: minutes, user_attribute: region}]\nschema"),),
    "new condition": (("Sales", "${orders.price} > 1", "${orders.price} > 1 AND ${orders.region} = 'EU'"),),
    "new filter": (("Sales", "orders.status: {not: [lost]}", "orders.status: {not: [lost]}, orders.id: {greater_than: 5}"),),
    "new condition on groups": (("Sales", "{greater_than: 2}}", "{greater_than: 2}, orders.count: {greater_than: 3}}"),),
    "new inner join": (("Ruled", "joins: {customers: {}}", "joins: {customers: {}, allowed: {}}"),),
    "left join that nothing is offered of": (("Allowed", "joins: {allowed: {}}", "joins: {allowed: {}, customers: {}}"),),
    "constant by another name": (("model", "{good:", "{fine:"), ("orders", "@{good}", "@{fine}")),
    "order of a query view that is not cut": (("totals", "desc: true", "desc: false"),),
    "stronger mask": (("orders", "mask: {keep_last: 4}", "mask: redact"), ("orders", "phone: {mask_unless_access_grants: [finance], mask: redact}", 'phone: {mask_unless_access_grants: [finance], mask: "null"}')),
    "what is beneath a mask that shows nothing": (("orders", "secret: {mask", "secret: {sql: zone, mask"),),
    "mask of another column beneath": (("orders", "status: {}", "status: {mask_unless_access_grants: [finance]}"),),
    "coarser frame": (("orders", "timeframes: [raw, date, month]", "timeframes: [raw, date, month, year]"),),
    "age of kept answers": (("model", "constants:", "cache_policies: {fresh: {max_cache_age: 1 minute}}\nconstants:"),),
    "order of values by another field": (("orders", "status: {}", "status: {order_by_field: orders.placed}"),),
    "default filter, which is a suggestion": (("Sales", "\nbase_view", "\ndefault_filters: {orders.status: {is: open}}\nbase_view"),),
    "new data set, which nobody may query": (("orders", "\nschema", "\nschema"), ("Flat", "", "label: All\n")),
}  # fmt: skip


@pytest.mark.parametrize("changes", list(NOT_WIDENING.values()), ids=list(NOT_WIDENING))
def test_what_leaves_as_much_or_less_never_waits(shop: Dataset, now: datetime, changes: tuple[Change, ...]) -> None:
    assert published(shop, changed(*changes), now) == ()


LESS: dict[str, tuple[Change, ...]] = {
    "policy of a view": NOT_WIDENING["new policy"],
    "condition": NOT_WIDENING["new condition"],
    "filter": NOT_WIDENING["new filter"],
    "condition on groups": NOT_WIDENING["new condition on groups"],
    "inner join": NOT_WIDENING["new inner join"],
    "masks": NOT_WIDENING["stronger mask"],
    "default policy": (
        ("model", "constants:", "default_topic_access_filters: [{field: orders.region, user_attribute: region}]\nconstants:"),
        *((name, "base_view: ", "access_filters: []\nbase_view: ") for name in ("Tickets", "Flat", "People", "Free", "Totals", "Best", "Small")),
    ),
    "default grants": (
        ("model", "constants:", "default_topic_required_access_grants: [finance]\nconstants:"),
    ),
    "grants of a data set": (("Flat", "base_view", "required_access_grants: [finance]\nbase_view"),),
    "grants of a composite": (("Both", "\ntopics", "\nrequired_access_grants: [finance]\ntopics"),),
    "grants of a view": (("flat", "\nschema", "\nrequired_access_grants: [finance]\nschema"),),
    "grants of a table beneath an SQL view": (("blocked", "\nschema", "\nrequired_access_grants: [finance]\nschema"),),
    "grants of a field": (("orders", "status: {}", "status: {required_access_grants: [finance]}"),),
    "grants of a filter": (("orders", "wanted: {type: string,", "wanted: {type: string, required_access_grants: [finance],"),),
    "mask of a field": (("orders", "status: {}", "status: {mask_unless_access_grants: [finance]}"),),
    "field that is not classified": (("orders", "status: {}", "status: {classification: unclassified}"),),
    "field that a data set leaves out": (("Sales", ", -orders.is_good]", ", -orders.is_good, -orders.status]"),),
    "condition beneath another": (("Small", "\nbase_view", "\nalways_having_sql: ${orders.people} > 1\nbase_view"),),
}  # fmt: skip


@pytest.mark.parametrize("changes", list(LESS.values()), ids=list(LESS))
def test_less_is_published_and_as_much_again_waits(shop: Dataset, now: datetime, changes: tuple[Change, ...]) -> None:
    assert published(shop, changed(*changes), now) == ()
    assert published(shop, changed(("model", "constants:", "# as it was\nconstants:")), now)[:1] == (
        "This widens what people get; another administrator has to approve exactly these files first.",
    )


def test_a_rule_that_is_taken_over_from_another_file_is_followed_there(shop: Dataset, now: datetime) -> None:
    """What a view takes over by ``extends`` is its own, wherever it is written."""
    below = "template: true\nschema: main\naccess_filters: [{field: zone, user_attribute: region}]\ndimensions: {zone: {sql: %s}}\n"
    files = SHOP | {
        "ruled.view.yaml": below % "zone",
        "tickets.view.yaml": SHOP["tickets.view.yaml"].replace("schema: main", "extends: [ruled]"),
        "Tickets.topic.yaml": "base_view: tickets\nfields: [tickets.id, tickets.customer_id]\n",
    }
    assert published(shop, files, now) == ()
    objections = published(shop, files | {"ruled.view.yaml": below % "\"COALESCE(zone, 'EU')\""}, now)
    assert any(f"rows of Tickets {OTHER}the row policy on `tickets.zone` (view tickets)" in text for text in objections)


@pytest.mark.parametrize(
    ("rule", "does_wait"), [("${totals.status} = 'paid'", False), ("${totals.number} < 100", True)]
)
def test_fewer_rows_beneath_totals_that_a_rule_compares_wait(
    shop: Dataset, now: datetime, rule: str, *, does_wait: bool
) -> None:
    """Fewer orders make a large total a small one: what was hidden as large would come."""
    fewer = SHOP["orders.view.yaml"].replace(
        "\ndimensions", "\naccess_filters: [{field: orders.region, user_attribute: region}]\ndimensions", 1
    )
    files = SHOP | {"Totals.topic.yaml": f'base_view: totals\nalways_where_sql: "{rule}"\n'}
    assert published(shop, files, now) == ()
    told = "\n".join(published(shop, files | {"orders.view.yaml": fewer}, now))
    assert (f"rows of Totals {OTHER}what always filters it" in told) == does_wait, told
