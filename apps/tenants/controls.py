"""Promises of isolation, read from the database's own catalogue as the role that the application runs under."""

from collections.abc import Iterable
from typing import Any

from django.db import connection

from apps.tenants.binding import unbound
from apps.tenants.runtime_role import findings
from apps.tenants.services import SIGN_IN_FIELDS
from apps.tenants.types import Control, ControlResult

PLATFORM_TABLES = {
    "tenants_tenant": "names the tenants",
    "tenants_tenantdomain": "host names, read before a tenant is known",
    "tenants_tombstone": "ids of tenants that were erased, read before a tenant is known; the application cannot write it",
    "django_migrations": "which migrations have run",
    "django_content_type": "names of models",
    "auth_permission": "names of permissions",
}
"""Every other table in the schema must be locked, or be named below."""
EMPTY_TABLES = {
    "django_admin_log": "a library's; administration is written into the audit log",
    "retention_erasurerequest": "a tenant that is being erased; the application may not read it",
    "auth_group": "global groups are not used",
    "auth_group_permissions": "global permissions are not used",
    "access_genericuserpermission": "a library insists on it; a constraint keeps it empty",
    "access_genericgrouppermission": "a library insists on it; a constraint keeps it empty",
    "guardian_userobjectpermission": "a library's; permissions are kept in the tenant's own tables",
    "guardian_groupobjectpermission": "a library's; permissions are kept in the tenant's own tables",
    "account_emailaddress": "a library's; identity is issuer and subject",
    "account_emailconfirmation": "a library's; we send no confirmations",
    "socialaccount_socialaccount": "a library's; identity is kept in the tenant's own table",
    "socialaccount_socialapp": "a library's; provider settings are kept in the tenant's own table",
    "socialaccount_socialtoken": "a library's; tokens of providers are not kept",
}
"""These cannot be locked: the application may not read them, or they hold nothing."""
CURRENT_TENANT = "current_setting('omni.tenant_id'"

TABLES = """
SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity,
       EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull),
       (SELECT string_agg(p.polcmd::text, '' ORDER BY p.polcmd::text) FROM pg_policy p
         WHERE p.polrelid = c.oid AND p.polpermissive),
       (SELECT bool_and(position(%s IN coalesce(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))) > 0
                        AND (p.polwithcheck IS NULL OR position(%s IN pg_get_expr(p.polwithcheck, p.polrelid)) > 0))
          FROM pg_policy p WHERE p.polrelid = c.oid),
       EXISTS (SELECT 1 FROM pg_constraint u JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
         WHERE u.conrelid = c.oid AND u.contype IN ('u', 'p')
           AND u.conkey = ARRAY[(SELECT attnum FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id')] || k.conkey)
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f') ORDER BY 1
"""
LOOSE_KEYS = """
SELECT s.relname || '.' || a.attname FROM pg_constraint f
  JOIN pg_class s ON s.oid = f.conrelid JOIN pg_class t ON t.oid = f.confrelid
  JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
 WHERE f.contype = 'f' AND cardinality(f.conkey) = 1 AND s.relname = ANY(%s) AND t.relname = ANY(%s)
   AND NOT EXISTS (SELECT 1 FROM pg_constraint g WHERE g.contype = 'f' AND g.conrelid = f.conrelid AND g.confrelid = f.confrelid
     AND g.conkey = ARRAY[(SELECT attnum FROM pg_attribute WHERE attrelid = f.conrelid AND attname = 'tenant_id')] || f.conkey)
"""
READABLE = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(%s)
   AND has_table_privilege(c.oid, 'SELECT')
