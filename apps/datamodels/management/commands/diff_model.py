"""Compare two versions of a model."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.datamodels.asking import model_named, version_numbered
from apps.datamodels.comparing import as_text
from apps.datamodels.selectors import version_diff
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Show what changes from version A to version B: what it means, then the lines of each file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("model")
        parser.add_argument("a", type=int)
        parser.add_argument("b", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            data_model = model_named(options["model"])
            before, after = (version_numbered(data_model, options[name]) for name in ("a", "b"))
            diff = version_diff(before, after)
        if diff.meaning is None:
            self.stdout.write("one of the versions has faults; only the lines are compared")
        for change in diff.meaning or ():
            details = f" ({', '.join(change.details)})" if change.details else ""
            self.stdout.write(f"{change.kind} {change.what} {change.name}{details}")
        self.stdout.write(as_text(diff.files) or "no differences")
