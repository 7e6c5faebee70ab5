"""Migrate as the tables' owner: the runtime role owns nothing and may change no table."""

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections

from apps.tenants.isolation import drop_lone_keys


class Command(migrate.Command):
    help = migrate.Command.help

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if not (options["check_unapplied"] or options["plan"]):
            drop_lone_keys(connections[options["database"]])
