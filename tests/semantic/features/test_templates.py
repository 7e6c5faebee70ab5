"""User attributes and values of filters inside the model's expressions: bound values, several only in a list."""

import pytest

from apps.semantic.errors import MissingAttributeError
from tests.semantic.features.store import FILES, ask, everything, model

IDS = ask("Sales", "orders.id")


def ids(store, rule, *regions):
    topic = f'base_view: orders\njoins: {{customers: {{}}}}\nalways_where_sql: "{rule}"'
    of = model(store.engine.dialect, **{"Sales.topic": topic})
    return [number for (number,) in store.ask(IDS, everything(of, "Sales", attributes={"region": regions}), of)]


def test_a_list_takes_all_values_beside_those_written_in_it(store):
    rule = "${customers.region} IN ('none', {{omni_attributes.region}})"
    assert ids(store, rule, "EU") == [1, 2, 3]
    assert ids(store, rule, "EU", "US") == [1, 2, 3, 4, 5]
    with pytest.raises(MissingAttributeError):
        ids(store, rule)


def test_an_attribute_may_be_all_of_an_expression(store):
    view = FILES["orders.view"].replace(
        "dimensions:\n", 'dimensions:\n  home: {sql: "{{omni_attributes.region}}"}\n', 1
    )
    of = model(store.engine.dialect, **{"orders.view": view})
    asked = ask("Sales", "orders.count", filters={"orders.home": {"is": "EU"}})
    for region, rows in (("EU", [(6,)]), ("US", [(0,)])):
        assert store.ask(asked, everything(of, "Sales", attributes={"region": (region,)}), of) == rows


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("{{omni_attributes.region}}", "EU"),
        ("CONCAT({{omni_attributes.region}}, '/', ${status})", "EU/paid"),
        ("CONCAT({{omni_attributes.region}}, '/', {{omni_attributes.region}})", "EU/EU"),
        ("COALESCE({{omni_attributes.region}}, ${status})", "EU"),
        ("UPPER({{omni_attributes.region}})", "EU"),
        ("CASE WHEN ${status} = 'paid' THEN {{omni_attributes.region}} ELSE 'none' END", "EU"),
    ],
)
def test_an_attribute_is_shown_and_grouped_by_wherever_it_stands(store, sql, expected):
    view = FILES["orders.view"].replace("dimensions:\n", f'dimensions:\n  home: {{sql: "{sql}"}}\n', 1)
    of = model(store.engine.dialect, **{"orders.view": view})
    scope = everything(of, "Sales", attributes={"region": ("EU",)})
    paid = {"orders.status": {"is": "paid"}}
    [(count,)] = store.ask(ask("Sales", "orders.count", filters=paid), scope, of)
    for names in (("orders.home", "orders.count"), ("orders.home", "orders.status", "orders.count"), ("orders.home",)):
        assert {row[0] for row in store.ask(ask("Sales", *names, filters=paid), scope, of)} == {expected}
    assert store.ask(ask("Sales", "orders.home", "orders.count", filters=paid), scope, of) == [(expected, count)]


@pytest.mark.parametrize(
    "rule",
    [
        "{{omni_attributes.region}} IN ('EU', ${customers.region}) AND ${amount} > 20",
        "COALESCE(${customers.region}, {{omni_attributes.region}}) = 'EU' AND ${amount} > 20",
    ],
)
def test_several_values_stand_nowhere_else(store, rule):
    assert set(ids(store, rule, "EU")) >= {1, 2, 3}
    for regions in ((), ("EU", "US")):
        with pytest.raises(MissingAttributeError):
            ids(store, rule, *regions)


def shown(store, name, **filters):
    """Return what a dimension is, which is made of the values of filters."""
    made = {
        "chosen": "COALESCE({{filters.orders.wanted.value}}, 'none')",
        "end": "COALESCE({{filters.orders.limits.range_end}}, -1)",
        "is_within": "25 BETWEEN {{filters.orders.limits.range_start}} AND {{filters.orders.limits.range_end}}",
        "meets": "{{# orders.other.filter }} {{filters.orders.wanted.value}} {{/ orders.other.filter }}",
    }
    view = FILES["orders.view"].replace(
        "  wanted: {type: string}", "  wanted: {type: string}\n  limits: {type: number}\n  other: {type: string}"
    )
    lines = "".join(f'  {key}: {{sql: "{sql}"}}\n' for key, sql in made.items())
    of = model(store.engine.dialect, **{"orders.view": view.replace("dimensions:\n", f"dimensions:\n{lines}", 1)})
    given = {f"orders.{key}": condition for key, condition in filters.items()}
    ((value,),) = store.ask(ask("Sales", f"orders.{name}", filters=given), everything(of, "Sales"), of)
    return value


def test_the_value_of_a_filter_stands_in_an_expression(store):
    either = {"or": [{"is": "paid"}, {"contains": "o"}]}
    assert shown(store, "chosen") == shown(store, "chosen", wanted=either) == "none"
    assert shown(store, "chosen", wanted={"is": ["paid", "open"]}) == "paid"


def test_a_range_has_an_end_where_a_filter_has_two_values(store):
    assert shown(store, "end") == shown(store, "end", limits={"greater_than": 20}) == -1
    assert shown(store, "end", limits={"between": [20, 30]}) == 30
    assert [shown(store, "is_within", limits={"between": [20, end]}) for end in (24, 25)] == [False, True]


def test_the_condition_on_a_filter_applies_to_the_value_of_another(store):
    other = {"contains": "a"}
    assert shown(store, "meets", other=other, wanted={"is": "paid"})
    assert not shown(store, "meets", other=other, wanted={"is": "open"})


def test_a_template_for_which_nothing_can_be_chosen_is_warned_about():
    def warnings(sql):
        view = FILES["orders.view"].replace(
            'sql: "{{# orders.wanted.filter }} ${status} {{/ orders.wanted.filter }}"', f'sql: "{sql}"'
        )
        return [item.message for item in model(**{"orders.view": view}).warnings]

    before = [item.message for item in model().warnings]
    for name in ("orders.wanted", "orders.status"):
        assert warnings(f"{{{{# {name}.filter }}}} ${{status}} {{{{/ {name}.filter }}}}") == before
    told = set(warnings("{{# orders.wantd.filter }} ${status} {{/ orders.wantd.filter }}")) - set(before)
    assert told == {
        "there is no filter “orders.wantd”, so nothing is ever chosen for it. Did you mean “orders.wanted”?"
    }
    assert any("no filter “orders.gone”" in item for item in warnings("${status} = {{filters.orders.gone.value}}"))
