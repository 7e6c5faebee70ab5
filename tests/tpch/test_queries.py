"""A model of TPC-H answers its queries like the official SQL."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from apps.semantic.compile import compile_query
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.reading import parse_query
from apps.semantic.scope import AccessScope
from apps.semantic.verify import verify
from tests.semantic.features.engines import Engine
from tests.semantic.features.store import TODAY
from tests.tpch.queries import OFFICIAL, QUESTIONS

MODEL = Path(__file__).parent / "model"


@cache
def model(dialect: str) -> SemanticModel:
    return read_model({path.name: path.read_text() for path in MODEL.glob("*.yaml")}, dialect=dialect)


def scope(of: SemanticModel, name: str) -> AccessScope:
    nested = {topic: AccessScope(topic, found.fields) for topic, found in of.topics.items()}
    return AccessScope(name, of.topics[name].fields, nested=nested)


@pytest.mark.parametrize("number", QUESTIONS)
def test_a_question_equals_the_official_sql(database: Engine, number: int) -> None:
    found = model(database.dialect)
    query = parse_query(QUESTIONS[number])
    rights = scope(found, query.dataset)
    compiled = compile_query(query, model=found, scope=rights, today=TODAY)
    verify(compiled, model=found, scope=rights)
    ours = rounded(database.rows(compiled.sql, compiled.parameters)[: compiled.row_limit])
    official = rounded(database.rows(OFFICIAL[number]))
    assert len(official) > 0
    assert sorted(ours) == sorted(official)


def rounded(rows: list[tuple[Any, ...]]) -> list[str]:
    return [repr(tuple(_rounded(value) for value in row)) for row in rows]


def _rounded(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    return float(f"{value:.7g}") if isinstance(value, int | float) and not isinstance(value, bool) else value
