"""Ask one governed question as a person."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.access.selectors import actor_for_user
from apps.access.types import Actor
from apps.accounts.models import User
from apps.governance.explain import explain, public
from apps.queries import downloads
from apps.queries.errors import QueryFailedError
from apps.queries.management.questions import read_question
from apps.queries.planning import as_query, plan_query
from apps.queries.policies import DASHBOARDS_ONLY, may_ask
from apps.queries.services import answer, cancel_run, run_state
from apps.queries.types import Answer, Pending
from apps.semantic.errors import QueryError
from apps.tenants.commands import tenant_of

QUIET_S = 1.0
"""before anything is said of how far it is"""
WAIT_S = 60.0


class Command(BaseCommand):
    help = "Ask one governed question as a person; it goes through the same path as every page."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("email")
        parser.add_argument("file", type=Path)
        parser.add_argument("--format", choices=("table", "json", "csv", "arrow"), default="table")
        parser.add_argument(
            "--download", action="store_true", help="as many rows as a download may have, streamed; csv or arrow"
        )
        parser.add_argument("--sql", action="store_true", help="print the governed SQL instead of asking")
        parser.add_argument("--explain", action="store_true", help="say what applies, as the person may know it")

    def handle(self, *args: Any, **options: Any) -> None:
        question = read_question(options["file"])
        with tenant_of(options["slug"]):
            user = User.objects.filter(email__iexact=options["email"], is_active=True).first()
            if user is None:
                raise CommandError(f"no active person {options['email']!r} here")
            actor = actor_for_user(user)
            if not may_ask(actor):
                raise CommandError(DASHBOARDS_ONLY)
            try:
                if options["sql"] or options["explain"]:
                    self.describe(actor, question, sql=options["sql"])
                elif options["download"]:
                    self.download(actor, question, options["format"])
                else:
                    self.write(self.ask(actor, question), options["format"])
            except QueryError as error:
                place = f" ({error.path})" if error.path else ""
                raise CommandError(f"{error.message}{place}") from None
            except QueryFailedError as error:
                raise CommandError(error.message) from None

    def ask(self, actor: Actor, question: dict[str, Any]) -> Answer:
        """Wait for the answer, saying how far it is; Ctrl-C cancels it at the source."""
        outcome = answer(actor, question, now=timezone.now(), wait_s=QUIET_S)
        if isinstance(outcome, Pending):
            outcome = self.wait_for(actor, outcome)
        return outcome

    def wait_for(self, actor: Actor, run: Pending) -> Answer:
        outcome: Answer | Pending = run
        deadline = time.monotonic() + WAIT_S
        try:
            while isinstance(outcome, Pending):
                if outcome.state == "queued" and outcome.position in (None, 1) and time.monotonic() > deadline:
                    cancel_run(actor, run.run_id, now=timezone.now())
                    raise CommandError("no worker has taken the query in 60 s; start one with `make worker`")
                self.stderr.write(outcome.told(now=timezone.now()))
                outcome = run_state(actor, run.run_id, now=timezone.now(), wait_s=1.0)
        except KeyboardInterrupt:
            cancel_run(actor, run.run_id, now=timezone.now())
            raise CommandError("cancelled, at the source too") from None
        return outcome

    def download(self, actor: Actor, question: dict[str, Any], form: str) -> None:
        """Have a download made, and write it as it comes."""
        if form not in ("csv", "arrow"):
            raise CommandError("a download is written with --format csv or --format arrow")
        run_id = downloads.begin(actor, question, now=timezone.now())
        try:
            while isinstance(found := downloads.flow(actor, run_id, now=timezone.now()), Pending):
                self.stderr.write(found.told(now=timezone.now()))
                time.sleep(1)
        except KeyboardInterrupt:
            cancel_run(actor, run_id, now=timezone.now())
            raise CommandError("cancelled, at the source too") from None
        for piece in found.arrow() if form == "arrow" else found.csv():
            sys.stdout.buffer.write(piece)
        cut = ", cut at the limit" if found.download.is_truncated else ""
        self.stderr.write(f"{found.download.row_count} rows{cut}; policy {found.download.policy_fingerprint[:12]}")

    def describe(self, actor: Actor, question: dict[str, Any], *, sql: bool) -> None:
        query = as_query(question)
        if sql:
            self.stdout.write(plan_query(actor, query, now=timezone.now()).compiled.sql)
        else:
            told = public(explain(actor, query), sql=None)
            self.stdout.write(json.dumps(told, indent=2, default=str, ensure_ascii=False))

    def write(self, found: Answer, form: str) -> None:
        if form == "arrow":
            sys.stdout.buffer.write(found.to_arrow())
        elif form == "json":
            self.stdout.write(found.to_json().decode())
        elif form == "csv":
            self.stdout.write(found.to_csv().decode(), ending="")
        else:
            self.write_table(found)

    def write_table(self, found: Answer) -> None:
        rows = [[column.label or column.name for column in found.columns]]
        rows += [["" if value is None else str(value) for value in row] for row in found.rows]
        widths = [max(len(row[index]) for row in rows) for index in range(len(found.columns))]
        for row in rows:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        more = ", cut at the limit" if found.is_truncated else ""
        self.stdout.write(f"\n{found.row_count} rows{more}; policy {found.policy_fingerprint[:12]}")
        for limit in found.limits:
            self.stdout.write(f"  {limit}")
