"""Grant expressions: precedence, and what cannot be read is refused whole."""

from itertools import product

import pytest

from apps.semantic.model.grants import (
    MAX_ALTERNATIVES,
    MAX_DEPTH,
    MAX_TEXT,
    GrantSyntaxError,
    grant_holds,
    parse_grant_rule,
)
from apps.semantic.model.types import Source

AT = Source("a.view", 1, 1)
NAMES = "abc"


@pytest.mark.parametrize(
    ("items", "meant"),
    [
        (["a"], lambda a, b, c: a),
        (["a|b&c"], lambda a, b, c: a or (b and c)),
        (["(a|b)&c"], lambda a, b, c: (a or b) and c),
        (["a&b|c"], lambda a, b, c: (a and b) or c),
        (["((a))&(b|(c))"], lambda a, b, c: a and (b or c)),
        (["a", "b|c"], lambda a, b, c: a and (b or c)),
        (["a", "b", "c"], lambda a, b, c: a and b and c),
    ],
)
def test_an_expression_holds_as_it_reads(items: list[str], meant: object) -> None:
    rule = parse_grant_rule(items, source=AT)
    for held in product((False, True), repeat=3):
        passed = frozenset(name for name, is_held in zip(NAMES, held, strict=True) if is_held)
        assert grant_holds(rule, passed) is bool(meant(*held))  # type: ignore[operator]  # a function of three


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a b",
        "a)",
        "(a",
        "a|",
        "|a",
        "a&",
        "a&&b",
        "a||b",
        "()",
        "a(b)",
        "(a)b",
        "a & (b",
        "a" * (MAX_TEXT + 1),
    ],
)
def test_what_cannot_be_read_to_its_end_is_refused(text: str) -> None:
    with pytest.raises(GrantSyntaxError):
        parse_grant_rule([text], source=AT)
    with pytest.raises(GrantSyntaxError):
        parse_grant_rule(["a", text], source=AT)


def test_what_grows_or_nests_too_far_is_refused() -> None:
    assert parse_grant_rule(["a" * MAX_TEXT], source=AT)
    many = "&".join(f"(a{number}|b{number})" for number in range(6))
    assert len(parse_grant_rule([many], source=AT).all_of[0]) == MAX_ALTERNATIVES
    for text in (f"{many}&(x|y)", "(" * (MAX_DEPTH + 2) + "a" + ")" * (MAX_DEPTH + 2)):
        with pytest.raises(GrantSyntaxError):
            parse_grant_rule([text], source=AT)
