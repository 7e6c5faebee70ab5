"""``check_controls``: run every control, for every tenant or one; exit 1 when one does not hold."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.tenants.errors import UnknownTenantError
from apps.tenants.selectors import active_tenants, tenant_by_slug
from apps.tenants.types import TenantRef
from apps.trust.services import run_controls
from apps.trust.types import Checked


class Command(BaseCommand):
    help = "Show control by control whether our promises hold, with the figure behind each."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="only this tenant")
        parser.add_argument("--json", action="store_true", help="one JSON list")

    def handle(self, *args: Any, **options: Any) -> None:
        found = [(tenant, check) for tenant in _tenants(options["tenant"]) for check in run_controls(tenant)]
        if options["json"]:
            self.stdout.write(json.dumps([_row(tenant, check) for tenant, check in found], indent=1))
        else:
            for tenant, check in found:
                self.stdout.write(_line(tenant, check))
        broken = sum(not check.result.holds for _, check in found)
        if broken or not found:
            raise CommandError(f"{broken} of {len(found)} controls do not hold")


def _tenants(slug: str | None) -> list[TenantRef]:
    if slug is None:
        return list(active_tenants())
    try:
        return [tenant_by_slug(slug)]
    except UnknownTenantError:
        raise CommandError(f"no tenant {slug!r}") from None


def _row(tenant: TenantRef, check: Checked) -> dict[str, Any]:
    control, result = check.control, check.result
    return {
        "tenant": tenant.slug, "control": control.id, "promise": control.promise, "statement": control.statement,
        "holds": result.holds, "figure": result.figure,
    }  # fmt: skip


def _line(tenant: TenantRef, check: Checked) -> str:
    word = "holds" if check.result.holds else "FAILS"
    return f"{word}  {tenant.slug:<12} {check.control.promise:<4} {check.control.id:<26} {check.result.figure}"
