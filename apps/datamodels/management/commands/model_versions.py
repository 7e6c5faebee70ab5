"""List the versions of a model."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.datamodels.asking import model_named
from apps.datamodels.models import ModelVersion
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "List the versions of a model, newest first: who made them, when they were published, which is current."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("model")

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            data_model = model_named(options["model"])
            versions = list(ModelVersion.objects.filter(data_model=data_model).order_by("-number"))
        for version in versions:
            made = f"{version.created_at:%Y-%m-%d %H:%M} by {version.created_by or 'unknown'}"
            self.stdout.write(f"v{version.number}\t{state_of(version)}\t{version.get_origin_display()}, {made}")
        if not versions:
            self.stdout.write("no versions yet")


def state_of(version: ModelVersion) -> str:
    """Say in a word or two what a version is."""
    if version.is_current:
        return "current"
    if version.discarded_at is not None:
        return "discarded"
    if version.published_at is None:
        return "draft"
    return f"published {version.published_at:%Y-%m-%d %H:%M}"
