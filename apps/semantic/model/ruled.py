"""What rules and masks rest on: faults where no statement could be proven, warnings where somebody would be refused.

A rule or a mask is written out over columns to be proven. A timeframe, a duration, a level of detail or a filter of the
question within it cannot be, so every question that meets it would fail.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from sqlglot import exp

from apps.semantic.errors import Problem
from apps.semantic.model.carried_masks import carries_mask, named_in, resting
from apps.semantic.model.deciding import FOLDED, How, deciding_masks, deciding_names, grouping
from apps.semantic.model.kept_apart import is_chosen_by_masks, masks_in
from apps.semantic.model.mistaken_texts import mistaken_masks
from apps.semantic.model.open_rollups import rollups_over, tables_read
from apps.semantic.model.source_checks import sql_views
from apps.semantic.model.types import (
    ATTRIBUTE,
    FILTER,
    NO_FIELDS,
    Dimension,
    GrantRule,
    QuerySource,
    Rollup,
    SemanticModel,
    Source,
    View,
)

AllOf = tuple[tuple[tuple[str, ...], ...], ...]
"""what a rule asks for, as :class:`GrantRule` says"""
MAX_GRANTS = 12
"""in a mask and the rules around it; with more, only what is written alike is told to lift it"""


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule on rows or groups: the model it is read in, the names it is on as written, and where it stands."""

    model: SemanticModel
    names: tuple[str, ...]
    source: Source
    is_of_groups: bool = False


def check_provable(model: SemanticModel, told: Iterable[Problem] = ()) -> Iterator[Problem]:
    """Yield a fault for each rule on rows and each mask that holds what cannot be written out over columns.

    Of places where a fault is ``told`` already nothing more is said.
    """
    places = {(item.file, item.line, item.column) for item in told if not item.is_warning}
    for rule in _rules(model):
        is_told = (rule.source.file, rule.source.line, rule.source.column) in places
        for name in rule.names if not rule.is_of_groups and not is_told else ():
            what = _unproven(name, rule.model)
            if what:
                yield _at(rule.source, f"a rule on rows is over columns as they are; {what}")
    for part, view in model.seen_views():
        for item in view.dimensions.values() if view.alias_of is None else ():
            what = _unproven_mask(item, part) if item.mask_unless_access_grants is not None else ""
            if what:
                yield _at(item.source, f"a mask is made of columns as they are; {what}")


def check_compared_masks(model: SemanticModel) -> Iterator[Problem]:
    """Yield a warning for each rule on what a derived view may have masked; ask of a model without faults only."""
    yield from _mistaken_texts(model)
    everybody = _Everybody(model, {})
    for rule in _rules(model):
        masks = everybody.of(rule.model)
        for name in rule.names:
            if rule.is_of_groups and masks.masked & resting((name,), rule.model):
                text = (
                    f"“{name}” is made of masked values for whoever lacks a grant; this rule would choose groups by masks, so "
                    "they get no answer"
                )
                yield _at(rule.source, text, is_warning=True)
            elif carries_mask((name,), rule.model, masks):
                text = (
                    f"“{name.partition('[')[0]}” comes masked out of its view for whoever lacks a grant; this rule would "
                    "compare masks, so they get no answer"
                )
                yield _at(rule.source, text, is_warning=True)
    yield from _told_by_joins(model, everybody)


def _told_by_joins(model: SemanticModel, everybody: "_Everybody") -> Iterator[Problem]:
    """Yield a warning for each join whose condition is on masked values, by which the joined rows tell of them."""
    for topic in model.topics.values():
        own = model.of_topic(topic.name)
        for item in (join.relationship for join in topic.joins):
            told = (
                _told(tree, own, everybody.of(own), topic.required_access_grants)
                for tree in (item.on_sql, item.where_sql)
            )
            for masked, shown in dict.fromkeys(pair for pairs in told for pair in pairs):
                beside = f"“{shown}”, which is not" if shown else "a value"
                text = (
                    f"this join compares “{masked}”, which is masked for whoever lacks a grant, with {beside}: the rows that are "
                    "joined tell them what it is like; mask what it is compared with, or close the joined view"
                )
                yield _at(item.source, text, is_warning=True)


