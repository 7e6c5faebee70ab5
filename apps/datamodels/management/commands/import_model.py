"""Import a folder of Omni model files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.datamodels.asking import said_plainly
from apps.datamodels.folders import read_folder
from apps.datamodels.selectors import problems_of
from apps.datamodels.services import import_files
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Read a folder of model files; every problem as file:line:column: message, and then nothing is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("connection")
        parser.add_argument("folder", type=Path)
        parser.add_argument("--name", default="")
        parser.add_argument("--publish", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        files = read_folder(options["folder"])
        with tenant_of(options["slug"]):
            connection = Connection.objects.filter(name=options["connection"]).first()
            if connection is None:
                raise CommandError(f"no connection {options['connection']!r}")
            with said_plainly():
                version = import_files(
                    connection=connection, name=options["name"] or connection.name, files=files,
                    publish=options["publish"], by=SYSTEM, now=datetime.now(UTC),
                )  # fmt: skip
            version.refresh_from_db(fields=["is_current", "published_at"])
            for problem in problems_of(version):
                self.stderr.write(str(problem))
            state = "answers queries" if version.is_current else "stored as a draft"
            self.stdout.write(f"{version} {state}: {len(files)} files")
