"""What closes a field, and what a scope is made of, over models changed by hand: nothing opens what is not there."""

from dataclasses import replace
from uuid import uuid4

import pytest

from apps.access.types import Actor, AttributeValue
from apps.governance.deciding import passed_grants
from apps.governance.fields import field_verdict, masked_fields, open_fields
from apps.governance.scopes import MAX_DEPTH, SHARED, ScopeBuilder
from apps.semantic.errors import MissingAttributeError
from apps.semantic.model.grants import grant_holds
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SemanticModel, View
from apps.semantic.scope import AccessScope
from tests.apps.governance.test_scopes import BOSS, FILES, MODEL, STAFF

NONE: frozenset[str] = frozenset()
ALL = frozenset(("boss",))


def with_view(view: View, of: SemanticModel = MODEL) -> SemanticModel:
    return replace(of, views={**of.views, view.name: view})


def with_references(name: str, *references: str, of: SemanticModel = MODEL) -> SemanticModel:
    view = of.views["orders"]
    field = replace(view.dimensions[name], references=frozenset(references))
    return with_view(replace(view, dimensions={**view.dimensions, name: field}), of)


def with_topic_fields(name: str, *fields: str) -> SemanticModel:
    topic = replace(MODEL.topics[name], fields=MODEL.topics[name].fields | {*fields})
    return replace(MODEL, topics={**MODEL.topics, name: topic})


def scope(of: SemanticModel, name: str, attributes: dict[str, tuple[str, ...]]) -> AccessScope | None:
    held = {key: AttributeValue(values, "string", "claim") for key, values in attributes.items()}
    actor = Actor(kind="person", tenant_id=uuid4(), user_id=uuid4(), label="somebody", attributes=held)
    return ScopeBuilder(actor, of, passed_grants(actor, of), uuid4(), uuid4(), 1000, lambda: "k" * 32).of(name)


@pytest.mark.parametrize("name", ["orders.nothing", "nowhere.id", "orders", "", "orders.nothing[month]"])
def test_a_field_that_is_not_there_is_closed(name: str) -> None:
    of = with_topic_fields("Orders", name)
    assert name not in open_fields(of, "Orders", ALL)
    assert "orders.region" in open_fields(of, "Orders", ALL)
    assert not field_verdict(with_references("region", name), "orders.region", ALL).is_open
    assert field_verdict(MODEL, "orders.region", ALL).is_open


def test_a_field_that_rests_on_itself_is_closed() -> None:
    of = with_references("id", "orders.region", of=with_references("region", "orders.id"))
    assert "orders.id" not in open_fields(with_references("id", "orders.id"), "Orders", ALL)
    assert "orders.email" in open_fields(of, "Orders", ALL)
    assert not field_verdict(of, "orders.id", ALL).is_open
    assert not field_verdict(of, "orders.region", ALL).is_open


def test_each_rule_on_a_field_or_its_view_closes_it() -> None:
    for name in ("orders.cost", "orders.about", "orders.costs"):
        verdict = field_verdict(MODEL, name, NONE)
        assert not verdict.is_open
        assert verdict.rule is not None
        assert field_verdict(MODEL, name, ALL).is_open
    rule = MODEL.views["orders"].dimensions["cost"].required_access_grants
    assert rule is not None
    assert grant_holds(rule, ALL)
    of = with_view(replace(MODEL.views["orders"], required_access_grants=rule))
    assert open_fields(of, "Orders", NONE) == frozenset()
    assert "orders.region" in open_fields(of, "Orders", ALL)
    verdict = field_verdict(of, "orders.region", NONE)
    assert verdict.owner == "View orders"
    assert verdict.via == ("orders.region",)


def test_a_measures_own_filter_closes_it() -> None:
    assert field_verdict(MODEL, "orders.count", NONE).is_open
    assert not field_verdict(MODEL, "orders.costs", NONE).is_open
    assert field_verdict(MODEL, "orders.costs", NONE).via == ("orders.costs", "orders.cost")


