"""Write a tenant's events with the chain's head, for ``verify_audit`` to check anywhere."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from apps.audit.notes import place_notes
from apps.audit.selectors import chain_rows
from apps.tenants.binding import bound
from apps.tenants.errors import UnknownTenantError
from apps.tenants.selectors import tenant_by_slug


class Command(BaseCommand):
    help = "Write a tenant's audit events as JSON lines; the last line is the chain's head."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("out", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = tenant_by_slug(options["slug"])
        except UnknownTenantError:
            raise CommandError(f"no tenant {options['slug']!r}") from None
        sequence, head = 0, ""
        with bound(tenant.id):
            place_notes()
        with bound(tenant.id), transaction.atomic(), options["out"].open("w") as file:
            for event in chain_rows():
                event["previous_hash"], event["hash"] = bytes(event["previous_hash"]).hex(), bytes(event["hash"]).hex()
                sequence, head = event["sequence"], event["hash"]
                file.write(json.dumps(event, default=str, sort_keys=True) + "\n")
            file.write(json.dumps({"head": {"sequence": sequence, "hash": head}}) + "\n")
        self.stdout.write(f"{sequence} events; head {head}")
