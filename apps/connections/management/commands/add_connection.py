"""Add a connection, tested in the worker."""

import sys
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.services import CHECK_WAIT_S, as_options, check_now, remove_connection, save_connection
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Add a connection: its password is sealed to the worker's key, its target is tested by the worker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("name")
        parser.add_argument("--dialect", required=True, choices=Connection.Dialect.values)
        parser.add_argument("--host", default="")
        parser.add_argument("--port", type=int)
        parser.add_argument("--database", required=True)
        parser.add_argument("--username", default="")
        parser.add_argument("--option", action="append", default=[], metavar="K=V")
        parser.add_argument("--password-stdin", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            connection = self._connection(options)
            save_connection(connection, secret=self._secret(options), by=SYSTEM, now=datetime.now(UTC))
            found = check_now(connection, by=SYSTEM, now=datetime.now(UTC))
            if found.health != Connection.Health.OK:
                remove_connection(found, by=SYSTEM, now=datetime.now(UTC))
                reason = (
                    found.health_text or f"no worker answered within {CHECK_WAIT_S:.0f} s; start one with `make worker`"
                )
                raise CommandError(f"{options['name']} was not added: {reason}")
            self.stdout.write(f"{found.name}: {found.tables.count()} tables")

    def _connection(self, options: dict[str, Any]) -> Connection:
        try:
            extra = as_options(options["option"])
        except ValueError as error:
            raise CommandError(str(error)) from None
        return Connection(
            name=options["name"], dialect=options["dialect"], host=options["host"], port=options["port"],
            database=options["database"], username=options["username"], options=extra,
        )  # fmt: skip

    def _secret(self, options: dict[str, Any]) -> str | None:
        if not options["password_stdin"]:
            return None
        secret = sys.stdin.readline().rstrip("\r\n")
        if not secret:
            raise CommandError("there is no password on standard input")
        return secret
