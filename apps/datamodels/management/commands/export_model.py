"""Write a model's files back, byte for byte."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.datamodels.folders import write_folder
from apps.datamodels.models import DataModel
from apps.datamodels.selectors import current_version, files_of
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Write the current version's files into a folder; importing them gives the same model."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("model")
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            data_model = DataModel.objects.filter(name=options["model"]).first()
            version = current_version(data_model) if data_model else None
            if version is None:
                raise CommandError(f"no published model {options['model']!r}")
            files = files_of(version)
        write_folder(options["folder"], files)
        self.stdout.write(f"{version}: {len(files)} files")
