"""Create a tenant, its keys and its first administrator."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from apps.accounts.recovering import issue_recovery_link
from apps.accounts.services import invite_user
from apps.audit.services import record
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound
from apps.tenants.commands import one_line
from apps.tenants.selectors import tenant_by_slug
from apps.tenants.services import create_tenant
from apps.vault.services import create_tenant_keys, ensure_worker_keys


class Command(BaseCommand):
    help = "Create a tenant, its keys and its first administrator, who signs in through the tenant's own provider."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--name", required=True)
        parser.add_argument("--admin-email", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        now = datetime.now(UTC)
        ensure_worker_keys()
        with one_line(), transaction.atomic():
            tenant = create_tenant(slug=options["slug"], name=options["name"])
            with bound(tenant.id):
                create_tenant_keys(now=now)
                record("tenants.tenant_created", tenant, by=SYSTEM, now=now)
                invite_user(email=options["admin_email"], is_admin=True, by=SYSTEM, now=now)
                link = issue_recovery_link(
                    tenant_by_slug(tenant.slug), email=options["admin_email"], by=SYSTEM, now=now
                )
        self.stdout.write(f"{tenant.name}: http://{tenant.domains.get().host}; add an identity provider next")
        self.stdout.write(f"{options['admin_email']} can do so in a browser, once, within 15 minutes: {link}")