def test_an_sql_view_is_not_closed_by_columns_that_it_does_not_read() -> None:
    assert {"plain.id", "plain.region", "plain.count"} <= open_fields(MODEL, "Plain", NONE)
    assert open_fields(MODEL, "Costly", NONE) == frozenset()


def test_a_query_view_needs_its_topic_and_that_topics_grants() -> None:
    assert "counts.count" in open_fields(MODEL, "Counts", NONE)
    source = MODEL.views["counts"].query_source
    assert source is not None
    for topic, passed, is_open in (("Nowhere", ALL, False), ("Bosses", NONE, False), ("Bosses", ALL, True)):
        of = with_view(replace(MODEL.views["counts"], query_source=replace(source, topic=topic)))
        assert ("counts.count" in open_fields(of, "Counts", passed)) == is_open
    for columns, is_open in (
        ((("orders.cost", "x"),), False), ((("orders.nothing", "x"),), False), ((("orders.region[month]", "x"),), True),
    ):  # fmt: skip
        of = with_view(replace(MODEL.views["counts"], query_source=replace(source, columns=columns)))
        assert ("counts.count" in open_fields(of, "Counts", NONE)) == is_open


def test_what_is_masked_is_so_by_its_own_rule() -> None:
    assert masked_fields(MODEL, "Orders", NONE) == {"orders.email"}
    assert masked_fields(MODEL, "Mails", NONE) == {"orders.email"}
    assert masked_fields(MODEL, "Orders", ALL) == frozenset()


def test_there_is_no_scope_on_what_is_not_there_or_closed() -> None:
    assert scope(MODEL, "Nowhere", BOSS) is None
    assert scope(MODEL, "Bosses", STAFF) is None
    assert scope(MODEL, "Bosses", BOSS) is not None


def test_query_views_rest_on_one_another_to_a_depth() -> None:
    views, topics = dict(MODEL.views), dict(MODEL.topics)
    source = views["counts"].query_source
    assert source is not None
    below = "Orders"
    for number in range(MAX_DEPTH + 2):
        name = f"level{number}"
        views[name] = replace(
            views["counts"],
            name=name,
            dimensions={},
            measures={},
            query_source=replace(source, topic=below, columns=()),
        )
        topics[name] = replace(topics["Counts"], name=name, base_view=name, fields=frozenset())
        below = name
    of = replace(MODEL, views=views, topics=topics)

    def depth(found: AccessScope | None) -> int:
        return 0 if found is None else 1 + max((depth(inner) for inner in found.nested.values()), default=0)

    assert depth(scope(of, "level0", STAFF)) == 2
    assert depth(scope(of, below, STAFF)) == MAX_DEPTH + 1


def test_the_key_of_masks_is_read_where_something_is_masked() -> None:
    key = "k" * 32
    for name, attributes, expected in (
        ("Orders", STAFF, key), ("Orders", BOSS, ""), ("Counts", STAFF, key), ("Counts", BOSS, ""), ("Both", STAFF, key),
        ("Both", BOSS, ""), ("Mails", STAFF, key),
    ):  # fmt: skip
        found = scope(MODEL, name, attributes)
        assert found is not None
        assert found.mask_key == expected, (name, attributes)


