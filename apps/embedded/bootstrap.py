"""Roles and database of the application: an owner that migrates, and a runtime role that owns nothing."""

import psycopg
from psycopg import sql

from apps.embedded import runtime_role

OWNER = "omni_owner"
RUNTIME = "omni_app"


def create_roles(admin_url: str) -> None:
    """Create the two roles when they are missing; neither is a superuser nor bypasses row-level security."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for role in (OWNER, RUNTIME):
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS").format(
                        sql.Identifier(role)
                    )
                )
        for name in ("postgres", "template1"):
            connection.execute(
                sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name))
            )


def create_database(admin_url: str, name: str, *, template: str | None = None) -> bool:
    """Create a database of the owner's, optionally as a copy of another; say whether it was new."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            return False
        statement = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER))
        if template:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        connection.execute(statement)
        connection.execute(sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(name), sql.Identifier(RUNTIME))
        )
    return True


def grant_runtime(database_admin_url: str) -> None:
    """Let the runtime role use, in this database, what the owner will create, and create nothing itself."""
    owner, runtime = sql.Identifier(OWNER), sql.Identifier(RUNTIME)
    with psycopg.connect(database_admin_url, autocommit=True) as connection:
        for statement in (
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
            "GRANT ALL ON SCHEMA public TO {owner}",
            "GRANT USAGE ON SCHEMA public TO {runtime}",
            "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public "
            "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {runtime}",
            "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {runtime}",
            "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        ):
            connection.execute(sql.SQL(statement).format(owner=owner, runtime=runtime))
    runtime_role.shut(database_admin_url, owner=OWNER)
