"""The plans of the statements of every request, as the application's own role gets them under row-level security."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import connection, models, transaction

from apps.access import statements
from apps.access.deciding import counting
from apps.access.rules import rule_of
from apps.access.selectors import actor_for_user
from apps.accounts.models import User
from apps.connections.models import Connection
from apps.dashboards import policies
from apps.dashboards.models import Dashboard, Folder
from apps.datamodels.models import DataModel
from apps.tenants.binding import bound_tenant_id
from apps.tenants.selectors import HOST

Node = dict[str, Any]
EDITED = (
    (Connection, "manage_connection"),
    (DataModel, "manage_datamodel"),
    (Dashboard, "edit_dashboard"),
    (Folder, "edit_folder"),
)
"""what opens a page of the administration to who may edit a single object"""


def hot_statements(person: User, obj: models.Model, host: str) -> dict[str, tuple[str, Any]]:
    """Return the statements by name, with parameters of somebody who is there."""
    now, tenant = datetime.now(UTC), bound_tenant_id()
    rule = rule_of(type(obj), f"view_{obj._meta.model_name}")
    one = {"person": person.pk, "object": obj.pk}
    return {
        "tenant": (HOST, (host,)),
        "session": (statements.SESSION, {"digest": b"0" * 32, "tenant": tenant, "now": now}),
        "token": (statements.TOKEN, {"digest": b"0" * 32, "tenant": tenant, "now": now}),
        "token_of": (statements.TOKEN_OF, {"token": person.pk, "person": person.pk, "tenant": tenant, "now": now}),
        "active": (statements.ACTIVE, {"person": person.pk, "tenant": tenant}),
        "rights": (statements.PEOPLE, {"tenant": tenant, "people": [person.pk]}),
        "permission": (statements.ways_sql(counting(rule), of="one"), one),
        "administration": (statements.any_sql(tuple(counting(rule_of(*edited)) for edited in EDITED)), one),
    }


def list_statement(person: User) -> tuple[str, Any]:
    """Return the statement of a page of the dashboards that somebody may open."""
    page = policies.visible(actor_for_user(person)).order_by("title", "pk")[:51]
    found: tuple[str, Any] = page.query.sql_with_params()
    return found


def plan_of(sql: str, params: Any, *, is_run: bool = True) -> Node:
    """Return a statement's plan."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({'ANALYZE, BUFFERS, ' if is_run else ''}FORMAT JSON) {sql}", params)
        row = cursor.fetchone()
    found = row[0] if row else "[{}]"
    plan: Node = (json.loads(found) if isinstance(found, str) else found)[0]
    return plan


def nodes(plan: Node, above: str = "") -> Iterator[tuple[Node, str]]:
    """Yield every node of a plan, with the kind of the node above it."""
    yield plan, above
    for inner in plan.get("Plans", ()):
        yield from nodes(inner, plan["Node Type"])


def scans(plan: Node) -> list[tuple[str, str, str, bool]]:
    """Return (kind of scan, table or index, condition on the index, narrowed) of every node that reads a table.

    Narrowed: only one of several indexes whose finds are brought to an intersection before any row is read.
    """
    return [
        (
            node["Node Type"], node.get("Index Name") or node.get("Relation Name", ""), node.get("Index Cond", ""),
            above == "BitmapAnd",
        )
        for node, above in nodes(plan["Plan"])
        if node["Node Type"] in ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Index Scan")
    ]  # fmt: skip


def hot_plans(person: User, obj: models.Model, host: str) -> dict[str, Any]:
    """Summarize the plans: what is scanned without an index, time of planning and of running, blocks read."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relpages <= 1")
        tiny = {row[0] for row in cursor.fetchall()}
    found = {}
    for name, (sql, params) in {**hot_statements(person, obj, host), "list": list_statement(person)}.items():
        plan_of(sql, params)
        plan = plan_of(sql, params)
        kinds = scans(plan)
        sequential = {table for kind, table, *_ in kinds if kind == "Seq Scan"}
        found[name] = {
            "sequential": sorted(sequential - tiny), "sequential_of_a_page": sorted(sequential & tiny),
            "indexes": sorted({index for kind, index, *_ in kinds if kind != "Seq Scan"}),
            "planning_ms": round(plan.get("Planning Time", 0), 2), "running_ms": round(plan.get("Execution Time", 0), 2),
            "blocks": plan["Plan"].get("Shared Hit Blocks", 0) + plan["Plan"].get("Shared Read Blocks", 0),
        }  # fmt: skip
    return found