def test_a_composite_offers_what_it_says_and_its_topics_open() -> None:
    composite = MODEL.composites["Both"]
    fewer = replace(composite, fields=composite.fields - {"@Orders.orders.count"})
    found = scope(replace(MODEL, composites={"Both": fewer}), "Both", BOSS)
    assert found is not None
    assert "@Orders.orders.count" not in found.fields
    assert "@Plain.plain.count" in found.fields
    shared = composite.shared_dimensions["region"]
    for mappings, is_open in (
        ({"Orders": "orders.cost", "Plain": "plain.region"}, False),
        ({"Orders": "orders.region", "Plain": "plain.nothing"}, False),
        ({"Orders": "orders.region[month]", "Plain": "plain.region"}, True),
    ):
        other = replace(composite, shared_dimensions={"region": replace(shared, mappings=mappings)})
        found = scope(replace(MODEL, composites={"Both": other}), "Both", STAFF)
        assert found is not None
        assert (f"{SHARED}region" in found.fields) == is_open
    rule = MODEL.topics["Bosses"].required_access_grants
    closed = replace(MODEL, composites={"Both": replace(composite, required_access_grants=rule)})
    assert scope(closed, "Both", STAFF) is None
    assert scope(closed, "Both", BOSS) is not None


def test_an_attribute_without_values_is_none() -> None:
    found = scope(MODEL, "Orders", {**STAFF, "home": ()})
    assert found is not None
    assert found.attributes == {}
    with pytest.raises(MissingAttributeError):
        scope(MODEL, "Orders", {"region": ()})
    with pytest.raises(MissingAttributeError):
        scope(MODEL, "Orders", {})


def test_the_attribute_that_names_a_schema_is_part_of_the_rights() -> None:
    of = with_view(replace(MODEL.views["orders"], schema_attribute="place"))
    for name in ("Orders", "Plain"):
        found = scope(of, name, {**STAFF, "place": ("eu",), "home": ("EU",)})
        assert found is not None
        assert found.attributes == {"place": ("eu",), "home": ("EU",)}


def test_what_is_remembered_of_a_topic_is_of_the_views_that_the_question_sees() -> None:
    """A topic with views of its own sees the topics beneath its query views with them, whoever asked what before."""
    files = FILES | {
        "names.query.view": "query: {topic: Plain2, fields: {people.name: name, people.mail: mail}}\n",
        "people.view": "schema: s\ndimensions: {name: {}, mail: {}, here: {sql: '${name} = {{omni_attributes.home}}'}}\n",
        "Plain2.topic": "base_view: people\n",
        "Strict.topic": "base_view: names\nviews: {people: {dimensions: {name: {mask_unless_access_grants: [boss]},"
        " mail: {required_access_grants: [boss]}, here: {sql: '${name} = {{omni_attributes.region}}'}}}}\n",
    }
    model, tenant, version = read_model(files, dialect="duckdb"), uuid4(), uuid4()
    held = {name: AttributeValue(("EU",), "string", "claim") for name in ("home", "region")}
    actor = Actor(kind="person", tenant_id=tenant, user_id=uuid4(), label="somebody", attributes=held)

    def of(name: str) -> AccessScope:
        builder = ScopeBuilder(actor, model.of_topic(name), NONE, tenant, version, 1000, lambda: "k" * 32)
        found = builder.of(name)
        assert found is not None
        return found

    for _ in range(2):
        plain, strict = of("Plain2"), of("Strict").nested["Plain2"]
        assert (plain.masked, strict.masked) == (NONE, {"people.name"})
        assert plain.fields - strict.fields == {"people.mail"}
        assert (set(plain.attributes), set(strict.attributes)) == ({"home"}, {"region"})


@pytest.mark.parametrize(
    "sql", ["SELECT COUNT(*) AS n FROM orders AS o", "SELECT COUNT(o.status) AS n FROM orders AS o"]
)
def test_an_sql_view_is_as_closed_as_the_views_that_it_reads_whatever_it_reads_of_them(sql: str) -> None:
    files = {
        "model.yaml": "access_grants: {boss: {user_attribute: role, allowed_values: [boss]}}\n",
        "orders.view.yaml": "required_access_grants: [boss]\ndimensions: {status: {}}\n",
        "counted.view.yaml": f"sql: {sql}\ndimensions: {{n: {{}}}}\n",
        "Counted.topic.yaml": "base_view: counted\n",
    }
    model = read_model(files, dialect="duckdb")
    assert open_fields(model, "Counted", NONE) == NONE
    assert open_fields(model, "Counted", ALL) == {"counted.n"}


