"""What is in a measured database: tenants of a hundred people each with a thousand permissions, and a big one.

Rows are made by the server from series of numbers, as a superuser, with indexes and keys put aside and made anew
afterwards; nothing is sent over the wire. Keys are hashes of what a row is (``md5('user:7:42')``), so that they are
scattered like random ones and can be named again.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import psycopg
from django.apps import apps
from django.db import models
from psycopg import sql

PEOPLE, GROUPS, FOLDERS, DASHBOARDS, DATASETS = 100, 10, 8, 20, 10
BIG_PEOPLE, BIG_DASHBOARDS = 20_000, 5_000
BIG = -1
"""the number of the big tenant; its share of people and dashboards is the same at every size"""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is loaded: so many tenants, and one whose people and dashboards are this share of a big tenant's."""

    tenants: int
    share: float = 1.0

    @property
    def big_people(self) -> int:
        return int(BIG_PEOPLE * self.share)

    @property
    def big_dashboards(self) -> int:
        return int(BIG_DASHBOARDS * self.share)

    @property
    def people(self) -> int:
        return self.tenants * PEOPLE + self.big_people

    @property
    def permissions(self) -> int:
        return sum(each * self.tenants + self.of_big(big) for _, each, *_, big in GRANTS)

    def of_big(self, rows: int) -> int:
        """Return how many of a big tenant's rows there are."""
        return max(1, int(rows * self.share))

    @property
    def is_bulk(self) -> bool:
        """Whether indexes and keys are better put aside."""
        return self.permissions > 100_000


def key(kind: str, tenant: str, number: str) -> str:
    """Return the SQL of a row's key."""
    return f"md5('{kind}:' || {tenant} || ':' || {number})::uuid"


def tenant_key(tenant: str) -> str:
    return key("tenant", tenant, "0")


U, G, F, D, S = "user", "group", "folder", "dashboard", "dataset"
GRANTS: tuple[tuple[str, int, str, int, str, int, str, int], ...] = (
    # table, rows per tenant, holder, holders, object, objects, permission, rows of the big tenant
    ("dashboards.DashboardUserPermission", 400, U, PEOPLE, D, DASHBOARDS, "view_dashboard", 200_000),
    ("datamodels.DatasetUserPermission", 300, U, PEOPLE, S, DATASETS, "query_dataset", 60_000),
    ("dashboards.FolderUserPermission", 100, U, PEOPLE, F, FOLDERS, "view_folder", 20_000),
    ("dashboards.DashboardGroupPermission", 100, G, GROUPS, D, DASHBOARDS, "view_dashboard", 10_000),
    ("datamodels.DatasetGroupPermission", 80, G, GROUPS, S, DATASETS, "query_dataset", 80),
    ("dashboards.FolderGroupPermission", 20, G, GROUPS, F, FOLDERS, "view_folder", 20),
)


def load(connection: psycopg.Connection[Any], size: Size, say: Say) -> None:
    """Fill an empty database."""
    for setting in ("session_replication_role = replica", "maintenance_work_mem = '1GB'", "work_mem = '256MB'"):
        connection.execute(f"SET {setting}")
    for model, source, values in _contents(size):
        with _bare(connection, model) if size.is_bulk else nullcontext():
            _insert(connection, model, source, values)
        say(f"{model._meta.db_table} loaded")
    for label, per_tenant, holder, holders, obj, objects, codename, big in GRANTS:
        model = apps.get_model(label)
        is_big_holder = size.big_people if holder == U else GROUPS
        big_objects = size.big_dashboards if obj == D else objects
        with _bare(connection, model) if size.is_bulk else nullcontext():
            for source, people, things in (
                (_series(size.tenants, per_tenant), holders, objects),
                (_big(size.of_big(big)), is_big_holder, big_objects),
            ):
                values = {
                    "tenant": tenant_key("t"),
                    holder: key(holder, "t", f"(n % {people})"),
                    # each holder's permissions are on different objects: a stride that shares no factor with them
                    "content_object": key(obj, "t", f"((n / {people} + (n % {people}) * 7) % {things})"),
                    "permission": f"(SELECT id FROM auth_permission WHERE codename = '{codename}')",
                }
                _insert(connection, model, source, values)
        say(f"{model._meta.db_table} loaded")
    connection.execute("VACUUM ANALYZE")


