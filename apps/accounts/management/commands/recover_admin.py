"""Make a one-time link for an administrator who cannot sign in."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.accounts.recovering import issue_recovery_link
from apps.audit.types import SYSTEM
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = (
        "Print a link, once, that lets an administrator in for half an hour to repair sign-in. It works for 15 minutes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("email")
        parser.add_argument("--admit", action="store_true", help="let in an administrator who was shut out")

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]) as tenant:
            link = issue_recovery_link(
                tenant, email=options["email"], admits=options["admit"], by=SYSTEM, now=datetime.now(UTC)
            )
        self.stdout.write(link)
