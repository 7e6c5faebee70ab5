"""Say what publishing a version would change."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.datamodels.folders import read_folder
from apps.datamodels.models import DataModel, ModelVersion
from apps.governance.blast_radius.candidates import candidate_of
from apps.governance.blast_radius.radius import blast_radius, version_radius
from apps.governance.blast_radius.telling import names, public, sentence, summary
from apps.governance.blast_radius.types import BlastRadius
from apps.semantic.errors import ModelError
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Say who would gain and who would lose what, were a folder or a stored version published now."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Let ``--version`` name a version of the model; Django's own says which Django this is."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("model")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("folder", nargs="?", type=Path, help="files that are not stored yet")
        what.add_argument("--version", type=int, metavar="N", dest="number", help="default: the newest")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            data_model = DataModel.objects.select_related("connection").filter(name=options["model"]).first()
            if data_model is None:
                raise CommandError(f"no model {options['model']!r}")
            try:
                found = self._found(data_model, options)
            except ModelError as error:
                raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps(public(found), indent=2, ensure_ascii=False))
            return
        for effect in found.effects:
            self.stdout.write(f"{'+' if effect.is_widening else '-'} {sentence(effect)}")
            if effect.people:
                self.stdout.write(f"    {names(effect)}")
        self.stdout.write(summary(found))

    def _found(self, data_model: DataModel, options: dict[str, Any]) -> BlastRadius:
        if options["folder"] is not None:
            files = read_folder(options["folder"])
            candidate = candidate_of(files, dialect=data_model.connection.dialect)
            return blast_radius(data_model, candidate, target=str(options["folder"]))
        versions = ModelVersion.objects.select_related("data_model__connection").filter(data_model=data_model)
        number = options["number"]
        version = (versions.filter(number=number) if number else versions.order_by("-number")).first()
        if version is None:
            raise CommandError(f"model {data_model.name!r} has no version {number or 'yet'}")
        return version_radius(version)
