"""Issue an API token."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.models import ApiToken, User
from apps.accounts.services import issue_token
from apps.audit.types import SYSTEM
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Issue an API token to a person or a service account and print it, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("email")
        parser.add_argument("--name", required=True)
        parser.add_argument("--days", type=int, default=90)
        parser.add_argument("--scope", choices=ApiToken.Scope.values, default=ApiToken.Scope.QUERY)

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            user = User.objects.filter(email__iexact=options["email"], is_active=True).first()
            if user is None:
                raise CommandError(f"no active person {options['email']!r} here")
            token = issue_token(
                user=user, name=options["name"], days=options["days"], scope=options["scope"], by=SYSTEM,
                now=datetime.now(UTC),
            )  # fmt: skip
        self.stdout.write(token)
