"""What is told of the text of an SQL view, against what a database does with it: nothing that it takes is a fault."""

import json

import duckdb
import psycopg
import pymysql

from apps.semantic.errors import ModelError
from tests.semantic.features.store import Store, ask, everything, model

REFUSALS = (duckdb.Error, psycopg.Error, pymysql.Error)


def told(sql: str, dialect: str) -> list[str]:
    """Return the faults of a model that has an SQL view of this text."""
    try:
        model(dialect, **_files(sql))
    except ModelError as error:
        return [str(item) for item in error.problems]
    return []


def compare(store: Store, sql: str, *, is_written_otherwise: bool = False, is_taken_by_some: bool = False) -> None:
    """Demand a fault at the text's line if and only if the database refuses it; and else the rows that it gives.

    Args:
        store: on the database.
        sql: the text of the view.
        is_written_otherwise: the database takes what is written for it, though not the text as it stands.
        is_taken_by_some: servers of this kind differ, so that a fault may be told of what this one takes.
    """
    found = told(sql, store.engine.dialect)
    assert all(text.startswith("v.view:1:6: ") for text in found)
    try:
        by_hand = len(store.engine.rows(sql))
    except REFUSALS:
        assert found or is_written_otherwise
        return
    if is_taken_by_some:
        return
    assert not found
    of = model(store.engine.dialect, **_files(sql))
    assert store.ask(ask("V", "v.count"), everything(of, "V"), of) == [(by_hand,)]


def _files(sql: str) -> dict[str, str]:
    view = f"sql: {json.dumps(sql)}\ndimensions: {{a: {{}}}}\nmeasures: {{count: {{aggregate_type: count}}}}\n"
    return {"v.view": view, "V.topic": "base_view: v"}
