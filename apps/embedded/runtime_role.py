"""What PostgreSQL lets everybody do, and the role that the application runs under must not."""

import psycopg
from psycopg import sql

SHUT = {
    "lo_creat": "a large object belongs to no tenant",
    "lo_create": "a large object belongs to no tenant",
    "lo_from_bytea": "a large object belongs to no tenant",
    "lo_open": "a large object belongs to no tenant",
    "lo_get": "a large object belongs to no tenant",
    "lo_put": "a large object belongs to no tenant",
    "pg_stat_get_activity": "shows the statements of other connections, with another tenant's values in them",
    "pg_stat_get_backend_activity": "shows the statements of other connections, with another tenant's values in them",
    "pg_cancel_backend": "ends another tenant's statement: all connections are of one role",
    "pg_terminate_backend": "ends another tenant's connection: all connections are of one role",
}
"""Functions of PostgreSQL that every role may call until that is revoked, and why ours may not."""
LANGUAGES = ("plpgsql", "sql")
"""Languages that every role may write blocks and functions in until that is revoked."""

CALLABLE = "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY(%s)"


def shut(database_admin_url: str, *, owner: str) -> None:
    """Take these from everybody in one database; the owner keeps the languages, for the triggers of migrations."""
    with psycopg.connect(database_admin_url, autocommit=True) as connection:
        for (signature,) in connection.execute(CALLABLE, (list(SHUT),)).fetchall():
            connection.execute(f"REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC")
        for language in map(sql.Identifier, LANGUAGES):
            connection.execute(sql.SQL("REVOKE USAGE ON LANGUAGE {} FROM PUBLIC").format(language))
            connection.execute(sql.SQL("GRANT USAGE ON LANGUAGE {} TO {}").format(language, sql.Identifier(owner)))
