"""What a model's expressions refer to, found once per model and kept: the same for every person and query."""

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock

from sqlglot import exp

from apps.semantic.compile.lineage import Outputs, outputs_of
from apps.semantic.compile.names import split_field
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.comparing import Comparing
from apps.semantic.model.deciding import deciding_masks
from apps.semantic.model.former import ALIAS, is_other_name
from apps.semantic.model.mistaken_texts import mistaken_masks
from apps.semantic.model.rollups import rolled_up, rollups_of
from apps.semantic.model.types import Dimension, Measure, SemanticModel, TopicJoin

KEPT_MODELS = 64
ATTRIBUTE_PREFIX = "omni_attributes."
FILTER_PREFIX = "filters."

_kept: OrderedDict[int, "Facts"] = OrderedDict()
_lock = Lock()


class Facts:
    """References of one model's fields, worked out on first use."""

    def __init__(self, model: SemanticModel) -> None:
        self.model = model
        self.comparing = Comparing(model, model.dialect)
        self._named: dict[str, tuple[str, ...]] = {}
        self._closures: dict[str, frozenset[str]] = {}
        self._views: dict[str, frozenset[str]] = {}
        self._joined: dict[str, frozenset[str]] = {}
        self._hangs_on: dict[int, frozenset[str]] = {}
        self._rollups: dict[str, tuple[tuple[str, SemanticModel], ...]] = {}
        self._row_rules: frozenset[tuple[str, tuple[str, ...]]] | None = None
        self._mistaken: dict[str, frozenset[str]] = {}
        self._deciding: dict[str, frozenset[str]] = {}
        self._outputs: dict[tuple[str, bool], Outputs] = {}

    def rollups(self, base_view: str) -> tuple[tuple[str, SemanticModel], ...]:
        """Return the rollups of a view by name, each with the model in which it takes the view's place."""
        found = self._rollups.get(base_view)
        if found is None:
            names = rollups_of(self.model, base_view)
            found = self._rollups[base_view] = tuple((name, rolled_up(self.model, name)) for name in names)
        return found

    def outputs(self, view: str, *, with_counts: bool = False) -> Outputs:
        """Return what each output of an SQL view is made of, by way of counts too or not; of another view nothing."""
        found = self._outputs.get((view, with_counts))
        if found is None:
            source = self.model.views[view].sql_source
            found = outputs_of(source, with_counts=with_counts) if source is not None else {}
            self._outputs[view, with_counts] = found
        return found

    def row_rules(self) -> frozenset[tuple[str, tuple[str, ...]]]:
        """Return (user attribute, values that lift it) of all row policies of the model, those that topics add among them."""
        if self._row_rules is None:
            rules = [rule for _, view in self.model.seen_views() for rule in view.access_filters]
            rules += [rule for topic in self.model.topics.values() for rule in topic.access_filters]
            self._row_rules = frozenset((rule.user_attribute, rule.values_for_unfiltered) for rule in rules)
        return self._row_rules

    def deciding(self, view: str) -> frozenset[str]:
        """Return the ids of masked dimensions by whose columns an SQL view chooses its rows."""
        found = self._deciding.get(view)
        if found is None:
            found = frozenset(item.id for item in deciding_masks(self.model.views[view], self.model))
            self._deciding[view] = found
        return found

    def mistaken(self, view: str) -> frozenset[str]:
        """Return the ids of masked dimensions whose columns an SQL view takes for another type than a text."""
        found = self._mistaken.get(view)
        if found is None:
            found = frozenset(item.id for item in mistaken_masks(self.model.views[view], self.model))
            self._mistaken[view] = found
        return found

    def named(self, field: Dimension | Measure) -> tuple[str, ...]:
        """Return the fields that ``field`` names itself, with their timeframes."""
        found = self._named.get(field.id)
        if found is None:
            found = self._named[field.id] = (*references(field.sql), *_ruled(field))
        return found

    def closure(self, field: Dimension | Measure) -> frozenset[str]:
        """Return the ids of all fields that ``field`` rests on, itself included."""
        found = self._closures.get(field.id)
        if found is None:
            found = self._closures[field.id] = self._follow(field)
        return found

    def views(self, field: Dimension | Measure) -> frozenset[str]:
        """Return the views that ``field`` cannot be worked out without."""
        found = self._views.get(field.id)
        if found is None:
            found = self._views[field.id] = frozenset(name.partition(".")[0] for name in self.closure(field))
        return found

    def joined(self, field: Dimension | Measure) -> frozenset[str]:
        """Return the views whose rows must be joined to show ``field``: of a level of detail, those of its grain."""
        found = self._joined.get(field.id)
        if found is None:
            found = self._joined[field.id] = self._join(field)
        return found

    def hangs_on(self, join: TopicJoin) -> frozenset[str]:
        """Return the views whose rows a join of the model's needs: its parent, and what its conditions name."""
        found = self._hangs_on.get(id(join))
        if found is None:
            rule = join.relationship
            named = (name for sql in (rule.on_sql, rule.where_sql) for name in references(sql))
            found = self._hangs_on[id(join)] = frozenset((join.parent, *(name.partition(".")[0] for name in named)))
        return found

    def field(self, name: str) -> Dimension | Measure:
        """Return the field that a model expression refers to."""
        field_id = split_field(name)[0]
        found = self.model.dimension(field_id) or self.model.measure(field_id)
        if found is None:
            raise UnprovenSqlError(f"The model names {field_id}, which it does not have.")
        return found

    def original(self, name: str) -> str:
        """Return the name under which the model's rules know a field that is asked for by a former name."""
        field_id, frame = split_field(name)
        found = self.model.dimension(field_id) or self.model.measure(field_id)
        if found is None or not is_other_name(found):
            return name
        own = f"{found.view}.{found.decoration[ALIAS]}"
        return own if frame is None else f"{own}[{frame}]"

    def views_of(self, names: Iterable[str]) -> frozenset[str]:
        """Return the views whose rows must be joined for some fields."""
        found: frozenset[str] = frozenset()
        return found.union(*(self.joined(self.field(name)) for name in names))

    def _join(self, field: Dimension | Measure) -> frozenset[str]:
        own = frozenset((field.view,))
        if field.level_of_detail is not None:
            grain = self.views_of(field.level_of_detail.grain)
            # The filters of a measure choose among the rows out here.
            return grain | own | self.views_of(i.field for i in field.filters) if isinstance(field, Measure) else grain
        names = [name for name in self.named(field) if not _is_ranking(field, name)]
        return own | self.views_of(names)

    def _follow(self, start: Dimension | Measure) -> frozenset[str]:
        seen, waiting = {start.id}, [start]
        while waiting:
            for name in self.named(waiting.pop()):
                field = self.field(name)
                if field.id not in seen:
                    seen.add(field.id)
                    waiting.append(field)
        return frozenset(seen)


