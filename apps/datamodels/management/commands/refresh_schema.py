"""Propose what a source has and its model does not."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.audit.types import SYSTEM
from apps.datamodels.asking import model_named, said_plainly
from apps.datamodels.services import refresh_schema
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = (
        "Have a worker read the source, and write new tables and columns into a draft. "
        "Nobody sees a new field before somebody classifies it and publishes the draft."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("model")
        parser.add_argument("--columns-only", action="store_true", help="propose no new tables")

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            data_model = model_named(options["model"])
            with said_plainly():
                outcome = refresh_schema(
                    data_model, by=SYSTEM, now=datetime.now(UTC), with_tables=not options["columns_only"]
                )
            found = outcome.refresh
            for problem in found.missing:
                self.stderr.write(str(problem))
            for text in found.skipped:
                self.stderr.write(text)
            if outcome.draft is None:
                self.stdout.write("the source has nothing new")
            else:
                news = f"{len(found.new_views)} new views, {len(found.new_fields)} new columns"
                self.stdout.write(f"{outcome.draft}, a draft: {news}, all of them unclassified")
