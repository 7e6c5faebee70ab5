"""Checks of what stands in for a view's table: the query of a query view, the query whose answer a table holds."""

from collections.abc import Iterator

from sqlglot import exp

from apps.semantic.errors import Problem
from apps.semantic.model.deciding import described_columns
from apps.semantic.model.expressions import ExpressionError
from apps.semantic.model.followed import followed_outputs
from apps.semantic.model.held import is_of_same_schema, is_same_rollup, told_apart, why_no_rollup, why_not_held
from apps.semantic.model.masked_columns import trees_of
from apps.semantic.model.sources import IMPLICIT
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import QuerySource, Rollup, SemanticModel, Source, SqlSource, View, table_text
from apps.semantic.model.views import views_needed


def check_sources(view: View, model: SemanticModel, known: set[str]) -> Iterator[Problem]:
    """Yield what does not fit together in a view's query."""
    if view.query_source is not None:
        yield from _query(view.query_source, view.source, model, known)
    if view.sql_source is not None and view.alias_of is None and _is_governed(view.sql_source):
        yield from _sql(view, view.sql_source, model)
    if view.rollup is not None:
        yield from _rollup(view, view.rollup, model, known)


def sql_views(model: SemanticModel) -> Iterator[tuple[View, SemanticModel]]:
    """Yield the SQL views of topics that read what the topic has otherwise, each with the model as that topic sees it."""
    for topic, own in model.topic_models.items():
        found = model.topics.get(topic)
        for view in (own.views[name] for name in found.views if name in own.views) if found is not None else ():
            is_as_all = model.views.get(view.name) is view
            if is_as_all and any(
                model.views.get(name) is not own.views[name] for name in own.governed_tables(view.name) if name
            ):
                yield view, own


def _is_governed(source: SqlSource) -> bool:
    """Say whether one view describes each table; else that is told, and no column of it can be."""
    return all(source.tables.get(table_text(table)) for table in source.tree.find_all(exp.Table))


def _sql(view: View, source: SqlSource, model: SemanticModel) -> Iterator[Problem]:
    columns = {name: described_columns(model.views[name]) for name in source.tables.values()}
    dimensions = (item for name in columns for item in model.views[name].dimensions.values())
    written = [node for item in dimensions for node in item.sql.find_all(exp.Column)]
    try:
        outputs = followed_outputs(source, columns, dialect=model.dialect, written=written)
    except ExpressionError as error:
        yield _at(source.place or view.source, str(error))
        return
    for item in view.fields:
        names = {node.name for tree in trees_of(item) for node in tree.find_all(exp.Column)}
        for name in sorted(names):
            if name.lower() not in outputs:
                yield _at(item.source, f"“{item.id}” reads “{name}”, which is no column of the view's SQL")


def _query(source: QuerySource, at: Source, model: SemanticModel, known: set[str]) -> Iterator[Problem]:
    topic = model.topics.get(source.topic)
    places = source.places
    if topic is None and not source.topic.startswith(IMPLICIT):  # one over a base view has its own fault by now
        text = f"there is no topic “{source.topic}”.{did_you_mean(source.topic, model.topics)}"
        yield _at(places.get("topic", at), text)
    for written, _ in source.columns if topic is not None else ():
        name = written.partition("[")[0]
        if topic is not None and name not in topic.fields:
            text = f"“{name}” is no field of its query's topic.{did_you_mean(name, topic.fields)}"
            yield _at(places.get(written, at), text)
        elif topic is not None:
            missing = views_needed((name,), model.of_topic(topic.name).views) - set(topic.views)
            for view in sorted(missing & model.views.keys()):
                text = f"“{name}” rests on “{view}”, which its query's topic “{topic.name}” does not reach"
                yield _at(places.get(written, at), text)
    for name in (name for pair in source.binds.items() for name in pair if model.measure(name) is not None):
        text = f"a query takes over conditions on dimensions; “{name}” is a measure"
        yield _at(places.get("bind", places.get("filters", at)), text)
    calculated = {column for column, _ in source.calculations}
    asked = {name for name, _ in source.columns}
    for name, _ in source.sorts:
        if name not in asked:
            short = name.rpartition(".")[2]
            text = (
                f"“{short}” is calculated when the rows are chosen already: sort by a field that the query asks for"
                if short in calculated
                else f"the query is sorted by “{name}”, which it does not ask for.{did_you_mean(name, asked)}"
            )
            yield _at(places.get(f"sorts.{name}", at), text)
    for rule in source.filters:
        if rule.field.partition("[")[0] not in known:
            text = f"the filter's “{rule.field}” is no field.{did_you_mean(rule.field, known)}"
            yield _at(rule.source or at, text)


def _rollup(view: View, rollup: Rollup, model: SemanticModel, known: set[str]) -> Iterator[Problem]:
    base, at = rollup.base_view, view.source
    place = rollup.places.get("base_view", at)
    if not is_same_rollup(model, view.name):
        text = (
            "what a rollup's table holds is the same for every topic: write materialized_query in the view's own file"
        )
        yield _at(place, text)
        return
    if base not in model.views:
        yield _at(place, f"there is no view “{base}”.{did_you_mean(base, model.views)}")
        return
    if reason := why_no_rollup(model, rollup):
        yield _at(place, f"a rollup cannot stand for this view: {reason}")
    if not is_of_same_schema(model.views[base], view):
        yield _at(place, f"a user attribute names the schema of “{base}” or of its rollup, and not of both alike")
    if not told_apart(rollup):
        yield _at(rollup.places.get(rollup.columns[0][0], at), "two fields of materialized_query have the same column")
    for written, _ in rollup.columns:
        name = written.partition("[")[0]
        if name not in known:
            text = f"materialized_query holds “{name}”, which is no field.{did_you_mean(name, known)}"
            yield _at(rollup.places.get(written, at), text)
        elif reason := why_not_held(model, base, name):
            yield _at(rollup.places.get(written, at), f"materialized_query cannot hold “{name}”: {reason}")


def source_cycles(model: SemanticModel) -> list[Problem]:
    """Return a problem for each query view that rests on itself; what a topic's view reads is as that topic sees it."""
    found = []
    for part, view in model.seen_views():
        seen, waiting = set[int](), [(part, view)]
        while waiting:
            owner, inner = waiting.pop()
            topic = model.topics.get(inner.query_source.topic) if inner.query_source is not None else None
            below = model.of_topic(topic.name) if topic is not None else owner
            views = [below.views[name] for name in topic.views if name in below.views] if topic is not None else []
            if any(item is view for item in views):
                found.append(_at(view.source, f"the query view “{view.name}” rests on itself"))
                break
            waiting += [(below, item) for item in views if id(item) not in seen]
            seen |= {id(item) for item in views}
    return found


def _at(source: Source, message: str) -> Problem:
    return Problem(source.file, source.line, source.column, message)
