"""What the application's own database role could do and must not, read from the catalogue as that role."""

from typing import Any

from django.db.backends.utils import CursorWrapper

from apps.embedded.runtime_role import LANGUAGES, SHUT

DEFINERS: dict[str, str] = {}
"""Functions that run with their owner's rights and that the role may call: signature → reason. There are none."""
EXTENSIONS = {
    "plpgsql": "the language of the triggers that keep published versions",
    "vector": "comes with the embedded server; not created by us",
}
FILE_ROLES = (
    "pg_read_server_files", "pg_write_server_files", "pg_execute_server_program", "pg_read_all_data",
    "pg_write_all_data", "pg_monitor", "pg_read_all_stats", "pg_read_all_settings", "pg_signal_backend",
    "pg_database_owner", "pg_checkpoint", "pg_maintain", "pg_create_subscription",
)  # fmt: skip

ROLE = """
SELECT rolsuper, rolbypassrls, rolcreaterole, rolreplication, rolcreatedb
FROM pg_roles WHERE rolname = current_user
"""
ATTRIBUTES = ("superuser", "bypasses row security", "creates roles", "replicates", "creates databases")
ANYWHERE = "n.nspname !~ '^pg_(toast|temp)'"
FINDINGS: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    (
        "owns",
        f"SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {ANYWHERE} AND c.relkind <> 'i' "
        "AND pg_has_role(current_user, c.relowner, 'MEMBER') UNION ALL SELECT p.proname FROM pg_proc p "
        "WHERE pg_has_role(current_user, p.proowner, 'MEMBER') UNION ALL SELECT n.nspname FROM pg_namespace n "
        "WHERE pg_has_role(current_user, n.nspowner, 'MEMBER') UNION ALL SELECT d.datname FROM pg_database d "
        "WHERE pg_has_role(current_user, d.datdba, 'MEMBER') UNION ALL SELECT l.oid::text FROM pg_largeobject_metadata l "
        "WHERE pg_has_role(current_user, l.lomowner, 'MEMBER')",
        (),
    ),
    (
        "is a member of",
        "SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles u ON u.oid = m.member "
        "WHERE u.rolname = current_user",
        (),
    ),
    ("has the powers of", "SELECT r FROM unnest(%s::text[]) r WHERE to_regrole(r) IS NOT NULL AND pg_has_role(r, 'MEMBER')", ([*FILE_ROLES],)),
    (
        "may create in",
        "SELECT 'schema ' || n.nspname FROM pg_namespace n WHERE has_schema_privilege(n.oid, 'CREATE') "
        "UNION ALL SELECT 'database' WHERE has_database_privilege(current_database(), 'CREATE') "
        "UNION ALL SELECT 'temporary schema' WHERE has_database_privilege(current_database(), 'TEMPORARY')",
        (),
    ),
    (
        "may do more than read and write rows of",
        f"SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {ANYWHERE} AND "
        "((c.relkind IN ('r', 'p', 'f', 'v', 'm') AND has_table_privilege(c.oid, 'TRUNCATE, REFERENCES, TRIGGER')) "
        "OR (c.relkind = 'S' AND has_sequence_privilege(c.oid, 'UPDATE')))",
        (),
    ),
    (
        "reads past row security through",
        f"SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {ANYWHERE} AND c.relkind IN ('v', 'm') "
        "AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND has_table_privilege(c.oid, 'SELECT')",
        (),
    ),
    (
        "may call with its owner's rights",
        "SELECT s.text FROM (SELECT p.oid::regprocedure::text AS text FROM pg_proc p WHERE p.prosecdef "
        "AND has_function_privilege(p.oid, 'EXECUTE')) s WHERE s.text <> ALL (%s)",
        ([*DEFINERS],),
    ),
    (
        "may call",
        "SELECT DISTINCT p.proname FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND "
        "has_function_privilege(p.oid, 'EXECUTE') AND (p.proname = ANY (%s) "
        "OR p.proname ~ '^(pg_read_(binary_)?file|pg_ls_|pg_stat_file|lo_import|lo_export|pg_file_|dblink)')",
        ([*SHUT],),
    ),
    ("may write in", "SELECT lanname FROM pg_language WHERE lanname = ANY (%s) AND has_language_privilege(oid, 'USAGE')", ([*LANGUAGES],)),
    ("may use", "SELECT srvname FROM pg_foreign_server WHERE has_server_privilege(oid, 'USAGE')", ()),
    ("lives beside", "SELECT extname FROM pg_extension WHERE extname <> ALL (%s)", ([*EXTENSIONS],)),
    (
        "may set",
        "SELECT p.parname FROM pg_parameter_acl p WHERE has_parameter_privilege(p.parname, 'SET, ALTER SYSTEM')",
        (),
    ),
    (
        "is given settings of",
        "SELECT unnest(d.setconfig) FROM pg_db_role_setting d LEFT JOIN pg_roles r ON r.oid = d.setrole "
        "WHERE (d.setrole = 0 OR r.rolname = current_user) AND array_to_string(d.setconfig, ',') ~ 'omni\\.|row_security'",
        (),
    ),
)  # fmt: skip
"""What is wrong, in words that follow "the role" → the statement that returns the names of what it is wrong with."""


def findings(cursor: CursorWrapper) -> list[str]:
    """Return what the cursor's role could do and must not, each in words; empty when it is as it must be."""
    cursor.execute(ROLE)
    attributes = cursor.fetchone()
    if attributes is None:
        return ["is unknown"]
    found = [label for label, held in zip(ATTRIBUTES, attributes, strict=True) if held]
    for words, statement, parameters in FINDINGS:
        cursor.execute(statement, parameters or None)
        names = sorted(str(row[0]) for row in cursor.fetchall())
        if names:
            found.append(f"{words} {', '.join(names[:10])}" + (" …" if len(names) > 10 else ""))
    return found
