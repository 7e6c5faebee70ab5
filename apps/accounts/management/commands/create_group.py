"""Create a group."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.accounts.models import UserGroup
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Create a group, or describe the one that is there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("name")
        parser.add_argument("--description", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            described = {"description": options["description"]}
            UserGroup.objects.update_or_create(
                name=options["name"], defaults=described, create_defaults=described | {"claim_value": options["name"]}
            )
        self.stdout.write(f"group {options['name']}")
