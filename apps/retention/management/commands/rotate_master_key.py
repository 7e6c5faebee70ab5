"""Rotate the master key."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.retention.rotating import rotate_master_key
from apps.vault.errors import VaultError


class Command(BaseCommand):
    help = "Wrap every tenant's keys under OMNI_MASTER_KEY; OMNI_MASTER_KEY_PREVIOUS opens them. Run it again if it was interrupted."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.OMNI_MASTER_KEY_PREVIOUS:
            raise CommandError(
                "set OMNI_MASTER_KEY to the new key and OMNI_MASTER_KEY_PREVIOUS to the old one; see docs/how-to/keys.md"
            )
        try:
            found = rotate_master_key(now=datetime.now(UTC))
        except VaultError as error:
            raise CommandError(str(error)) from None
        for slug, count in found.items():
            self.stdout.write(f"{slug}: {count} keys wrapped anew")
        self.stdout.write("OMNI_MASTER_KEY_PREVIOUS can be removed, from every process")
