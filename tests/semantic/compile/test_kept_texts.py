"""A text that is kept for questions of one shape has each question's own values, and no other question's form."""

from dataclasses import replace

import pytest

from apps.semantic.compile.shapes import by_shape, forget
from apps.semantic.compile.values import MARK, Values
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Condition, FieldFilter
from apps.semantic.query.types import FilterGroup
from tests.semantic import shop
from tests.semantic.shop import EVERYTHING, MODEL, TODAY, query


def is_(*values, **rest):
    return Condition("is", values, **rest)


def times_compiled(*conditions):
    """Return how often questions that differ in one condition were compiled."""
    asked = []

    def compiled(question):
        asked.append(question)
        return shop.compiled(question)

    forget()
    for condition in conditions:
        question = query("orders.id", filters={"orders.status": condition})
        by_shape(question, MODEL, EVERYTHING, TODAY, "duckdb", compiled)
    return len(asked)


def test_questions_that_differ_in_plain_values_alone_are_compiled_once():
    assert times_compiled(is_("paid"), is_("open"), is_("lost")) == 1
    assert times_compiled(Condition("not", ("paid",)), Condition("not", ("open",))) == 1
    assert times_compiled(is_("paid"), is_("paid", "open"), Condition("not", ("paid",))) == 3


@pytest.mark.parametrize("operator", ["or", "and"])
def test_values_of_two_types_within_others_are_two_questions_also_where_they_are_equal(operator):
    def within(value):
        return Condition(operator, children=(Condition("greater_than", (value,)), is_(None)))

    def group(value):
        return FilterGroup(operator, (FieldFilter("orders.amount", Condition("greater_than", (value,))),))

    forget()
    asked = []
    for value, is_group in ((1, False), (1.0, False), (1, False), (1, True), (1.0, True), (1, True)):
        question = query("orders.id", filters={} if is_group else {"orders.amount": within(value)})
        question = replace(question, groups=(group(value),) if is_group else ())
        found = by_shape(
            question, MODEL, EVERYTHING, TODAY, "duckdb", lambda item: asked.append(item) or shop.compiled(item)
        )
        assert [type(item) for item in found.parameters if item == 1] == [type(value)]
    assert len(asked) >= 4


TURNS = [
    [(is_("paid"), [1, 3, 4, 7]), (is_("open"), [2]), (is_("PAID"), [])],
    [(is_("PAID"), []), (is_("PAID", is_case_insensitive=True), [1, 3, 4, 7]), (is_("paid"), [1, 3, 4, 7])],
    [(Condition("contains", ("pa",)), [1, 3, 4, 7]), (Condition("contains", ("op",)), [2])],
    [(Condition("or", children=(is_("open"), is_(None))), [2, 5]), (Condition("or", children=(is_("paid"), is_(None))), [1, 3, 4, 5, 7])],
]  # fmt: skip


@pytest.mark.parametrize("turns", TURNS)
def test_each_question_is_answered_by_its_own_condition(ask, turns):
    forget()
    for condition, ids in turns:
        assert [number for (number,) in ask(query("orders.id", filters={"orders.status": condition}))] == ids


@pytest.mark.parametrize(
    "text", [f"a {MARK} b", f"a {MARK}0", f"a {MARK}1{MARK} {MARK} b", f"a {MARK}x{MARK} b", f"{MARK}{MARK}"]
)
def test_a_mark_that_no_value_has_left_is_refused(text):
    values = Values()
    first, second = values.bind("one"), values.bind("two")
    assert values.place(f"{second.name}, {first.name}", "duckdb") == ("?, ?", ("two", "one"))
    with pytest.raises(UnprovenSqlError, match="may not hold"):
        values.place(text, "duckdb")
