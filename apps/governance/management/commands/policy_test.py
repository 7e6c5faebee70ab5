"""Run policy tests."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.connections.models import Connection
from apps.datamodels.folders import read_folder
from apps.datamodels.models import DataModel
from apps.datamodels.selectors import current_version, files_of
from apps.governance.policy_tests.checking import run_policy_tests
from apps.governance.policy_tests.rows import row_reader
from apps.governance.policy_tests.types import Outcome
from apps.semantic.errors import ModelError
from apps.tenants.commands import tenant_of

Found = dict[str, tuple[Outcome, ...]]


class Command(BaseCommand):
    help = "Run the policy tests of the published models, or of a folder; exit 1 when one fails."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("folder", nargs="?", type=Path, help="files to test instead of what is published")
        parser.add_argument("--model", default="", help="only this model; with a folder, whose connection it is for")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        files = read_folder(options["folder"]) if options["folder"] else None
        with tenant_of(options["slug"]):
            try:
                found = {name: self._outcomes(*what) for name, what in _wanted(options["model"], files)}
            except ModelError as error:
                raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps(_public(found), indent=2, ensure_ascii=False))
        else:
            self._tell(found)
        failed = sum(not outcome.has_passed for outcomes in found.values() for outcome in outcomes)
        if failed:
            raise CommandError(f"{failed} of {_count(found)} policy tests failed")

    def _outcomes(self, files: dict[str, str], connection: Connection) -> tuple[Outcome, ...]:
        return run_policy_tests(files, connection, now=datetime.now(UTC), reader=row_reader())

    def _tell(self, found: Found) -> None:
        for name, outcomes in found.items():
            for outcome in outcomes:
                state = "ok    " if outcome.has_passed else "FAILED"
                note = f" ({outcome.note})" if outcome.note else ""
                self.stdout.write(f"{state} {name}: {outcome.test}: {outcome.person}{note}")
                for failure in outcome.failures:
                    self.stdout.write(f"       {failure.place}: {failure.expectation}")
                    self.stdout.write(f"         expected: {failure.expected}")
                    self.stdout.write(f"         actual:   {failure.actual}")
        failed = sum(not outcome.has_passed for outcomes in found.values() for outcome in outcomes)
        self.stdout.write(f"{_count(found)} policy tests, {failed} failed")


def _count(found: Found) -> int:
    return sum(len(outcomes) for outcomes in found.values())


def _wanted(name: str, files: dict[str, str] | None) -> Iterator[tuple[str, tuple[dict[str, str], Connection]]]:
    """Yield files and connection by model: a folder's for one model, else those of each published version."""
    models = DataModel.objects.select_related("connection").order_by("name")
    chosen = list(models.filter(name=name) if name else models)
    if name and not chosen:
        raise CommandError(f"no model {name!r}")
    if files is not None and len(chosen) != 1:
        raise CommandError("say with --model which model the folder is for")
    for data_model in chosen:
        version = current_version(data_model)
        if files is not None:
            yield data_model.name, (files, data_model.connection)
        elif version is not None:
            yield data_model.name, (files_of(version), data_model.connection)
        elif name:
            raise CommandError(f"model {name!r} has no published version")


def _public(found: Found) -> dict[str, Any]:
    return {
        "failed": sum(not outcome.has_passed for outcomes in found.values() for outcome in outcomes),
        "tests": [_outcome(name, outcome) for name, outcomes in found.items() for outcome in outcomes],
    }


def _outcome(model: str, outcome: Outcome) -> dict[str, Any]:
    return {
        "model": model,
        "test": outcome.test,
        "person": outcome.person,
        "dataset": outcome.dataset,
        "place": f"{outcome.source.file}:{outcome.source.line}",
        "passed": outcome.has_passed,
        "note": outcome.note,
        "failures": [
            {
                "expectation": failure.expectation,
                "expected": failure.expected,
                "actual": failure.actual,
                "place": failure.place,
            }
            for failure in outcome.failures
        ],
    }
