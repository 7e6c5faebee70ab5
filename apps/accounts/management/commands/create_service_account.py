"""Create a service account."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.models import User
from apps.accounts.services import create_service_account
from apps.audit.types import SYSTEM
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Create a user for programs: it cannot sign in. Prints the address by which issue_token and grant know it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("name")
        parser.add_argument("--owner", required=True, metavar="EMAIL", help="the person who answers for it")

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            owner = User.objects.filter(email__iexact=options["owner"], is_active=True).first()
            if owner is None:
                raise CommandError(f"no active person {options['owner']!r} here")
            made = create_service_account(name=options["name"], owner=owner, by=SYSTEM, now=datetime.now(UTC))
        self.stdout.write(made.email)
