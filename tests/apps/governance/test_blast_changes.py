"""What changes between two states of somebody's rights on a data set, by the rights alone."""

from collections.abc import Mapping
from typing import Any

import pytest

from apps.governance.blast_radius.comparing import changes
from apps.governance.blast_radius.promises import promise_changes
from apps.governance.blast_radius.rights import Closed
from apps.governance.blast_radius.turning import OF_GROUPS, OF_ROWS
from apps.governance.blast_radius.types import Change, DatasetRights, FieldRight, RowRule
from apps.semantic.model.types import Mask

HASH, KEEPS, REDACT, NULL = Mask("hash"), Mask("keep_last", 4), Mask("redact"), Mask("null")
CLOSED = Closed("its grants do not let them through")
HERE = ("view orders", "orders.region")


def rights(**parts: Any) -> DatasetRights:
    nothing: dict[str, Any] = {
        "fields": {},
        "rows": {},
        "beneath": {},
        "compared": {},
        "rules": {},
        "turning": frozenset(),
    }
    return DatasetRights(**nothing | parts)


def field(masks: Mapping[str, Mask] | None = None, definition: str = "d", **rest: Any) -> DatasetRights:
    """Return the rights on one field."""
    return rights(fields={"orders.loud": FieldRight(definition, masks or {}, **rest)})


def rows(*values: str, compared: str = "c") -> DatasetRights:
    return rights(rows={HERE: frozenset(values)}, compared={HERE: compared})


def rule(*conditions: str, does: Any = "fewer", name: str = OF_ROWS, **rest: Any) -> DatasetRights:
    return rights(rules={name: RowRule(frozenset(conditions), rest.pop("rests_on", {}), does)}, **rest)


def kinds(old: DatasetRights | Closed, new: DatasetRights | Closed) -> list[str]:
    return [change.kind for change in changes("Sales", old, new)]


