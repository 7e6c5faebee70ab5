"""What a large model costs: to read and check, to keep in memory, and per question."""

import time
import tracemalloc
from datetime import date
from statistics import median
from typing import Any

from apps.semantic.compile import compile_query, shapes
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.reading import parse_query
from apps.semantic.scope import AccessScope, RowPolicy
from apps.semantic.verify import proof, verify

ROUNDS = 100
TENANTS = 80
"""more than the models whose facts are kept"""


def model_files(views: int, fields: int) -> dict[str, str]:
    """Return a star of views, each with so many fields, a third of them expressions."""
    files: dict[str, str] = {}
    joins = []
    for number in range(views):
        lines = [
            f'  f{place}: {{sql: "${{f{place - 1}}} * 2"}}' if place % 3 == 0 else f"  f{place}: {{}}"
            for place in range(1, fields - 4)
        ]
        files[f"s/v{number}.view"] = (
            "schema: s\ndimensions:\n  id: {primary_key: true}\n  g: {}\n" + "\n".join(lines) + "\nmeasures:\n"
            '  count: {aggregate_type: count}\n  total: {aggregate_type: sum, sql: "${f1}"}\n'
            '  ratio: {sql: "${total} / NULLIF(${count}, 0)"}\n'
        )
        if number:
            joins.append(
                f"- {{join_from_view: v0, join_to_view: v{number}, relationship_type: many_to_one, "
                f'on_sql: "${{v0.f1}} = ${{v{number}.id}}"}}'
            )
    files["relationships"] = "\n".join(joins) or "[]"
    files["T.topic"] = "base_view: v0\njoins: {v1: {}, v2: {}}"
    return files


def model_figures() -> dict[str, Any]:
    """Return seconds and megabytes for 200 views with 5,000 fields, and how much longer a question takes than with 50.

    Also how much longer it takes when eighty tenants ask in turns, each of a model of its own. Times are of the
    processor: other work on the machine does not count.
    """
    files = model_files(200, 25)
    start = time.process_time()
    large = read_model(files, dialect="postgres")
    seconds = time.process_time() - start
    tracemalloc.start()
    kept = read_model(files, dialect="postgres")
    megabytes = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    small = read_model(model_files(5, 10), dialect="postgres")
    pairs = [(_cold_ms(kept), _cold_ms(small), _cold_ms(large)) for _ in range(ROUNDS)]
    few = median(few for _, few, _ in pairs)
    ratio = median(max(one, other) for one, _, other in pairs) / few
    return {
        "views": 200, "fields": 5_000, "read_and_check_s": round(seconds, 2), "memory_mb": round(megabytes, 1),
        "compile_ratio_to_50_fields": round(ratio, 2), "compile_ratio_80_tenants_to_one": round(_tenants_ratio(), 2),
    }  # fmt: skip


def _tenants_ratio() -> float:
    """Return how much longer a question of a shape never seen takes where tenants ask in turns."""
    models = [read_model(model_files(5, 10), dialect="postgres") for _ in range(TENANTS)]
    for model in models:
        _cold_ms(model)
    pairs = [
        (_cold_ms(models[0]), _cold_ms(models[0]), _cold_ms(models[1 + number % (TENANTS - 1)]))
        for number in range(ROUNDS)
    ]
    return median(other for _, _, other in pairs) / median(one for _, one, _ in pairs)


def _cold_ms(model: SemanticModel) -> float:
    shapes.forget()
    proof.forget()
    scope = AccessScope("T", model.topics["T"].fields, row_policies={"v0": (RowPolicy("v0.g", ("EU",), "a", "o"),)})
    query = parse_query(
        {"dataset": "T", "fields": ["v0.g", "v1.g", "v0.total", "v0.ratio"], "filters": {"v1.g": {"is": "x"}}}
    )
    start = time.process_time()
    compiled = compile_query(query, model=model, scope=scope, today=date(2026, 1, 1))
    verify(compiled, model=model, scope=scope)
    return (time.process_time() - start) * 1_000
