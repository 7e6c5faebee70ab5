"""Every table that holds something of a tenant, in the order in which rows can go: read from the database, not from a list."""

from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from django.apps import apps
from django.db import connections

from apps.tenants.isolation import is_tenant_owned

TENANTS = "tenants_tenant"
LAST = (TENANTS, "tenants_tenantdomain")
"""written with nobody bound, hence deleted by hand at the end"""

OWNED = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
"""
KEYS = """
SELECT s.relname, t.relname,
       (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = f.conrelid AND a.attnum = f.conkey[cardinality(f.conkey)]),
       (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = f.confrelid AND a.attnum = f.confkey[cardinality(f.confkey)])
  FROM pg_constraint f JOIN pg_class s ON s.oid = f.conrelid JOIN pg_class t ON t.oid = f.confrelid
 WHERE f.contype = 'f' AND s.relnamespace = 'public'::regnamespace ORDER BY 1, 2, 3
"""
AT_THE_END = """
SELECT DISTINCT c.relname FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
 WHERE NOT g.tgisinternal AND g.tgdeferrable AND c.relnamespace = 'public'::regnamespace
"""
MENTIONS = """
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname LIKE '%%_tenant_id'
   AND a.atttypid = 'uuid'::regtype AND NOT a.attisdropped
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and the condition that its rows are the tenant's; ``{tenant}`` stands for the id."""

    name: str
    condition: str


@dataclass(frozen=True, slots=True)
class Group:
    """Tables whose rows go in one transaction, since they point at each other; mostly one table alone."""

    tables: tuple[Table, ...]

    @property
    def is_knot(self) -> bool:
        return len(self.tables) > 1


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Groups, those that are pointed at last; and columns of other tenants' tables that name a tenant."""

    groups: tuple[Group, ...]
    mentions: tuple[tuple[str, str], ...]
    knots: frozenset[str] = field(default=frozenset())

    @property
    def tables(self) -> list[Table]:
        return [table for group in self.groups for table in group.tables]


def read_catalogue(alias: str = "default") -> Catalogue:
    """Read the tables, their keys and what their triggers demand from the database itself."""
    with connections[alias].cursor() as cursor:
        cursor.execute(OWNED)
        owned = {row[0] for row in cursor.fetchall()} - {*LAST}
        cursor.execute(KEYS)
        keys = [row for row in cursor.fetchall() if row[1] not in LAST]
        cursor.execute(AT_THE_END)
        checked = {row[0] for row in cursor.fetchall()}
        cursor.execute(MENTIONS, [])
        mentions = tuple((row[0], row[1]) for row in cursor.fetchall())
    conditions = _conditions(owned, keys)
    parents = {name: {key[1] for key in keys if key[0] == name and key[1] in conditions} for name in conditions}
    together = _together(parents, checked)
    loops = frozenset(name for name in parents if name in parents[name])
    groups = tuple(Group(tuple(Table(name, conditions[name]) for name in group)) for group in together)
    return Catalogue(
        groups, mentions, loops | {table.name for group in groups if group.is_knot for table in group.tables}
    )


def tables_of_models() -> set[str]:
    """Return the tables of all models that belong to a tenant, as the code says: what the catalogue must not lack."""
    owned = (model for model in apps.get_models(include_auto_created=True) if is_tenant_owned(model))
    return {model._meta.db_table for model in owned} - {*LAST}


def _conditions(owned: set[str], keys: list[tuple[str, str, str, str]]) -> dict[str, str]:
    """Return each table's condition: its own column, or for tables without one, that they point at rows of the tenant."""
    found = dict.fromkeys(sorted(owned), "tenant_id = {tenant}")
    while True:
        more = {
            child: " OR ".join(
                f'"{column}" IN (SELECT "{target}" FROM "{parent}" WHERE {found[parent]})'
                for name, parent, column, target in keys
                if name == child and parent in found and parent != child
            )
            for child, parent, _, _ in keys
            if parent in found and child not in found and child not in LAST
        }
        if not more:
            return found
        found |= more


def _together(parents: dict[str, set[str]], checked: set[str]) -> list[tuple[str, ...]]:
    """Return groups, children before what they point at.

    A table whose trigger looks at the transaction's end goes with what it points at. So do tables that point at each
    other in a ring.
    """
    group_of = {name: frozenset({name}) for name in parents}

    def merge(names: set[str]) -> None:
        merged = frozenset().union(*(group_of[name] for name in names))
        for name in merged:
            group_of[name] = merged

    for name in checked & parents.keys():
        merge({name, *parents[name]})
    while True:
        before: dict[frozenset[str], set[frozenset[str]]] = {group: set() for group in group_of.values()}
        for name, targets in parents.items():
            for target in targets:
                if group_of[target] != group_of[name]:
                    before[group_of[target]].add(group_of[name])
        try:
            return [tuple(sorted(group)) for group in TopologicalSorter(before).static_order()]
        except CycleError as error:
            merge({name for group in error.args[1] for name in group})
