"""Compare a model with its source's tables: what the source has more becomes proposals, what it lacks, problems. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sqlglot import exp

from apps.datamodels.errors import CannotEditTextError
from apps.datamodels.types import Refresh
from apps.datamodels.yaml_text import add_dimensions
from apps.semantic.errors import Problem
from apps.semantic.model.kinds import Columns, kind_of_column
from apps.semantic.model.types import Dimension, FieldType, Measure, SemanticModel, Source, View

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Text that means something in an expression of a model, or that no name has.
UNWRITABLE = re.compile(r"\$\{|\{\{|@\{|[\x00-\x1f\x7f\x85\u2028\u2029]")
DEFAULT_SCHEMAS = {"duckdb": "main", "postgres": "public", "redshift": "public", "tsql": "dbo"}
FRAMES = "[raw, date, week, month, quarter, year]"
MAX_NEW_VIEWS = 200
HEAD = "# Proposed by a schema refresh. Nobody sees a field before it is classified.\n"


@dataclass(frozen=True, slots=True)
class TableColumns:
    """A table as the source shows it; columns are (name, type) in order."""

    schema: str
    name: str
    columns: tuple[tuple[str, str], ...]


def missing(meaning: SemanticModel, tables: Iterable[TableColumns]) -> tuple[Problem, ...]:
    """Return a warning for each table and column that the model reads and the source does not have."""
    found: list[Problem] = []
    known = tuple(tables)
    for view in _physical(meaning):
        table = _table_of(view, known, meaning.dialect)
        if table is None:
            name = f"{view.schema}.{view.table_name}" if view.schema else view.table_name
            found.append(_warning(view.source, f"the source has no table “{name}” (any more)"))
            continue
        columns = {name.casefold() for name, _ in table.columns}
        for item in view.fields:
            for column in sorted(_columns(item)):
                if column.casefold() not in columns:
                    text = f"“{item.name}” reads the column “{column}”, which the source does not have (any more)"
                    found.append(_warning(item.source, text))
    return tuple(found)


def kinds_in_source(meaning: SemanticModel, tables: Iterable[TableColumns]) -> Columns:
    """Return view → column in lower case → type, as the catalogue tells it."""
    known = tuple(tables)
    found: dict[str, Mapping[str, FieldType]] = {}
    for view in meaning.views.values():
        if not view.is_derived and view.schema_attribute is None and view.catalog is None:
            table = _table_of(view, known, meaning.dialect)
            if table is not None:
                found[view.name] = {name.lower(): kind_of_column(kind, meaning.dialect) for name, kind in table.columns}
    return found


def propose(
    meaning: SemanticModel, files: Mapping[str, str], tables: Iterable[TableColumns], *, with_tables: bool = True
) -> Refresh:
    """Return the files with a proposal for each column that no view reads, and for each new table.

    New tables are looked for in the schemas that the model reads already, else in the dialect's usual one. A column
    that should not be proposed again is kept in the model as ``ignored: true``, a table by ``ignored_views``.
    """
    known = tuple(tables)
    drafted, skipped, fields = dict(files), list[str](), list[str]()
    for view, columns in _new_columns(meaning, known):
        proposals = _proposals(view.name, columns, _taken(view), meaning.dialect, skipped)
        try:
            drafted[view.source.file] = add_dimensions(view.source.file, drafted[view.source.file], proposals)
        except (CannotEditTextError, KeyError) as error:
            skipped.append(f"{', '.join(proposals)} of {view.name}: {error}" if proposals else str(error))
        else:
            fields += [f"{view.name}.{name}" for name in proposals]
    views = _new_views(meaning, drafted, known, skipped) if with_tables else {}
    drafted |= views
    names = tuple(path.removesuffix(".view.yaml") for path in views)
    return Refresh(drafted, names, tuple(fields), missing(meaning, known), tuple(skipped))


def _physical(meaning: SemanticModel) -> Iterator[View]:
    """Yield the views over a table that can be looked up in the catalogue."""
    for view in meaning.views.values():
        if not view.is_derived and view.alias_of is None and view.schema_attribute is None and view.catalog is None:
            yield view


def _table_of(view: View, tables: tuple[TableColumns, ...], dialect: str) -> TableColumns | None:
    named = [table for table in tables if table.name.casefold() == view.table_name.casefold()]
    schema = view.schema or DEFAULT_SCHEMAS.get(dialect, "")
    found = next((table for table in named if table.schema.casefold() == schema.casefold()), None)
    if found is None and view.schema is None and len(named) == 1:
        return named[0]
    return found


def _columns(item: Dimension | Measure) -> set[str]:
    """Return the physical columns that a field reads by itself."""
    trees: list[exp.Expression] = [item.sql] if item.sql is not None else []
    if isinstance(item, Dimension) and item.duration is not None:
        trees = [item.duration.start, item.duration.end]
    if isinstance(item, Measure):
        trees += item.distinct_on
    return {column.name for tree in trees for column in tree.find_all(exp.Column) if not column.table}


def _new_columns(
    meaning: SemanticModel, tables: tuple[TableColumns, ...]
) -> Iterator[tuple[View, list[tuple[str, str]]]]:
    """Yield, for each table of the model that has columns nobody reads, its first view and those columns."""
    views: dict[TableColumns, list[View]] = {}
    for view in _physical(meaning):
        if (table := _table_of(view, tables, meaning.dialect)) is not None:
            views.setdefault(table, []).append(view)
    for table, readers in views.items():
        read = {column.casefold() for view in readers for column in _read(view)}
        columns = [(name, kind) for name, kind in table.columns if name.casefold() not in read]
        if columns:
            yield readers[0], columns


def _read(view: View) -> set[str]:
    found = {column for item in view.fields for column in _columns(item)}
    found |= {column.name for tree in view.primary_key for column in tree.find_all(exp.Column)}
    return found | {column for _, column in view.rollup.columns} if view.rollup is not None else found


def _taken(view: View) -> set[str]:
    return {name.casefold() for name in (*view.dimensions, *view.measures, *view.filters)}


def _proposals(
    view: str, columns: Iterable[tuple[str, str]], taken: set[str], dialect: str, skipped: list[str]
) -> dict[str, str]:
    """Return name → YAML of an unclassified dimension for each column."""
    found: dict[str, str] = {}
    for column, kind in columns:
        if UNWRITABLE.search(column):
            skipped.append(f"A column of {view} has a name that no model can hold.")
            continue
        name = _free(column, taken)
        taken.add(name.casefold())
        told = kind_of_column(kind, dialect)
        sql = "" if name == column else _identifier(column, dialect)
        if told == "timestamp" and name.lower().endswith("date"):  # whose name says that it is a day
            sql = exp.cast(exp.to_identifier(column, quoted=True), "timestamp").sql(dialect=dialect)
        parts = [f"sql: {_quoted(sql)}"] if sql else []
        parts += [f"timeframes: {FRAMES}"] if kind.lower().startswith(("date", "timestamp")) else []
        parts += ["convert_tz: false"] if told == "date" and not name.lower().endswith("date") else []
        found[name] = f"{{{', '.join([*parts, 'classification: unclassified'])}}}"
    return found


def _free(text: str, taken: set[str]) -> str:
    """Return a name made of a text that nothing else has."""
    plain = text if NAME.fullmatch(text) else re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()
    plain = plain if NAME.fullmatch(plain) else f"column_{plain}".rstrip("_")
    name, count = plain, 2
    while name.casefold() in taken:
        name, count = f"{plain}_{count}", count + 1
    return name


def _identifier(column: str, dialect: str) -> str:
    return exp.to_identifier(column, quoted=True).sql(dialect=dialect)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _new_views(
    meaning: SemanticModel, files: Mapping[str, str], tables: tuple[TableColumns, ...], skipped: list[str]
) -> dict[str, str]:
    known = {_table_of(view, tables, meaning.dialect) for view in _physical(meaning)}
    schemas = {table.schema for table in known if table is not None} or {DEFAULT_SCHEMAS.get(meaning.dialect, "")}
    new = [table for table in tables if table not in known and table.schema in schemas]
    taken = {name.casefold() for name in meaning.views} | {_stem(path) for path in files}
    found: dict[str, str] = {}
    for table in new:
        if _is_left_out(table, meaning) or _stem(f"{table.name}.view.yaml") in {_stem(path) for path in files}:
            continue
        if len(found) == MAX_NEW_VIEWS:
            skipped.append(f"More than {MAX_NEW_VIEWS} new tables; publish these and refresh again for the others.")
            break
        if UNWRITABLE.search(table.name + table.schema):
            skipped.append("A table has a name that no model can hold.")
            continue
        name = _free(table.name, taken)
        taken.add(name.casefold())
        found[f"{name}.view.yaml"] = _view_text(name, table, meaning.dialect, skipped)
    return found


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0].casefold()


def _is_left_out(table: TableColumns, meaning: SemanticModel) -> bool:
    """Say whether the model file's lists leave this table out."""
    header = meaning.decoration

    def patterns(name: str) -> list[str]:
        value = header.get(name)
        return [str(item) for item in value] if isinstance(value, list) else []

    included = patterns("included_views")
    return (
        any(fnmatchcase(table.name, item) for item in patterns("ignored_views"))
        or any(fnmatchcase(table.schema, item) for item in patterns("ignored_schemas"))
        or (bool(included) and not any(fnmatchcase(table.name, item) for item in included))
    )


def _view_text(name: str, table: TableColumns, dialect: str, skipped: list[str]) -> str:
    proposals = _proposals(name, table.columns, set(), dialect, skipped)
    lines = [f"schema: {_quoted(table.schema)}", f"table_name: {_quoted(table.name)}"]
    lines += ["dimensions:", *(f"  {field}: {value}" for field, value in proposals.items())]
    return HEAD + "\n".join(lines) + "\n"


def _warning(source: Source, text: str) -> Problem:
    return Problem(source.file, source.line, source.column, text, is_warning=True)
