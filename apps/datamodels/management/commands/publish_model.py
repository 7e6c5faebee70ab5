"""Publish a draft, or roll back to an older version."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.types import SYSTEM
from apps.datamodels.asking import model_named, said_plainly, version_numbered
from apps.datamodels.models import DataModel, ModelVersion
from apps.datamodels.selectors import open_drafts
from apps.datamodels.services import publish_version
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = (
        "Publish the model's only draft, or the version of this number; an older one rolls back. All gates are asked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("model")
        parser.add_argument("--version", type=int, dest="number", metavar="N")

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Let ``--version`` name a version of the model, not of Django."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            data_model = model_named(options["model"])
            number: int | None = options["number"]
            version = version_numbered(data_model, number) if number is not None else only_draft(data_model)
            with said_plainly():
                publish_version(version, by=SYSTEM, now=datetime.now(UTC))
            self.stdout.write(f"{version} answers queries now")


def only_draft(data_model: DataModel) -> ModelVersion:
    """Return the draft that is meant when none is named.

    Raises:
        CommandError: there is none, or several.
    """
    drafts = open_drafts(data_model)
    if len(drafts) != 1:
        numbers = ", ".join(f"v{draft.number}" for draft in drafts)
        raise CommandError(f"choose one of the drafts {numbers} with --version" if drafts else "there is no draft")
    return drafts[0]
