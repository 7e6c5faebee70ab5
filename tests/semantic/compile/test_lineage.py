"""What each output of an SQL view is made of."""

import pytest

from apps.semantic.compile.lineage import outputs_of
from apps.semantic.model.expressions import parse_query_text
from apps.semantic.model.types import SqlSource

TABLES = {"shop.people": "people", "shop.orders": "orders"}
NAME, MAIL, TOTAL = ("people", "name"), ("people", "mail"), ("orders", "total")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT p.name AS who, p.mail FROM shop.people AS p", {"who": {NAME}, "mail": {MAIL}}),
        ("SELECT UPPER(p.Mail) AS Loud FROM shop.people AS p", {"loud": {MAIL}}),
        ("SELECT CASE WHEN p.mail = 'x' THEN p.name ELSE 'y' END AS a FROM shop.people AS p", {"a": {MAIL, NAME}}),
        ("SELECT COUNT(DISTINCT p.mail) AS n, MAX(p.mail) AS last FROM shop.people AS p", {"n": set(), "last": {MAIL}}),
        (
            "SELECT p.mail, o.total FROM shop.people AS p JOIN shop.orders AS o ON o.person = p.name",
            {"mail": {MAIL}, "total": {TOTAL}},
        ),
        ("SELECT people.mail FROM shop.people", {"mail": {MAIL}}),
        (
            "SELECT s.a, s.b FROM (SELECT p.mail AS a, p.name AS b FROM shop.people AS p) AS s",
            {"a": {MAIL}, "b": {NAME}},
        ),
        (
            "SELECT s.a FROM shop.orders AS o JOIN (SELECT p.mail AS a FROM shop.people AS p) AS s ON s.a = o.person",
            {"a": {MAIL}},
        ),
        (
            "SELECT p.name AS a, 1 AS b FROM shop.people AS p UNION ALL SELECT o.total, p.mail FROM shop.orders AS o"
            " JOIN shop.people AS p ON p.name = o.person",
            {"a": {NAME, TOTAL}, "b": {MAIL}},
        ),
        # Without a name before it a column may be of either.
        (
            "SELECT mail FROM shop.people AS p JOIN shop.orders AS o ON o.person = p.name",
            {"mail": {MAIL, ("orders", "mail")}},
        ),
        ("SELECT p.name FROM shop.people AS p WHERE p.mail = 'x'", {"name": {NAME}}),
    ],
)  # fmt: skip
def test_what_an_output_is_made_of(text: str, expected: dict[str, set[tuple[str, str]]]) -> None:
    tree = parse_query_text(text, dialect="postgres", constants={})
    assert outputs_of(SqlSource(tree, TABLES)) == expected
