"""Row policies on what a derived view answers: its query has read the rows that they hide.

Windows, limits, totals, rankings and levels of detail within the query put such rows into those that are left: the value of
the row before, a place among all, a share of the whole. A policy of the view beneath hides them before.
"""

from collections.abc import Iterator

from sqlglot import exp

from apps.semantic.errors import Problem
from apps.semantic.model.deciding import output_columns
from apps.semantic.model.kept_apart import rests_on
from apps.semantic.model.query_shapes import own_nodes, same_text
from apps.semantic.model.types import AccessFilter, Dimension, QuerySource, SemanticModel, View


def check_mixed_rows(model: SemanticModel) -> Iterator[Problem]:
    """Yield a warning for each row policy on a derived view whose query puts several rows together that it may tell apart."""
    for part, view in model.seen_views():
        yield from (problem for rule in view.access_filters for problem in _told(rule, view, part))
    for topic in model.topics.values():
        own = model.of_topic(topic.name)
        for rule in topic.access_filters:
            view_ = own.views.get(rule.field.partition(".")[0])
            yield from _told(rule, view_, own) if view_ is not None else ()


def _told(rule: AccessFilter, view: View, model: SemanticModel) -> Iterator[Problem]:
    dimension = model.dimension(rule.field)
    columns = frozenset(_columns(dimension, model)) if dimension is not None else frozenset()
    found = ""
    if view.sql_source is not None:
        made_of = output_columns(view.sql_source, model)
        columns |= {name for column in columns for _, name, _ in made_of.get(column, ())}
        found = next(_of_text(view.sql_source.tree, columns), "")
    elif view.query_source is not None:
        found = next(_of_question(view.query_source, columns, model), "")
    if found:
        text = (
            f"this row policy chooses among what “{view.name}” answers, which {found} of rows that it hides as well: give it to "
            "the views beneath"
        )
        yield Problem(rule.source.file, rule.source.line, rule.source.column, text, is_warning=True)


def _columns(dimension: Dimension, model: SemanticModel) -> Iterator[str]:
    """Yield the columns of its view that a dimension is made of, in small letters."""
    for item in rests_on(dimension.id, model):
        trees = [item.sql] if item.sql is not None and item.view == dimension.view else []
        yield from (node.name.lower() for tree in trees for node in tree.find_all(exp.Column))


def _of_text(tree: exp.Query, columns: frozenset[str]) -> Iterator[str]:
    """Yield what an SQL view's text makes of rows that differ in some of its outputs."""
    for select in tree.find_all(exp.Select, exp.Union):
        if select.args.get("limit") is not None:
            yield "keeps some only"
    for select in tree.find_all(exp.Select):
        if select.find_ancestor(exp.Exists) is not None:
            continue
        nodes = [node for item in (*select.expressions, select.args.get("having")) for node in own_nodes(item)]
        keys = _keys(select)
        told = {same_text(item.unalias()) for item in select.expressions if item.alias_or_name.lower() in columns}
        told |= columns
        windows = [node for node in nodes if isinstance(node, exp.Window)]
        if any(told.isdisjoint(map(_name, node.args.get("partition_by") or ())) for node in windows):
            yield "has windows over others"
        is_grouped = bool(keys) or any(isinstance(node, exp.AggFunc) for node in nodes if not _is_over(node))
        if is_grouped and told.isdisjoint(keys) and (keys or not select.args.get("group")):
            yield "holds sums and the like"


def _of_question(source: QuerySource, columns: frozenset[str], model: SemanticModel) -> Iterator[str]:
    if source.limit is not None:
        yield "keeps some only"
    own = model.of_topic(source.topic)
    known = {name for name, column in source.columns if column.lower() in columns}
    for name, _ in source.columns:
        for item in rests_on(name, own):
            if isinstance(item, Dimension) and item.top_n is not None:
                yield "keeps some only"
            elif item.level_of_detail is not None and known.isdisjoint(item.level_of_detail.grain):
                yield "holds sums and the like"


def _keys(select: exp.Select) -> set[str]:
    group = select.args.get("group")
    keys = [item.unnest() for item in group.expressions] if group is not None else []
    outputs = select.expressions
    return {
        same_text(outputs[int(key.name) - 1].unalias() if isinstance(key, exp.Literal) and key.is_int else key)
        for key in keys
    }


def _name(node: exp.Expr) -> str:
    return same_text(node.unnest())


def _is_over(node: exp.Expr) -> bool:
    return isinstance(node.parent, exp.Window)