def _series(tenants: int, each: int) -> str:
    return f"generate_series(0, {tenants - 1}) t, generate_series(0, {each - 1}) n"


def _big(each: int) -> str:
    return f"(VALUES ({BIG})) b(t), generate_series(0, {each - 1}) n"


def _both(size: Size, each: int, big: int) -> str:
    small, large = _series(size.tenants, each), _big(big)
    return f"(SELECT t, n FROM {small} UNION ALL SELECT t, n FROM {large}) x"


def _contents(size: Size) -> list[tuple[type[models.Model], str, dict[str, str]]]:
    """Return models, the series their rows are made from, and values of columns as SQL over ``t`` and ``n``."""
    tenant, one = tenant_key("t"), _both(size, 1, 1)
    big = size.big_people
    everybody = _both(size, PEOPLE, big)

    def row(kind: str) -> dict[str, str]:
        return {"id": key(kind, "t", "n"), "tenant": tenant}

    parent = f"CASE WHEN n > 1 THEN {key(F, 't', '(n / 2)')} END"
    folder = key(F, "t", f"(n % {FOLDERS})")
    found: dict[str, tuple[str, dict[str, str]]] = {
        "tenants.Tenant": (one, {"id": tenant, "slug": "'t' || t", "name": "'Tenant ' || t"}),
        "tenants.TenantDomain": (one, {"id": key("domain", "t", "n"), "tenant": tenant, "host": "'t' || t || '.localhost'"}),
        "accounts.User": (everybody, {
            **row(U), "subject": "'s' || t || ':' || n", "email": "'p' || n || '@t' || t || '.example'", "name": "'Person ' || n",
        }),
        "accounts.UserGroup": (_both(size, GROUPS, GROUPS), {**row(G), "name": "'Group ' || n"}),
        "accounts.GroupMembership": (_both(size, PEOPLE * 2, big * 2), {
            **row("membership"), "user": key(U, "t", "(n / 2)"), "group": key(G, "t", f"((n / 2 + n % 2 * 3) % {GROUPS})"),
        }),
        "accounts.AttributeDefinition": (_both(size, 2, 2), {**row("definition"), "name": "'attribute_' || n", "label": "'A' || n"}),
        "accounts.UserAttribute": (_both(size, PEOPLE * 2, big * 2), {
            **row("attribute"), "user": key(U, "t", "(n / 2)"), "definition": key("definition", "t", "(n % 2)"),
            "values": "jsonb_build_array('value ' || n % 5)",
        }),
        "accounts.IdentityProvider": (one, {**row("provider"), "slug": "'main'", "name": "'Main'", "issuer": "'https://idp.example'"}),
        "accounts.GroupAttribute": (_both(size, GROUPS, GROUPS), {
            **row("group attribute"), "group": key(G, "t", "n"), "definition": key("definition", "t", "0"),
            "values": "jsonb_build_array('value ' || n % 5)",
        }),
        "accounts.UserSession": (everybody, {
            **row("session"), "digest": "sha256(('session:' || t || ':' || n)::bytea)", "session_data": "repeat(md5(n::text), 8)",
            "expire_date": "now() + interval '1 day'", "user": key(U, "t", "n"),
            "provider": key("provider", "t", "0"),
        }),
        "accounts.ApiToken": (_both(size, PEOPLE // 10, big // 10), {
            **row("token"), "user": key(U, "t", "n"), "name": "'token'", "digest": "sha256(('t' || t || ':' || n)::bytea)",
            "expires_at": "now() + interval '1 day'",
        }),
        "access.RoleAssignment": (_both(size, 3, 3), {
            **row("role"), "built_in": "CASE n WHEN 0 THEN 'viewer' ELSE 'querier' END",
            "group": f"CASE WHEN n > 0 THEN {key(G, 't', 'n')} END",
        }),
        "connections.Connection": (one, {**row("connection"), "name": "'source'", "dialect": "'duckdb'", "database": "'x'"}),
        "datamodels.DataModel": (one, {**row("model"), "name": "'model'", "connection": key("connection", "t", "0")}),
        "datamodels.Dataset": (_both(size, DATASETS, DATASETS), {
            **row(S), "data_model": key("model", "t", "0"), "name": "'Data set ' || n",
        }),
        "dashboards.Folder": (_both(size, FOLDERS, FOLDERS), {**row(F), "name": "'Folder ' || n", "parent": parent}),
        "dashboards.Dashboard": (_both(size, DASHBOARDS, size.big_dashboards), {
            **row(D), "slug": "'dashboard-' || n", "title": "'Dashboard ' || md5(n::text)", "folder": folder,
        }),
    }  # fmt: skip
    return [(apps.get_model(label), source, values) for label, (source, values) in found.items()]


