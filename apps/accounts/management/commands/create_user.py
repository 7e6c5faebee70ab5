"""Invite a person."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.errors import AttributeTypeError
from apps.accounts.services import invite_user
from apps.audit.types import SYSTEM
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Invite a person; missing groups and attributes are created (attributes as lists of text)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("email")
        parser.add_argument("--name", default="")
        parser.add_argument("--group", action="append", default=[])
        parser.add_argument("--attribute", action="append", default=[], metavar="K=V")
        parser.add_argument("--admin", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        attributes: dict[str, list[str]] = {}
        for pair in options["attribute"]:
            name, separator, value = pair.partition("=")
            if not separator or not name or not value:
                raise CommandError(f"--attribute takes NAME=VALUE, not {pair!r}")
            attributes.setdefault(name, []).append(value)
        with tenant_of(options["slug"]):
            try:
                user = invite_user(
                    email=options["email"], name=options["name"], groups=options["group"], attributes=attributes,
                    is_admin=options["admin"], by=SYSTEM, now=datetime.now(UTC),
                )  # fmt: skip
            except AttributeTypeError as error:
                raise CommandError(str(error)) from None
        self.stdout.write(f"invited {user.email}")
