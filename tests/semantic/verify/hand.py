"""Statements changed by hand: SQL that no compiler wrote, each value written where its placeholder stands.

A value is ``:0:`` for the statement's first, and ``:'x':`` or ``:=7:`` for one of one's own; so values follow their
placeholders, and nothing is refused merely because their number is wrong.
"""

import ast
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from apps.semantic.compile import CompiledQuery, compile_query
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.reading import parse_query
from apps.semantic.scope import AccessScope
from apps.semantic.verify import verify
from tests.semantic.features.store import TODAY

MARK = re.compile(r":(\d+|'[^']*'|=[^:]+):")
PLACEHOLDERS = {"duckdb": "?", "postgres": "%s", "mysql": "%s", "spark": "?"}
TICKED = frozenset(("mysql", "spark"))
"""dialects whose names stand in backticks"""


@dataclass(frozen=True)
class Statement:
    """A proven statement, and what becomes of it."""

    compiled: CompiledQuery
    model: SemanticModel
    rights: AccessScope

    @property
    def text(self) -> str:
        """The SQL with its values' numbers in it, names in double quotes."""
        first, *rest = self.compiled.sql.split(PLACEHOLDERS[self.compiled.dialect])
        text = first + "".join(f":{number}:{part}" for number, part in enumerate(rest))
        return text.replace("`", '"') if self.compiled.dialect in TICKED else text

    def written(self, text: str) -> CompiledQuery:
        """Return a text of one's own as a statement."""
        values = [self._value(mark) for mark in MARK.findall(text)]
        sql = MARK.sub(lambda _: PLACEHOLDERS[self.compiled.dialect], text)
        sql = sql.replace('"', "`") if self.compiled.dialect in TICKED else sql
        return replace(self.compiled, sql=sql, shape=hashlib.sha256(sql.encode()).hexdigest(), parameters=tuple(values))

    def proves(self, text: str) -> None:
        """Fail unless a text is proven."""
        verify(self.written(text), model=self.model, scope=self.rights)

    def refuses(self, text: str, why: str | None) -> None:
        """Fail unless a text is refused, by the demand that says why, while the untouched statement is proven."""
        assert text != self.text, "nothing was changed"
        self.proves(self.text)
        with pytest.raises(UnprovenSqlError, match=re.escape(why) if why else None):
            self.proves(text)

    def changed(self, *changes: tuple[str, str]) -> str:
        """Return the text with parts of it exchanged, each of which must be there."""
        text = self.text
        for old, new in changes:
            assert old in text, f"{old!r} is not in {text}"
            text = text.replace(old, new)
        return text

    def _value(self, mark: str) -> Any:
        if mark.isdecimal():
            return self.compiled.parameters[int(mark)]
        return ast.literal_eval(mark.removeprefix("="))


def statement(question: Mapping[str, Any], model: SemanticModel, rights: AccessScope) -> Statement:
    """Compile a question; the outcome is proven."""
    compiled = compile_query(parse_query(question), model=model, scope=rights, today=TODAY)
    verify(compiled, model=model, scope=rights)
    return Statement(compiled, model, rights)