def _insert(
    connection: psycopg.Connection[Any], model: type[models.Model], source: str, values: Mapping[str, str]
) -> None:
    """Insert one row per row of the source; columns that are not named get their field's default."""
    columns, expressions = [], []
    for field in model._meta.concrete_fields:
        if field.primary_key and field.name not in values and isinstance(field, models.AutoField):
            continue
        columns.append(sql.Identifier(field.column))
        expressions.append(sql.SQL(values[field.name]) if field.name in values else _default(field))  # type: ignore[arg-type]  # looser than the type on purpose
    statement = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
        sql.Identifier(model._meta.db_table),
        sql.SQL(", ").join(columns),
        sql.SQL(", ").join(expressions),
        sql.SQL(source),  # type: ignore[arg-type]  # looser than the type on purpose
    )
    connection.execute(statement)


def _default(field: Any) -> sql.Composable:
    if getattr(field, "auto_now_add", False) or getattr(field, "auto_now", False):
        return sql.SQL("now()")
    if field.is_relation:
        return sql.SQL("NULL")
    value = field.get_default()
    if isinstance(field, models.JSONField):
        return sql.SQL("{}::jsonb").format(sql.Literal(psycopg.types.json.Jsonb(value)))
    return sql.Literal(value)


class _bare:  # noqa: N801  (used like a function)
    """A table without indexes and keys inside the block; they are made anew afterwards."""

    def __init__(self, connection: psycopg.Connection[Any], model: type[models.Model]) -> None:
        self.connection, self.table = connection, model._meta.db_table
        self.again: list[str] = []

    def __enter__(self) -> None:
        constraints = self.connection.execute(CONSTRAINTS, {"table": self.table}).fetchall()
        for table, name, definition, is_foreign in constraints:
            self.connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}" CASCADE')
            valid = " NOT VALID" if is_foreign else ""
            self.again.append(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}{valid}')
        for name, definition in self.connection.execute(INDEXES, (self.table,)).fetchall():
            self.connection.execute(f'DROP INDEX "{name}"')
            self.again.append(definition)
        self.again.sort(key=lambda text: "FOREIGN KEY" in text)

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            for statement in self.again:
                self.connection.execute(statement)


CONSTRAINTS = """
SELECT c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid), c.contype = 'f' FROM pg_constraint c
 WHERE (c.conrelid = %s::regclass AND c.contype IN ('p', 'u', 'f'))
    OR (c.contype = 'f' AND c.confrelid = %s::regclass)
 ORDER BY c.contype <> 'f'
""".replace("%s", "%(table)s")
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = %s"