def _told(
    tree: exp.Expr | None, model: SemanticModel, everybody: "_Everybody", of_topic: GrantRule | None
) -> Iterator[tuple[str, str]]:
    """Yield (masked field, clear field of another view) that a part of a condition is on; without the other, compared with values alone."""
    for part in _parts(tree):
        names = [name for name in _named((part,)) if model.dimension(name.partition("[")[0]) is not None]
        masks = {name: everybody.masked & resting((name,), model) for name in names}
        for masked in names if not _asks_for_gaps(part) else ():
            others = [name for name in names if name.partition(".")[0] != masked.partition(".")[0]]
            clear = [name for name in others if not masks[name]]
            for shown in clear if others else [""]:
                rules = (of_topic, *_rules_of(model, masked), *_rules_of(model, shown))
                dimensions = map(model.dimension, masks[masked])
                if not all(item is None or _is_lifted(item, rules) for item in dimensions):
                    yield masked, shown


def _parts(tree: exp.Expr | None) -> Iterator[exp.Expr]:
    """Yield the parts of a condition that all hold."""
    if isinstance(tree, exp.And):
        yield from _parts(tree.this)
        yield from _parts(tree.expression)
    elif isinstance(tree, exp.Paren):
        yield from _parts(tree.this)
    elif tree is not None:
        yield tree


def _asks_for_gaps(part: exp.Expr) -> bool:
    inner = part.this.unnest() if isinstance(part, exp.Not) else part
    return isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null)


def _rules_of(model: SemanticModel, name: str) -> tuple[GrantRule | None, ...]:
    """Return what a field asks of whoever reads it."""
    found = model.dimension(name.partition("[")[0])
    return (found.required_access_grants, model.views[found.view].required_access_grants) if found is not None else ()


def _mistaken_texts(model: SemanticModel) -> Iterator[Problem]:
    """Yield a warning for each SQL view that takes a column for another type than that of its mask."""
    for part, view in model.seen_views():
        if view.alias_of is not None or view.sql_source is None:
            continue
        for item in mistaken_masks(view, part):
            if not _is_lifted(item, (view.required_access_grants, None)):
                text = (
                    f"“{item.id}” is a text for whoever lacks a grant, by its mask; “{view.name}” takes it for another type, so "
                    "they get no answer"
                )
                yield _at(view.sql_source.place or view.source, text, is_warning=True)


def check_chosen_rows(model: SemanticModel) -> Iterator[Problem]:
    """Yield a fault for each derived view whose rows are chosen by what somebody who may use it sees masked.

    Ask of a model without faults only.
    """
    everybody, met = _Everybody(model, {}), set[tuple[str, Source]]()
    for part, view in model.seen_views():
        if view.alias_of is not None:
            continue
        told = (
            _chosen_by_text(view, part) if view.sql_source is not None else _chosen_by_question(view, part, everybody)
        )
        for name, place in told:
            met.add((name, place))
            yield _at(place, _chosen(name, view))
    for view, own in sql_views(model):
        for name, place in _chosen_by_text(view, own, model.topics[own.seen_by].required_access_grants):
            if (name, place) not in met:
                yield _at(place, f"as the topic “{own.seen_by}” has it: {_chosen(name, view)}")


def check_rollup_groups(model: SemanticModel) -> Iterator[Problem]:
    """Yield a fault for each rollup that a topic reads itself and whose groups tell values that somebody sees masked apart.

    Ask of a model without faults only.
    """
    everybody, met = _Everybody(model, {}), set[tuple[str, str]]()
    is_held = any(view.rollup is not None for view in model.views.values())
    for topic in model.topics.values() if is_held else ():
        own = model.of_topic(topic.name)
        for view in tables_read(topic.views, own):
            rules = (view.required_access_grants, topic.required_access_grants)
            for rollup in rollups_over(view, own):
                for name in sorted(_told_apart(rollup, {id(part): part for part in (model, own)}, everybody, rules)):
                    if (view.name, name) not in met:
                        met.add((view.name, name))
                        yield _at(
                            rollup.places.get(name, view.source),
                            f"“{name}” is masked for whoever lacks a grant, and “{view.name}” has a row for each of its values: "
                            "they would see which are the same",
                        )


