"""What a model's expressions refer to, found once per model and kept: the same for every person and query."""

from collections import OrderedDict
from threading import Lock

from sqlglot import exp

from apps.semantic.compile.names import split_field
from apps.semantic.errors import MissingAttributeError, UnprovenSqlError
from apps.semantic.model.types import Dimension, Measure, SemanticModel

KEPT_MODELS = 64
ATTRIBUTE_PREFIX = "omni_attributes."

_kept: OrderedDict[int, "Facts"] = OrderedDict()
_lock = Lock()


class Facts:
    """References of one model's fields, worked out on first use."""

    def __init__(self, model: SemanticModel) -> None:
        self.model = model
        self._named: dict[str, tuple[str, ...]] = {}
        self._closures: dict[str, frozenset[str]] = {}
        self._views: dict[str, frozenset[str]] = {}

    def named(self, field: Dimension | Measure) -> tuple[str, ...]:
        """Return the fields that ``field`` names itself, with their timeframes."""
        found = self._named.get(field.id)
        if found is None:
            filtered = tuple(item.field for item in field.filters) if isinstance(field, Measure) else ()
            found = self._named[field.id] = references(field.sql) + filtered
        return found

    def closure(self, field: Dimension | Measure) -> frozenset[str]:
        """Return the ids of all fields that ``field`` rests on, itself included."""
        found = self._closures.get(field.id)
        if found is None:
            found = self._closures[field.id] = self._follow(field)
        return found

    def views(self, field: Dimension | Measure) -> frozenset[str]:
        """Return the views that ``field`` cannot be read without."""
        found = self._views.get(field.id)
        if found is None:
            found = self._views[field.id] = frozenset(name.partition(".")[0] for name in self.closure(field))
        return found

    def field(self, name: str) -> Dimension | Measure:
        """Return the field that a model expression refers to; a user attribute has no value here and is refused."""
        if name.startswith(ATTRIBUTE_PREFIX):
            raise MissingAttributeError(name.removeprefix(ATTRIBUTE_PREFIX))
        field_id = split_field(name)[0]
        found = self.model.dimension(field_id) or self.model.measure(field_id)
        if found is None:
            raise UnprovenSqlError(f"The model names {field_id}, which it does not have.")
        return found

    def _follow(self, start: Dimension | Measure) -> frozenset[str]:
        seen, waiting = {start.id}, [start]
        while waiting:
            for name in self.named(waiting.pop()):
                field = self.field(name)
                if field.id not in seen:
                    seen.add(field.id)
                    waiting.append(field)
        return frozenset(seen)


def references(sql: exp.Expression | None) -> tuple[str, ...]:
    """Return the names of model fields in an expression, in no particular order."""
    if sql is None or isinstance(sql, exp.Column):
        return ()
    return tuple(node.name for node in sql.find_all(exp.Placeholder))


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
