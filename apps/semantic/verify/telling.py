"""Which aggregates that give single values away the permitted measures are made with."""

from collections.abc import Iterable

from sqlglot import exp

from apps.semantic.model.types import Dimension, Measure, SemanticModel
from apps.semantic.verify.labels import TELLING, Telling

PERCENTILES = frozenset((exp.Median, exp.PercentileCont, exp.PercentileDisc, exp.Quantile))
MADE_WITH: dict[str, Telling] = {
    "min": frozenset((exp.Min,)), "max": frozenset((exp.Max,)), "list": frozenset((exp.GroupConcat,)),
}  # fmt: skip


def telling_of(fields: Iterable[Dimension | Measure], model: SemanticModel) -> Telling:
    """Return the aggregates that fields and all measures that they rest on are made with."""
    found: set[type[exp.Expr]] = set()
    seen: set[str] = set()
    waiting = list(fields)
    while waiting:
        field = waiting.pop()
        if field.id in seen:
            continue
        seen.add(field.id)
        found |= _made_with(field)
        names = [node.name for node in field.sql.find_all(exp.Placeholder)] if field.sql is not None else []
        rested = [model.dimension(name.partition("[")[0]) or model.measure(name) for name in names]
        waiting += [item for item in rested if item is not None]
    return frozenset(found)


def _made_with(field: Dimension | Measure) -> Telling:
    names = [field.aggregate] if isinstance(field, Measure) else []
    names += [field.level_of_detail.aggregate] if field.level_of_detail is not None else []
    found: set[type[exp.Expr]] = set()
    for name in names:
        found |= PERCENTILES if name.startswith(("median", "percentile")) else MADE_WITH.get(name, frozenset())
    if field.sql is not None:
        found |= {type(node) for node in field.sql.find_all(*TELLING)}
    return frozenset(found)
