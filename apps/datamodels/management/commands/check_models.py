"""See before an upgrade is let loose whether all published models still stand by the rules of this version."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.datamodels.models import DataModel
from apps.datamodels.selectors import current_version, semantic_model
from apps.semantic.errors import UnreadableModelError
from apps.tenants.binding import bound
from apps.tenants.models import Tenant
from apps.tenants.selectors import living


class Command(BaseCommand):
    help = "Read every published model by the rules of this version; name the faults of those that cannot be asked."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slugs", nargs="*", help="tenants; all active ones when none is named")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = living().filter(kind=Tenant.Kind.CUSTOMER).order_by("slug")
        if options["slugs"]:
            tenants = tenants.filter(slug__in=options["slugs"])
            unknown = set(options["slugs"]) - set(tenants.values_list("slug", flat=True))
            if unknown:
                raise CommandError(f"There is no active tenant {', '.join(sorted(unknown))}.")
        read = failed = 0
        for tenant in tenants:
            with bound(tenant.pk):
                for data_model in DataModel.objects.select_related("connection").order_by("name"):
                    is_read, is_good = self._check(tenant.slug, data_model)
                    read, failed = read + is_read, failed + (is_read and not is_good)
        if failed:
            raise CommandError(f"{failed} of {read} published models cannot be asked by the rules of this version.")
        self.stdout.write(f"{read} published models, all as they should be")

    def _check(self, slug: str, data_model: DataModel) -> tuple[bool, bool]:
        version = current_version(data_model)
        if version is None:
            return False, True
        try:
            semantic_model(version)
        except UnreadableModelError as error:
            for problem in error.problems:
                self.stdout.write(f"{slug}\t{data_model.name} v{version.number}\t{problem}")
            return True, False
        return True, True
