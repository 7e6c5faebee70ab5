"""Explain a person's question in full, as an administrator may know it."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.access.errors import UnknownPersonError
from apps.audit.types import SYSTEM
from apps.governance.explain import Because, Explanation, FieldExplained, RowsExplained, public
from apps.queries.explaining import explained_to, person_of
from apps.queries.management.questions import read_question
from apps.queries.planning import as_query
from apps.semantic.errors import QueryError
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Say why a person gets, or does not get, the data set, fields and rows of a query; everything is named."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("email")
        parser.add_argument("file", type=Path)
        parser.add_argument("--json", action="store_true", help="print what the API answers with")

    def handle(self, *args: Any, **options: Any) -> None:
        question = read_question(options["file"])
        with tenant_of(options["slug"]):
            try:
                person = person_of(options["email"])
                found, sql = explained_to(person, as_query(question), by=SYSTEM, now=timezone.now())
            except UnknownPersonError:
                raise CommandError(f"no active person {options['email']!r} here") from None
            except QueryError as error:
                place = f" ({error.path})" if error.path else ""
                raise CommandError(f"{error.message}{place}") from None
        if options["json"]:
            self.stdout.write(json.dumps(public(found, sql=sql), indent=2, default=str, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(lines(found, sql)))


def lines(found: Explanation, sql: str | None) -> Iterator[str]:
    """Yield the explanation as lines of text."""
    yield f"{found.person} · {found.dataset} · model version {found.model_version or '–'}"
    yield f"{'Allowed' if found.is_allowed else 'Refused'}. {found.text}"
    yield from ("", "Data set", *_reasons(found.because))
    yield from ("", "Fields")
    for field in found.fields:
        yield from _field(field)
    if found.withheld:
        yield from ("", "Other closed and masked fields of the data set")
        for field in found.withheld:
            yield from _field(field)
    yield from ("", "Rows")
    if not found.rows:
        yield "  All rows: no row policy."
    for rows in found.rows:
        yield from _rows(rows)
    if sql is not None:
        yield from ("", "SQL", sql)


def _field(field: FieldExplained) -> Iterator[str]:
    yield f"  {field.name}: {field.text}"
    yield from (f"  {line}" for line in _reasons(field.because))


def _rows(rows: RowsExplained) -> Iterator[str]:
    yield f"  {rows.text}  [{rows.place}]"
    yield f"    {rows.attribute.name} = {rows.attribute.values_text or '(no value)'}: {rows.attribute.origin}"


def _reasons(because: tuple[Because, ...]) -> Iterator[str]:
    for reason in because:
        place = f"  [{reason.place}]" if reason.place else ""
        yield f"  {'✓' if reason.holds else '✗'} {reason.text}{place}"
        if reason.attribute is not None:
            yield f"      {reason.attribute.name}: {reason.attribute.origin}"