OWN, INNER, OTHER = "orders.loud", "orders.email", "orders.phone"
NOTHING = rights()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (NOTHING, NOTHING, []),
        (CLOSED, CLOSED, []),
        (NOTHING, CLOSED, ["dataset_lost"]),
        (CLOSED, NOTHING, ["dataset_gained"]),
        (field(), NOTHING, ["field_lost"]),
        (NOTHING, field(), ["field_gained"]),
        (NOTHING, field({OWN: HASH}), ["field_gained_masked"]),
        (NOTHING, field({INNER: HASH}, is_counted=True), ["field_gained"]),
        (field(), field({OWN: HASH}), ["field_masked"]),
        (field({OWN: HASH}), field(), ["field_unmasked"]),
        (field({OWN: HASH}), field({OWN: KEEPS}), ["mask_changed"]),
        (field({OWN: KEEPS}), field({OWN: REDACT}), ["field_masked"]),
        (field({OWN: REDACT}), field({OWN: NULL}), ["field_masked"]),
        (field({OWN: NULL}), field({OWN: REDACT}), ["mask_changed"]),
        (field({OWN: REDACT}), field({OWN: KEEPS}), ["mask_changed"]),
        (field({OWN: NULL}), field({OWN: NULL}), []),
        (field({INNER: HASH}), field({INNER: HASH, OTHER: HASH}), ["field_masked"]),
        (field({INNER: HASH, OTHER: HASH}), field({INNER: HASH}), ["mask_changed"]),
        (field({INNER: HASH}), field({OTHER: HASH}), ["mask_changed"]),
        (field({INNER: HASH}), field({OWN: HASH}), ["mask_changed"]),
        (field({INNER: HASH}), field({OWN: REDACT}), ["field_masked"]),
        (field({INNER: NULL}), field({OWN: REDACT}), ["mask_changed"]),
        (field({INNER: NULL}), field({OWN: NULL}), ["field_masked"]),
        (field({INNER: HASH}), field({INNER: KEEPS, OWN: REDACT}), ["mask_changed"]),
        (field({INNER: HASH, OTHER: HASH}), field({INNER: REDACT, OTHER: KEEPS}), ["mask_changed"]),
        (field({INNER: HASH}, is_counted=True), field({}, is_counted=True), []),
        (field({INNER: KEEPS}, is_counted=True), field({}, is_counted=True), ["count_unmasked"]),
        (field({INNER: KEEPS}, is_counted=True), field({INNER: HASH}, is_counted=True), ["count_unmasked"]),
        (field({}), field({INNER: KEEPS}, is_counted=True), ["count_masked"]),
        (field({INNER: KEEPS}, is_counted=True), field({}), ["count_unmasked"]),
        (field(), field(definition="e"), ["field_redefined"]),
        (field({OWN: HASH}), field({OWN: HASH}, "e"), ["field_redefined"]),
        (field({OWN: NULL}), field({OWN: NULL}, "e"), []),
        (field({INNER: NULL}), field({INNER: NULL}, "e"), ["field_redefined"]),
        (field({OWN: NULL, INNER: NULL}), field({OWN: NULL, INNER: NULL}, "e"), ["field_redefined"]),
        (field(), field(intervals=frozenset(("days",))), ["field_gained"]),
        (field(intervals=frozenset(("days",))), field(), []),
        (field({OWN: HASH}), field({OWN: HASH}, intervals=frozenset(("days",))), []),
        (rights(beneath={INNER: HASH}), NOTHING, ["field_unmasked"]),
        (NOTHING, rights(beneath={INNER: HASH}), ["field_masked"]),
        (rights(beneath={INNER: HASH}), rights(beneath={INNER: HASH}), []),
        (rights(beneath={INNER: HASH}), rights(beneath={INNER: KEEPS}), ["mask_changed"]),
        (rights(beneath={INNER: HASH}), rights(beneath={INNER: REDACT}), ["field_masked"]),
        (rows("EU"), rows("EU"), []),
        (rows("EU"), NOTHING, ["rows_lifted"]),
        (NOTHING, rows("EU"), ["rows_limited"]),
        (rows("EU"), rows("EU", "US"), ["rows_added"]),
        (rows("EU", "US"), rows("EU"), ["rows_removed"]),
        (rows("EU"), rows("US"), ["rows_added", "rows_removed"]),
        (rows("EU"), rows("EU", compared="e"), ["rows_redefined"]),
        (rule("a"), rule("a"), []),
        (rule("a"), rule("a", "b"), ["rows_narrowed"]),
        (rule("a", "b"), rule("a"), ["rows_redefined"]),
        (rule("a"), rule("b"), ["rows_redefined"]),
        (NOTHING, rule("a"), ["rows_narrowed"]),
        (rule("a"), NOTHING, ["rows_redefined"]),
        (NOTHING, rule("a", does="other"), ["rows_redefined"]),
        (rule("a", does="other"), rule("a", "b", does="other"), ["rows_redefined"]),
        (rule("a", does="fewer"), rule("a", "b", does="other"), ["rows_redefined"]),
        (NOTHING, rule("a", does="none"), []),
        (rule("a", does="none"), NOTHING, []),
        (rule("a", does="none"), rule("b", does="none"), ["rows_redefined"]),
        (rule("a", rests_on={"`x`": "1"}), rule("a", rests_on={"`x`": "2"}), ["rows_redefined"]),
        (rule("a", rests_on={"`x`": "1"}), rule("a", "b", rests_on={"`x`": "1", "`y`": "2"}), ["rows_narrowed"]),
    ],
)  # fmt: skip
def test_whatever_may_show_more_is_not_told_as_less(
    old: DatasetRights | Closed, new: DatasetRights | Closed, expected: list[str]
) -> None:
    assert kinds(old, new) == expected


def turned(start: str, what: str, *, by: DatasetRights) -> DatasetRights:
    return rights(rows=by.rows, compared=by.compared, rules=by.rules, turning=frozenset(((start, what),)))