def _told_apart(
    rollup: Rollup, models: Mapping[int, SemanticModel], everybody: "_Everybody", rules: tuple[GrantRule | None, ...]
) -> set[str]:
    """Return the fields by whose masked values the groups of a rollup are told apart, as they are written."""
    found = set[str]()
    for own in models.values():
        masks = _Lifted(everybody.of(own), rules)
        for name in grouping([name for name, _ in rollup.columns], own):
            kinds = masks_in(name.partition("[")[0], own, masks)
            # A keyed hash tells apart what it stands for wherever it is seen.
            found |= {name} if kinds and ("[" in name or not kinds <= {"hash", FOLDED}) else set()
    return found


def _chosen(name: str, view: View) -> str:
    return (
        f"“{name}” is masked for whoever lacks a grant, and decides here which rows “{view.name}” has: they would get "
        "others"
    )


def _chosen_by_text(
    view: View, model: SemanticModel, of_topic: GrantRule | None = None
) -> Iterator[tuple[str, Source]]:
    place = view.sql_source.place if view.sql_source is not None else None
    rules = (view.required_access_grants, of_topic)
    for name in sorted({item.id for item in deciding_masks(view, model) if not _is_lifted(item, rules)}):
        yield name, place or view.source


def _chosen_by_question(view: View, model: SemanticModel, everybody: "_Everybody") -> Iterator[tuple[str, Source]]:
    source = view.query_source
    topic = model.topics.get(source.topic) if source is not None else None
    if source is None or topic is None:
        return
    own, rules = model.of_topic(topic.name), (view.required_access_grants, topic.required_access_grants)
    lifted = _Lifted(everybody.of(own), rules)
    for name, how in deciding_names(view, own):
        if is_chosen_by_masks(name, how, own, lifted):
            yield name, _place(name, how, source) or view.source


def _place(name: str, how: How, source: QuerySource) -> Source | None:
    """Return where a query view's question says that a field chooses rows."""
    rules = [item.source for item in source.filters if item.field.partition("[")[0] == name]
    asked = [source.places.get(written) for written, _ in source.columns if written.partition("[")[0] == name]
    if rules and how != "grouped":
        return rules[0]
    return source.places.get("limit") or next(iter(asked), None)


@dataclass(frozen=True, slots=True)
class _Lifted:
    """Masks of a topic for somebody who passes all that a view over it asks for."""

    everybody: "_Everybody"
    rules: tuple[GrantRule | None, ...]

    @property
    def masked(self) -> frozenset[str]:
        dimensions = map(self.everybody.model.dimension, self.everybody.masked)
        return frozenset(item.id for item in dimensions if item is not None and not _is_lifted(item, self.rules))

    @property
    def nested(self) -> Mapping[str, "_Everybody"]:
        return self.everybody.nested


def _is_lifted(item: Dimension, rules: Iterable[GrantRule | None]) -> bool:
    """Say whether whoever passes all rules passes the one that lifts a mask, whichever grants there are."""
    mask = item.mask_unless_access_grants
    asked = tuple(element for rule in rules if rule is not None for element in rule.all_of)
    return mask is not None and _implies(asked, mask.all_of)


def _implies(asked: AllOf, wanted: AllOf) -> bool:
    grants = sorted({name for element in (*asked, *wanted) for alternative in element for name in alternative})
    if len(grants) > MAX_GRANTS:
        return {*wanted} <= {*asked}
    chosen = product((False, True), repeat=len(grants))
    passed = (frozenset(name for name, has in zip(grants, held, strict=True) if has) for held in chosen)
    return all(_passes(wanted, held) for held in passed if _passes(asked, held))


def _passes(rule: AllOf, held: frozenset[str]) -> bool:
    return all(any(held.issuperset(alternative) for alternative in element) for element in rule)


