"""Folders as other tools write them come in without a fault, go out byte for byte, and answer."""

from io import StringIO
from pathlib import Path

import duckdb
import pytest
from django.core.management import call_command
from sqlglot import exp, parse_one

from apps.accounts.models import AttributeDefinition
from apps.connections.models import Connection
from apps.datamodels.folders import read_folder
from apps.semantic.compile import compile_query
from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.reading import parse_query
from apps.semantic.scope import AccessScope
from apps.semantic.verify import verify
from apps.tenants.binding import unbound
from tests.apps.datamodels.generating import fill
from tests.semantic.features.store import TODAY

FOLDERS = Path(__file__).parent / "folders"
NAMES = ("freight", "harvest", "library")
# That a column is not described is told, and lets the folder in.
WARNINGS = {"freight": ("“parcels.state” is not described",)}
EXECUTED = ("duckdb", "mysql", "postgres")
DIALECTS = ("bigquery", "databricks", "duckdb", "mysql", "postgres", "snowflake")


def questions(model: SemanticModel, name: str) -> list[list[str]]:
    """Return all dimensions beside all measures, each field alone, and each timeframe alone and beside the measures."""
    topic = model.topics[name]
    offered = sorted(topic.fields)
    measures = [item for item in offered if model.measure(item) is not None]
    dimensions = [item for item in offered if model.dimension(item) is not None]
    frames = [
        f"{item}[{frame}]"
        for item in dimensions
        if (found := model.dimension(item)) is not None
        for frame in found.timeframes
    ]
    return [[*dimensions, *measures], *([item] for item in offered), *([item, *measures] for item in frames)]


def is_answerable(fields: list[str], model: SemanticModel, dialect: str) -> bool:
    """MySQL has no percentiles; a question for one is refused."""
    measures = [found for name in fields if (found := model.measure(name)) is not None]
    return dialect != "mysql" or all(item.aggregate not in ("percentile", "median") for item in measures)


def scope(model: SemanticModel, name: str) -> AccessScope:
    return AccessScope(name, model.topics[name].fields)


REFUSED = {
    ("freight", "bigquery"): "double quotes hold a text here",
    ("freight", "databricks"): "double quotes hold a text here",
    ("library", "mysql"): r"\|\| is OR in one mode of the server",
}
"""what is written for databases of another kind, and would be something else there"""


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_read_without_a_fault_for_each_kind_of_database(name: str, dialect: str) -> None:
    if (name, dialect) in REFUSED:
        with pytest.raises(ModelError, match=REFUSED[name, dialect]):
            read_model(read_folder(FOLDERS / name), dialect=dialect)
        return
    model = read_model(read_folder(FOLDERS / name), dialect=dialect)
    assert len(model.warnings) == len(WARNINGS.get(name, ()))
    assert all(text in item.message for text, item in zip(WARNINGS.get(name, ()), model.warnings, strict=True))
    for topic in model.datasets:
        for fields in questions(model, topic):
            if not is_answerable(fields, model, dialect):
                continue
            asked = parse_query({"dataset": topic, "fields": fields})
            compiled = compile_query(asked, model=model, scope=scope(model, topic), today=TODAY)
            if dialect in EXECUTED:
                verify(compiled, model=model, scope=scope(model, topic))
            assert isinstance(
                parse_one(compiled.sql.replace("%s", "?").replace("%%", "%"), dialect=dialect), exp.Select
            )


@pytest.mark.parametrize("name", NAMES)
def test_every_topic_answers_over_all_that_it_offers(name: str) -> None:
    model = read_model(read_folder(FOLDERS / name), dialect="duckdb")
    with duckdb.connect() as database:
        fill(database, model)
        for topic in model.datasets:
            for fields in questions(model, topic):
                compiled = compile_query(
                    parse_query({"dataset": topic, "fields": fields}),
                    model=model,
                    scope=scope(model, topic),
                    today=TODAY,
                )
                rows = database.execute(compiled.sql, compiled.parameters).fetchall()
                assert rows, fields
                assert any(value is not None for row in rows for value in row), fields


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_goes_out_byte_for_byte_and_comes_in_as_the_same_model(
    source: Connection, tmp_path: Path, name: str
) -> None:
    def tell(command: str, *arguments: str) -> str:
        output = StringIO()
        with unbound():
            call_command(command, "acme", *arguments, stdout=output, stderr=output)
        return output.getvalue()

    def meaning(folder: Path) -> SemanticModel:
        return read_model(read_folder(folder), dialect="duckdb")

    AttributeDefinition.objects.create(name="role", type="string")
    tell("import_model", "shop", str(FOLDERS / name), "--name", name, "--publish")
    tell("export_model", name, str(tmp_path))
    written = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {
        path.relative_to(FOLDERS / name): path.read_bytes() for path in (FOLDERS / name).rglob("*") if path.is_file()
    }
    assert repr(meaning(tmp_path)) == repr(meaning(FOLDERS / name))
