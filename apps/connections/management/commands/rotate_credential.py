"""Replace a connection's password by another one, without a moment in which neither works."""

import sys
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.services import rotate_credential
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Have a worker sign in with another password, read from standard input, and use it from then on. The old one stays in use until that has worked."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        secret = sys.stdin.readline().rstrip("\r\n")
        if not secret:
            raise CommandError("there is no password on standard input")
        with tenant_of(options["slug"]):
            connection = Connection.objects.filter(name=options["name"]).first()
            if connection is None:
                raise CommandError(f"no connection {options['name']!r}")
            if problem := rotate_credential(connection, secret=secret, by=SYSTEM, now=datetime.now(UTC)):
                raise CommandError(problem)
            self.stdout.write(f"{options['name']}: the new password is in use")
