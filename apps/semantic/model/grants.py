"""Grant expressions: ``a|b&c`` means a OR (b AND c); parentheses are allowed; list items are combined with AND."""

import re

from apps.semantic.model.types import GrantRule, Source

TOKEN = re.compile(r"\s*([|&()]|[^|&()\s]+)")
MAX_ALTERNATIVES = 64
MAX_TEXT = 1_000
MAX_DEPTH = 32
Alternatives = tuple[tuple[str, ...], ...]


class GrantSyntaxError(ValueError):
    """A grant expression cannot be read."""


def parse_grant_rule(items: list[str], *, source: Source) -> GrantRule:
    """Read ``required_access_grants``.

    Raises:
        GrantSyntaxError: an item is empty, unbalanced, or grows beyond 64 alternatives.
    """
    return GrantRule(tuple(_Reader(item).read() for item in items), source)


def grant_holds(rule: GrantRule, passed: frozenset[str]) -> bool:
    """Say whether the passed grants satisfy the rule: every item, by one of its alternatives."""
    return all(any(passed.issuperset(names) for names in alternatives) for alternatives in rule.all_of)


def joined_rule(rules: list[GrantRule]) -> GrantRule:
    """Return a rule that holds where all of some rules do; it stands where the first one does."""
    parts = dict.fromkeys(part for rule in rules for part in rule.all_of)
    is_one = all(rule.all_of == rules[0].all_of for rule in rules)
    return rules[0] if is_one else GrantRule(tuple(parts), rules[0].source, is_joined=True)


def grant_names(rule: GrantRule) -> frozenset[str]:
    """Return every grant that the rule speaks of."""
    return frozenset(name for alternatives in rule.all_of for names in alternatives for name in names)


class _Reader:
    """Recursive descent: alternatives of groups of names."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_TEXT:
            raise GrantSyntaxError(f"a grant expression has at most {MAX_TEXT} letters")
        self.text = text
        self.depth = 0
        self.tokens = [token for token in TOKEN.findall(text) if token]
        self.at = 0

    def read(self) -> Alternatives:
        found = self._either()
        if self.at != len(self.tokens):
            raise GrantSyntaxError(f"cannot read “{self.text}” from “{self.tokens[self.at]}” on")
        return found

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _either(self) -> Alternatives:
        found = self._both()
        while self._peek() == "|":
            self.at += 1
            found = (*found, *self._both())
        return _bounded(found)

    def _both(self) -> Alternatives:
        found = self._one()
        while self._peek() == "&":
            self.at += 1
            right = self._one()
            found = _bounded(tuple((*left, *more) for left in found for more in right))
        return found

    def _one(self) -> Alternatives:
        token = self._peek()
        self.at += 1
        if token == "(":
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise GrantSyntaxError(f"more than {MAX_DEPTH} parentheses stand inside one another")
            found = self._either()
            self.depth -= 1
            if self._peek() != ")":
                raise GrantSyntaxError(f"a parenthesis is not closed in “{self.text}”")
            self.at += 1
            return found
        if token in ("", "|", "&", ")"):
            raise GrantSyntaxError(f"a grant is missing in “{self.text}”")
        return ((token,),)


def _bounded(alternatives: Alternatives) -> Alternatives:
    if len(alternatives) > MAX_ALTERNATIVES:
        raise GrantSyntaxError(f"more than {MAX_ALTERNATIVES} alternatives")
    return alternatives
