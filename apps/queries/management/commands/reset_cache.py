"""Forget kept answers: those of one policy of a model, or everything of a tenant."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.audit.types import SYSTEM
from apps.datamodels.models import DataModel
from apps.queries import keeping
from apps.queries.errors import UnknownCachePolicyError
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Forget kept answers of a tenant, or of one model and cache policy."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("model", nargs="?", help="without it everything is forgotten, keys too")
        parser.add_argument("policy", nargs="?", default=keeping.DEFAULT, help="without it: answers without a policy")

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            removed = self.forget(options["model"], options["policy"])
        self.stdout.write(f"{removed} answers forgotten")

    def forget(self, name: str | None, policy: str) -> int:
        now = timezone.now()
        if name is None:
            return keeping.forget_everything(by=SYSTEM, now=now)
        model = DataModel.objects.filter(name=name).first()
        if model is None:
            raise CommandError(f"there is no model {name!r} here")
        try:
            return keeping.reset_policy(model, policy, by=SYSTEM, now=now)
        except UnknownCachePolicyError:
            raise CommandError(f"{name} has no cache policy {policy!r}") from None
