"""Check an exported chain offline: no database, no key, no network."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.chain import check_chain


class Command(BaseCommand):
    help = "Check a file of export_audit: every event, their order, and the end."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lines = [json.loads(line) for line in options["file"].read_text().splitlines() if line.strip()]
            head = lines.pop()["head"]
            rows = [event | {name: bytes.fromhex(event[name]) for name in ("previous_hash", "hash")} for event in lines]
            report = check_chain(rows, head=(head["sequence"], bytes.fromhex(head["hash"] or "00" * 32)))
        except OSError as error:
            raise CommandError(f"cannot read {options['file']}: {error.strerror}") from None
        except (ValueError, KeyError, IndexError, TypeError):
            raise CommandError(f"{options['file']} is not a whole export of audit events") from None
        if not report.is_intact:
            raise CommandError(report.reason)
        self.stdout.write(f"intact: {report.length} events")
