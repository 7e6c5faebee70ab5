"""Define a user attribute."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.accounts.models import AttributeDefinition
from apps.accounts.services import define_attribute
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Define a user attribute that policies may use. It has no default: unset means refused."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("name")
        parser.add_argument("--label", default="")
        parser.add_argument("--description", default="")
        parser.add_argument("--type", choices=AttributeDefinition.Type.values, default="string")
        parser.add_argument("--list", action="store_true", help="may hold several values")

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            definition = AttributeDefinition(
                name=options["name"], label=options["label"] or options["name"], type=options["type"],
                is_list=options["list"], description=options["description"],
            )  # fmt: skip
            define_attribute(definition)
        self.stdout.write(f"attribute {definition.name}")