def _is_ranking(field: Dimension | Measure, name: str) -> bool:
    return isinstance(field, Dimension) and field.top_n is not None and field.top_n.by == name


def _ruled(field: Dimension | Measure) -> tuple[str, ...]:
    """Return the fields that a field's parameters name beside its SQL."""
    found: list[str] = list(field.level_of_detail.grain) if field.level_of_detail is not None else []
    if isinstance(field, Measure):
        found += [item.field for item in field.filters]
        found += [name for tree in field.distinct_on for name in references(tree)]
        return tuple(found)
    if field.top_n is not None:
        found.append(field.top_n.by)
    if field.order_by_field is not None:
        found.append(field.order_by_field)
    if field.duration is not None:
        found += references(field.duration.start) + references(field.duration.end)
    return tuple(found)


def references(sql: exp.Expr | None) -> tuple[str, ...]:
    """Return the names of model fields in an expression, in no particular order."""
    if sql is None or isinstance(sql, exp.Column):
        return ()
    names = (node.name for node in sql.find_all(exp.Placeholder))
    return tuple(name for name in names if not name.startswith((ATTRIBUTE_PREFIX, FILTER_PREFIX)))


def facts_of(model: SemanticModel) -> Facts:
    """Return the facts of a model; the model that came first is forgotten first."""
    facts = _kept.get(id(model))
    if facts is not None and facts.model is model:
        return facts
    with _lock:
        facts = _kept[id(model)] = Facts(model)
        while len(_kept) > KEPT_MODELS:
            _kept.popitem(last=False)
    return facts