class _Everybody:
    """Masks of a model as if every one of them held."""

    def __init__(self, model: SemanticModel, known: dict[int, "_Everybody"]) -> None:
        self.model, self._known = model, known
        dimensions = (item for view in model.views.values() for item in view.dimensions.values())
        self.masked = frozenset(item.id for item in dimensions if item.mask_unless_access_grants is not None)

    def of(self, model: SemanticModel) -> "_Everybody":
        if id(model) not in self._known:
            self._known[id(model)] = _Everybody(model, self._known)
        return self._known[id(model)]

    @property
    def nested(self) -> Mapping[str, "_Everybody"]:
        return {name: self.of(self.model.of_topic(name)) for name in self.model.topics}


def _rules(model: SemanticModel) -> Iterator[_Rule]:
    for part, view in model.seen_views():
        yield from (_Rule(part, (rule.field,), rule.source) for rule in view.access_filters)
    for topic in model.topics.values():
        own = model.of_topic(topic.name)
        yield from (_Rule(own, (rule.field,), rule.source) for rule in topic.access_filters)
        # A filter's own timeframe is no part of what is written out.
        for filter_ in topic.always_where_filters:
            yield _Rule(own, (filter_.field.partition("[")[0],), filter_.source or topic.source)
        yield from (_Rule(own, _named((tree,)), source) for tree, source in topic.placed_where)
        for filter_ in topic.always_having_filters:
            yield _Rule(own, (filter_.field,), filter_.source or topic.source, is_of_groups=True)
        yield from (_Rule(own, _named((tree,)), source, is_of_groups=True) for tree, source in topic.placed_having)
        for item in (join.relationship for join in topic.joins):
            yield _Rule(own, _named((item.on_sql, item.where_sql)), item.source)
    for part in (model, *model.topic_models.values()):
        for item in part.relationships:
            yield _Rule(part, _named((item.on_sql, item.where_sql)), item.source)


def _named(trees: Iterable[exp.Expr | None]) -> tuple[str, ...]:
    """Return the fields that expressions name, with their timeframes."""
    nodes = (node for tree in trees if tree is not None for node in tree.find_all(exp.Placeholder))
    return tuple(sorted({node.name for node in nodes if not node.name.startswith(NO_FIELDS)}))


def _unproven(start: str, model: SemanticModel) -> str:
    """Say what within a dimension cannot be written out over columns, if anything."""
    seen, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        if "[" in name:
            return f"“{name}” has a timeframe"
        field = model.dimension(name)
        if field is None or name in seen:
            continue
        seen.add(name)
        if field.duration is not None or field.level_of_detail is not None:
            return (
                f"“{name}” is worked out of the rows of a question"
                if field.level_of_detail
                else f"“{name}” is a duration"
            )
        if any(node.name.startswith(FILTER) for node in field.sql.find_all(exp.Placeholder)):
            return f"“{name}” holds a filter of the question"
        waiting += _named((field.sql,))
    return ""


def _unproven_mask(item: Dimension, model: SemanticModel) -> str:
    """As :func:`_unproven`, of what a masked dimension names; one over several tables is offered to nobody it is masked for."""
    seen, waiting = set[str](), [*named_in(item.sql)]
    trees = [item.sql]
    while waiting:
        name = waiting.pop()
        field = model.dimension(name)
        if field is None or field.view != item.view:
            return ""
        if name not in seen:
            seen.add(name)
            waiting += named_in(field.sql)
            trees.append(field.sql)
    # Its values would stand in the mask, several times in some, beside the key; say so before somebody asks.
    attributes = [
        node.name for tree in trees for node in tree.find_all(exp.Placeholder) if node.name.startswith(ATTRIBUTE)
    ]
    if attributes:
        return f"“{item.id}” names the user attribute “{min(attributes).removeprefix(ATTRIBUTE)}”"
    if any(node.name.startswith(FILTER) for node in item.sql.find_all(exp.Placeholder)):
        return f"“{item.id}” holds a filter of the question"
    return next((what for name in _named((item.sql,)) if (what := _unproven(name, model))), "")


def _at(source: Source, message: str, *, is_warning: bool = False) -> Problem:
    return Problem(source.file, source.line, source.column, message, is_warning)
