"""Issue a SCIM token."""

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.scim.tokens import issue_scim_token
from apps.audit.types import SYSTEM
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Issue a token for the tenant's SCIM client (address: /scim/v2 on the tenant's host) and print it, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--name", required=True, help="what the audit log calls it, e.g. okta")
        parser.add_argument("--days", type=int, default=180)

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]) as tenant:
            if tenant.is_platform:
                raise CommandError("the platform's own people are not provisioned")
            try:
                token = issue_scim_token(name=options["name"], days=options["days"], by=SYSTEM, now=datetime.now(UTC))
            except (ValueError, ValidationError) as error:
                raise CommandError(str(error)) from None
        self.stdout.write(token)
