"""Make the pair of keys with which certificates of erasure are signed."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.vault.signing import create_signing_key


class Command(BaseCommand):
    help = (
        "Write a new key that signs certificates, and add its public half to the public file, which everybody may read."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("private", type=Path)
        parser.add_argument("public", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(create_signing_key(options["private"], options["public"]))
        except FileExistsError:
            raise CommandError(f"{options['private']} exists: move it away first") from None
        except OSError as error:
            raise CommandError(f"cannot write {error.filename}: {error.strerror}") from None
