"""``verify_certificate``: check a certificate of erasure offline: no database, no network."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.retention.certificates import read_certificate
from apps.retention.errors import CertificateError
from apps.vault.signing import is_public_key, read_public_keys, trusted_keys


class Command(BaseCommand):
    help = (
        "Say whether a certificate of erasure is whole and signed by this installation, or by the --key that you know."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--key", metavar="KEY", help="the public key, as the trust page shows it, or a file with it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            keys = _keys(options["key"])
            content = read_certificate(options["file"].read_text(errors="replace"), keys=keys)
        except OSError as error:
            raise CommandError(f"cannot read {error.filename}: {error.strerror}") from None
        except CertificateError as error:
            raise CommandError(f"{options['file']}: {error}") from None
        self.stdout.write(
            f"genuine: tenant {content['tenant']['slug']} ({content['tenant']['id']}) was erased by {content['ended_at']}; "
            f"{content['row_count']} rows, keys destroyed at {content['keys_destroyed_at']}"
        )


def _keys(given: str | None) -> tuple[str, ...]:
    if given is not None:
        keys = (given,) if is_public_key(given) else read_public_keys(Path(given))
    else:
        keys = trusted_keys()
    if not keys:
        raise CommandError("there is no public key to check with: give --key, as the trust page shows it")
    return keys