@pytest.mark.parametrize(
    ("new", "is_told"),
    [
        (turned("view orders", OF_ROWS, by=rows("EU")), True),
        (turned("", OF_ROWS, by=rows("EU")), True),
        (turned("view tickets", OF_ROWS, by=rows("EU")), False),
        (turned("", OF_ROWS, by=rows("EU", "US", "ASIA")), False),
        (turned("", OF_GROUPS, by=rule("a")), True),
        (turned("", OF_ROWS, by=rule("a", name=OF_GROUPS)), False),
        (turned("", OF_ROWS, by=rule("a", name=f"Sales: {OF_GROUPS}")), False),
        (turned("Sales: ", OF_ROWS, by=rule("a", name=f"Sales: {OF_ROWS}")), True),
        (turned("Sales: ", OF_ROWS, by=rule("a", name=f"Deals: {OF_ROWS}")), False),
    ],
)  # fmt: skip
def test_rules_over_fewer_rows_are_told_where_the_fewer_rows_are(new: DatasetRights, *, is_told: bool) -> None:
    old = rows("EU", "US") if new.rows else NOTHING
    told = [change.subject for change in changes("Sales", old, new) if change.why.startswith("with fewer rows")]
    assert bool(told) == is_told


def test_a_rule_that_says_something_else_is_not_told_once_more_for_the_fewer_rows_beneath_it() -> None:
    old = rule("a", rows={HERE: frozenset(("EU", "US"))})
    new = rule("b", rows={HERE: frozenset(("EU",))}, turning=frozenset((("view orders", OF_ROWS),)))
    assert [change for change in changes("Sales", old, new) if change.subject == OF_ROWS] == [
        Change("rows_redefined", "Sales", OF_ROWS, why="it says something else")
    ]


def test_what_is_gained_says_how_much_of_it_is_masked() -> None:
    fields = {
        "a": FieldRight("d"),
        "b": FieldRight("d", {"b": HASH}),
        "c": FieldRight("d", {"b": HASH}, is_counted=True),
    }
    [gained] = changes("Sales", CLOSED, rights(fields=fields))
    assert gained.why == "3 fields, 1 of them masked"


PEOPLE = "people: {anna: {attributes: {region: [EU]}}, boss: {attributes: {region: [ALL]}}}\n"


def promised(test: str, people: str = PEOPLE) -> dict[str, str]:
    return {"a.access_test.yaml": f"{people}tests: [{{dataset: Sales, {test}}}]\n"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("person: anna, expect: denied", "person: anna, expect: denied", []),
        ("person: anna, expect: denied", "person: anna, expect: allowed", ["test_changed"]),
        ("person: anna, expect: denied", "person: boss, expect: denied", ["test_changed"]),
        ("people: [anna], expect: denied", "people: [boss], expect: denied", ["test_changed"]),
        ("people: anna, expect: denied", "people: boss, expect: denied", ["test_changed"]),
        ("name: one, person: anna, expect: denied", "name: 1, person: anna, expect: denied", ["test_removed"]),
        ("name: 1, person: anna, expect: denied", "name: 1.5, person: anna, expect: denied", ["test_removed"]),
        ("name: [1], person: anna, expect: denied", "name: [1], person: anna, expect: denied", []),
    ],
)  # fmt: skip
def test_a_policy_test_is_what_it_asks_of_whom_by_whatever_name(old: str, new: str, expected: list[str]) -> None:
    assert [change.kind for change in promise_changes(promised(old), promised(new))] == expected


@pytest.mark.parametrize("word", ["person: anna", "people: [anna]", "people: [anna, boss]"])
def test_a_policy_test_for_somebody_else_by_the_same_name_is_another(word: str) -> None:
    test = f"name: all, {word}, expect: denied"
    other = PEOPLE.replace("[EU]", "[US]")
    assert [change.kind for change in promise_changes(promised(test), promised(test, other))] == ["test_changed"]
    assert not [*promise_changes(promised(test), promised(test))]
