"""Rotate a tenant's key."""

import time
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.types import SYSTEM
from apps.retention.rotating import finish_tenant_key, rotate_tenant_key
from apps.tenants.commands import tenant_of
from apps.vault.errors import VaultError


class Command(BaseCommand):
    help = "Give a tenant a new key, seal everything anew, and destroy the old key. Run it again if it was interrupted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument(
            "--no-wait", action="store_true", help="leave the last step to the worker's timed task, or to a second call"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            try:
                state = rotate_tenant_key(by=SYSTEM, now=datetime.now(UTC))
                self.stdout.write(
                    f"{options['slug']}: a new key seals; {state.left} values are still under the old one"
                )
                if options["no_wait"] or state.finishes_at is None:
                    return
                wait_s = (state.finishes_at - datetime.now(UTC)).total_seconds()
                self.stdout.write(
                    f"the old key goes in {max(wait_s, 0):.0f} s, when no transaction can hold it any more"
                )
                time.sleep(max(wait_s, 0))
                finish_tenant_key(by=SYSTEM, now=datetime.now(UTC))
            except VaultError as error:
                raise CommandError(str(error)) from None
            self.stdout.write(f"{options['slug']}: the old key is destroyed")
