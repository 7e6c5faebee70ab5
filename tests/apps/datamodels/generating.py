"""Tables for a model that has none: columns and their kinds as the model speaks of them, rows by counting."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import duckdb
from sqlglot import exp

from apps.semantic.model.types import Measure, SemanticModel, View

ROWS = 12
NUMERIC = (exp.Sum, exp.Avg, exp.Mul, exp.Div, exp.Add, exp.Sub)
START = datetime.fromisoformat("2024-01-30 22:30:00")


def fill(database: duckdb.DuckDBPyConnection, model: SemanticModel) -> None:
    """Create a table with rows under each view that reads one."""
    kinds = _kinds(model)
    for view in (item for item in model.views.values() if not item.is_derived):
        if view.catalog:
            database.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {view.catalog}")
        where = ".".join(part for part in (view.catalog, view.schema) if part)
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {where}")
        columns = {name: kinds[view.name, name] for name in _columns(view)}
        chosen = _chosen(model, view)
        listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        database.execute(f"CREATE TABLE {where}.{view.table_name} ({listed})")
        keys = [name.lower() for name in _keys(view)]
        for row in range(ROWS):
            values = [
                _value(kind, row, is_key=name in keys[-1:], texts=chosen.get(name, ()))
                for name, kind in columns.items()
            ]
            marks = ", ".join("?" for _ in values)
            database.execute(f"INSERT INTO {where}.{view.table_name} VALUES ({marks})", values)


def _columns(view: View) -> list[str]:
    trees = [item.sql for item in view.dimensions.values()] + [*view.primary_key]
    trees += [item.sql for item in view.measures.values() if item.sql is not None]
    return list(dict.fromkeys(node.name.lower() for tree in trees for node in tree.find_all(exp.Column)))


def _keys(view: View) -> Iterator[str]:
    trees = [*view.primary_key] or [item.sql for item in view.dimensions.values() if item.is_primary_key]
    for node in (found for tree in trees for found in tree.find_all(exp.Column, exp.Placeholder)):
        named = view.dimensions.get(node.name.rpartition(".")[2]) if isinstance(node, exp.Placeholder) else None
        yield from (item.name for item in ((node,) if named is None else named.sql.find_all(exp.Column)))


def _kinds(model: SemanticModel) -> dict[tuple[str, str], str]:
    """Return the kind of each column, by view: a moment where it is cut to periods, a number where it is counted with."""
    numbers = {node.name for tree, _ in _counted(model) for node in tree.find_all(exp.Placeholder)}
    numbers |= {
        node.name for topic in model.topics.values() for join in topic.joins
        for node in join.relationship.on_sql.find_all(exp.Placeholder)
    }  # fmt: skip
    found: dict[tuple[str, str], str] = {}
    for view in model.views.values():
        keys = {name.lower() for name in _keys(view)}
        for name in _columns(view):
            found[view.name, name] = "INT" if name in keys else "VARCHAR"
        for item in view.dimensions.values():
            kind = "TIMESTAMP" if item.timeframes else "INT" if item.id in numbers else ""
            for node in item.sql.find_all(exp.Column) if kind else ():
                found[view.name, node.name.lower()] = kind
    return found


def _counted(model: SemanticModel) -> Iterator[tuple[exp.Expr, str]]:
    for view in model.views.values():
        for field in view.fields:
            if field.sql is None:
                continue
            if isinstance(field, Measure) and field.aggregate in ("sum", "average", "percentile", "median"):
                yield field.sql, field.id
            yield from ((node, field.id) for node in field.sql.find_all(*NUMERIC))


def _chosen(model: SemanticModel, view: View) -> Mapping[str, tuple[str, ...]]:
    """Return the texts that measures of a view choose rows by, for each column."""
    found: dict[str, tuple[str, ...]] = {}
    for rule in (rule for item in view.measures.values() for rule in item.filters):
        dimension = model.dimension(rule.field)
        for node in dimension.sql.find_all(exp.Column) if dimension is not None else ():
            found[node.name.lower()] = tuple(map(str, rule.condition.values))
    return found


def _value(kind: str, row: int, *, is_key: bool, texts: tuple[str, ...]) -> object:
    if kind == "TIMESTAMP":
        return START + timedelta(days=17 * row, hours=row)
    if kind == "INT":
        return row + 1 if is_key else row % 5 + 1
    return texts[row % len(texts)] if texts and row % 2 else f"text {row % 3}"