def test_a_query_view_is_as_closed_as_the_fields_that_it_would_filter_by() -> None:
    files = {
        "model.yaml": "access_grants: {boss: {user_attribute: role, allowed_values: [boss]}}\n",
        "orders.view.yaml": "dimensions: {status: {}, margin: {required_access_grants: [boss]}, paid: {}}\n",
        "sums.query.view.yaml": "query: {base_view: orders, fields: {orders.status: state}, bind: {orders.BOUND: sums.state}}\n"
        "dimensions: {state: {}}\n",
        "Sums.topic.yaml": "base_view: sums\n",
    }
    for bound, is_open in (("margin", False), ("paid", True)):
        changed = {name: text.replace("BOUND", bound) for name, text in files.items()}
        model = read_model(changed, dialect="duckdb")
        assert (open_fields(model, "Sums", NONE) == {"sums.state"}) is is_open
        assert open_fields(model, "Sums", ALL) == {"sums.state"}


def test_a_composite_that_one_part_closes_is_closed_whatever_another_one_asks_for() -> None:
    files = {
        "model.yaml": "access_grants: {boss: {user_attribute: role, allowed_values: [boss]}}\n",
        "orders.view.yaml": "access_filters: [{field: region, user_attribute: region}]\ndimensions: {region: {}}\n",
        "tickets.view.yaml": "dimensions: {area: {}}\n",
        "A.topic.yaml": "base_view: orders\n",
        "B.topic.yaml": "base_view: tickets\nrequired_access_grants: [boss]\n",
        "Both.composite_topic": "topics: [A, B]\nshared_dimensions: {area: {mappings: {A: orders.region, B: tickets.area}}}\n",
    }
    model = read_model(files, dialect="duckdb")
    assert scope(model, "Both", {}) is None
    with pytest.raises(MissingAttributeError):
        scope(model, "Both", {"role": ("boss",)})
    assert scope(model, "Both", {"role": ("boss",), "region": ("EU",)}) is not None


def test_an_attribute_in_the_key_of_a_measure_goes_into_the_rights() -> None:
    files = {
        "orders.view.yaml": "dimensions: {region: {}, id: {}}\nmeasures:\n  total: {aggregate_type: sum_distinct_on, sql: '${id}',"
        " custom_primary_key_sql: \"CONCAT(${id}, '{{omni_attributes.team}}')\"}\n",
        "A.topic.yaml": "base_view: orders\n",
    }
    found = scope(read_model(files, dialect="duckdb"), "A", {"team": ("red",)})
    assert found is not None
    assert found.attributes == {"team": ("red",)}


@pytest.mark.parametrize("pay", ["{sql: salary, %s}", '{sql: "${salary}", %s}', '{sql: "${salary} * 2", %s}'])
def test_an_sql_view_does_not_open_a_column_that_a_closed_field_is_made_of(pay: str) -> None:
    """Described by no file, the column has a field of its own, which nobody may ask for."""
    files = {
        "model": "access_grants: {fin: {user_attribute: a, allowed_values: [x]}}\n",
        "staff.view": f"dimensions:\n  id: {{primary_key: true}}\n  pay: {pay % 'required_access_grants: [fin]'}\n",
        "v.view": "sql: SELECT s.id AS id, s.salary AS money FROM staff AS s\ndimensions: {id: {}, money: {}}\n",
        "V.topic": "base_view: v",
    }
    of = read_model(files, dialect="duckdb")
    assert open_fields(of, "V", frozenset()) == frozenset()
    assert open_fields(of, "V", frozenset(("fin",))) == {"v.id", "v.money"}
    plain = read_model(
        files | {"staff.view": files["staff.view"].replace(", required_access_grants: [fin]", "")}, dialect="duckdb"
    )
    assert open_fields(plain, "V", frozenset()) == {"v.id", "v.money"}
