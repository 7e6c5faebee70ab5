"""``purge_expired``: what the beat does every minute, by hand."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.retention.erasure.restored import erase_returned
from apps.retention.services import purge_expired
from apps.retention.types import TenantPurge


class Command(BaseCommand):
    help = "Destroy keys of past time slots and remove expired temporary data, of every tenant."

    def handle(self, *args: Any, **options: Any) -> None:
        for tenant_id in erase_returned(now=timezone.now()):
            self.stdout.write(f"{tenant_id}: was erased, came back from a backup, and is erased again")
        report = purge_expired(now=timezone.now())
        for tenant in report.tenants:
            self.stdout.write(line(tenant))
        if not report.is_complete:
            raise CommandError("some tenants could not be purged; the log has the reason")


def line(tenant: TenantPurge) -> str:
    """Return one line about one tenant."""
    if tenant.error:
        return f"{tenant.slug}: FAILED ({tenant.error})"
    return f"{tenant.slug}: {tenant.keys_destroyed} keys destroyed, {tenant.rows_removed} rows removed"
