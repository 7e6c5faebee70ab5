"""Rotate the worker's key pair."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.connections.adopting import left_to_reseal, reseal_credentials
from apps.tenants.binding import bound
from apps.tenants.models import Tenant
from apps.vault.errors import VaultError
from apps.vault.services import add_worker_key, drop_old_worker_keys, publish_worker_key

STEPS = ("add", "reseal", "finish")


class Command(BaseCommand):
    help = (
        "On a worker: add a new key to the private file (copy it to every worker), then publish it and seal every credential "
        "to it (copy the public file to web hosts), then drop the old key. Each step can be run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("step", choices=(*STEPS, "all"), help="all three in order, where there is one host")

    def handle(self, *args: Any, **options: Any) -> None:
        steps = STEPS if options["step"] == "all" else (options["step"],)
        try:
            for step in steps:
                getattr(self, f"_{step}")()
        except VaultError as error:
            raise CommandError(f"{error}; run this on a worker, with OMNI_PROCESS=worker") from None

    def _add(self) -> None:
        is_new = add_worker_key()
        self.stdout.write("a new key is in the private file" if is_new else "the private file has two keys already")

    def _reseal(self) -> None:
        publish_worker_key()
        for tenant_id, slug in Tenant.objects.order_by("slug").values_list("pk", "slug"):
            with bound(tenant_id):
                self.stdout.write(
                    f"{slug}: {reseal_credentials(now=datetime.now(UTC))} credentials sealed to the new key"
                )

    def _finish(self) -> None:
        for tenant_id, slug in Tenant.objects.order_by("slug").values_list("pk", "slug"):
            with bound(tenant_id):
                if left := left_to_reseal():
                    raise CommandError(
                        f"{slug} has {left} credentials that are sealed to the old key; run `reseal` again"
                    )
        is_gone = drop_old_worker_keys()
        self.stdout.write("the old key is gone" if is_gone else "there is one key only")