"""
WRITE_ONLY = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(%s)
   AND NOT has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE')
"""
WRITERS = """
SELECT c.relname FROM unnest(%s::text[]) t(name) JOIN pg_class c ON c.relnamespace = 'public'::regnamespace AND c.relname = t.name
 WHERE (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE') OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'))
   AND NOT (c.relrowsecurity AND c.relforcerowsecurity
   AND (SELECT bool_and(position(%s IN coalesce(pg_get_expr(p.polwithcheck, p.polrelid), pg_get_expr(p.polqual, p.polrelid))) > 0)
          AND count(DISTINCT p.polcmd) = 3 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd <> 'r'))
"""
WRITTEN_COLUMNS = """
SELECT 'tenants_tenant.' || a.attname FROM pg_attribute a
 WHERE a.attrelid = 'public.tenants_tenant'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL(%s)
   AND has_column_privilege(a.attrelid, a.attnum, 'UPDATE')
"""


def _rows(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return list(cursor.fetchall())


def _figure(count: int, what: str, bad: Iterable[str]) -> ControlResult:
    named = sorted(bad)
    return ControlResult(bool(count) and not named, f"{count} {what}" + (f"; not {', '.join(named)}" if named else ""))


def _ours() -> list[tuple[Any, ...]]:
    known = PLATFORM_TABLES.keys() | EMPTY_TABLES.keys()
    return [row for row in _rows(TABLES, CURRENT_TENANT, CURRENT_TENANT) if row[0] not in known]


def _locked() -> ControlResult:
    """A table that is neither listed above nor locked fails: a new one cannot be forgotten."""
    tables = _ours()
    bad = [
        name for name, is_forced, has_tenant, commands, is_current, has_key in tables
        if not (is_forced and has_tenant and commands == "adrw" and is_current and has_key)
    ]  # fmt: skip
    return _figure(len(tables), "tables locked to their tenant", bad)


def _tied() -> ControlResult:
    names = [row[0] for row in _ours()]
    loose = [row[0] for row in _rows(LOOSE_KEYS, names, names)]
    return _figure(len(names), "tables whose references stay within the tenant", loose)


def _platform() -> ControlResult:
    """Tables of the platform are only read, or written by rules of their own; of a tenant's row, what it decides itself."""
    bad = [row[0] for row in _rows(WRITERS, list(PLATFORM_TABLES), CURRENT_TENANT)]
    bad += [row[0] for row in _rows(WRITTEN_COLUMNS, list(SIGN_IN_FIELDS))]
    return _figure(len(PLATFORM_TABLES), "tables of the platform that a customer's request cannot write", bad)


def _role() -> ControlResult:
    with connection.cursor() as cursor:
        bad = findings(cursor)
    text = (
        "; ".join(bad) if bad else "owns nothing, bypasses nothing, creates nothing and calls nothing that steps around"
    )
    return ControlResult(not bad, f"the application's role {text}")


def _counts(names: Iterable[str]) -> dict[str, int]:
    parts = [f"SELECT '{name}', count(*) FROM {connection.ops.quote_name(name)}" for name in names]
    return dict(_rows(" UNION ALL ".join(parts))) if parts else {}


def _unbound_reads_nothing() -> ControlResult:
    names = [row[0] for row in _ours()]
    with unbound():
        seen = _counts(names)
    bad = [name for name, count in seen.items() if count]
    return _figure(len(seen), "tables read without a tenant, no row seen", bad)


def _empty() -> ControlResult:
    names = list(EMPTY_TABLES)
    readable = [row[0] for row in _rows(READABLE, names)]
    bad = [name for name, count in _counts(readable).items() if count] + [row[0] for row in _rows(WRITE_ONLY, names)]
    figure = f"{len(names)} tables of libraries shut or empty"
    return ControlResult(not bad, figure + (f"; not {', '.join(sorted(bad))}" if bad else ""))


CONTROLS = (
    Control("tenants.locked", "P2", "Every table of a tenant is locked to it by the database", _locked),
    Control("tenants.tied", "P2", "No row can point into another tenant", _tied),
    Control(
        "tenants.platform", "P2", "No customer's request can say who a tenant is or whose a host name is", _platform
    ),
    Control("tenants.role", "P9", "The application's own database role cannot lift those locks", _role),
    Control("tenants.unbound", "P7", "Before the tenant is known, nothing can be read", _unbound_reads_nothing),
    Control("tenants.empty", "P2", "Tables that are not locked hold nothing of a tenant", _empty),
)
