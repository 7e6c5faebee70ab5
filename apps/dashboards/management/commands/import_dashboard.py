"""``import_dashboard``: create or bring up to date a dashboard from its YAML file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.types import SYSTEM
from apps.dashboards.errors import DashboardDefinitionError
from apps.dashboards.services import import_dashboard
from apps.tenants.commands import tenant_of

MAX_BYTES = 1_000_000


class Command(BaseCommand):
    help = "Create a dashboard from a YAML definition, or bring the one with its slug up to date."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", metavar="SLUG")
        parser.add_argument("file", metavar="FILE", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        definition = read_file(options["file"])
        with tenant_of(options["tenant"]):
            try:
                dashboard = import_dashboard(definition, by=SYSTEM, now=datetime.now(UTC))
            except DashboardDefinitionError as error:
                problems = (f"{options['file']}: {problem}" for problem in error.problems)
                raise CommandError("\n".join(problems)) from None
            self.stdout.write(f"/dashboards/{dashboard.slug}/ has {dashboard.tiles.count()} tiles")


def read_file(path: Path) -> object:
    """Read YAML of a bounded size; a fault is one clear line."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CommandError(f"{path}: larger than {MAX_BYTES} bytes")
        return yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: cannot be read") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise CommandError(f"{path}:{line}: this is not YAML") from error
