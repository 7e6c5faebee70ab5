"""``erase_tenant``: delete a tenant for good, and say so under signature."""

import getpass
import os
from argparse import SUPPRESS
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import redis
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from apps.queries.errors import QueryFailedError
from apps.retention.certificates import read_certificate
from apps.retention.erasure.erasing import NO_OWNER, erase_tenant, hand_out, has_owner, standing
from apps.retention.erasure.ordered import standings
from apps.retention.erasure.restored import erase_returned, remember
from apps.retention.errors import CertificateError, ErasureError
from apps.tenants.errors import UnknownTenantError
from apps.vault.errors import VaultError
from apps.vault.key_files import write_key_file
from apps.vault.signing import trusted_keys

MODE = 0o600
AGAIN = "run the same command again to go on"


class Command(BaseCommand):
    help = (
        "Delete a tenant for good, with everything that is kept of it, and write a signed certificate. Interrupted, it goes "
        "on when it is run again. --again erases those that a restored backup brought back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", nargs="?")
        parser.add_argument("--confirm", metavar="SLUG", help="the slug once more")
        parser.add_argument("--certificate", type=Path, metavar="OUT.json", help="where the certificate is written")
        parser.add_argument(
            "--by", default=SUPPRESS, metavar="WHO", help="who has it done; this account's name otherwise"
        )
        parser.add_argument(
            "--reason",
            default="",
            metavar="TEXT",
            help="why it is done although the tenant's own request waits, or was taken back",
        )
        parser.add_argument(
            "--asked", action="store_true", help="list the tenants that ask to be erased, and from when"
        )
        parser.add_argument(
            "--again", nargs="?", const="", metavar="CERTIFICATE", help="after a backup was restored: erase again what was erased before, and whom this certificate names"
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["asked"]:
                self._list()
            elif options["again"] is not None:
                self._again(options)
            else:
                self._erase(options)
        except (redis.RedisError, QueryFailedError):
            raise CommandError(f"Redis does not answer; {AGAIN}") from None
        except DatabaseError as error:
            raise CommandError(f"the database refused ({type(error.__cause__ or error).__name__}); {AGAIN}") from None
        except (ErasureError, VaultError) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}; {AGAIN}") from None

    def _erase(self, options: dict[str, Any]) -> None:
        slug, path = options["slug"], options["certificate"]
        if not slug or path is None:
            raise CommandError("name a tenant, --confirm it, and say where the --certificate goes", returncode=2)
        if not has_owner():
            raise ErasureError(NO_OWNER)
        if not standing(slug, now=datetime.now(UTC)).is_due and options["confirm"] != slug:
            raise CommandError(f"nothing was done: this cannot be undone, so say --confirm {slug}", returncode=2)
        if path.exists() or not os.access(path.absolute().parent, os.W_OK):
            raise CommandError(f"{path} exists, or its folder cannot be written; nothing was done", returncode=2)
        try:
            request, certificate = erase_tenant(
                slug, by=options.get("by") or _account(), now=datetime.now(UTC), reason=options["reason"].strip()
            )
        except UnknownTenantError:
            raise CommandError(f"no tenant {slug!r}") from None
        write_key_file(path, certificate, MODE)
        hand_out(request)
        self.stdout.write(
            f"{slug}: erased, {sum(request.rows.values())} rows in {len(request.rows)} tables; keys destroyed first"
        )
        self.stdout.write(f"certificate {request.pk}: {path}; python manage.py verify_certificate {path}")

    def _list(self) -> None:
        found = standings(datetime.now(UTC))
        for one in found:
            due = (
                f"from {one.due_at:%Y-%m-%d %H:%M} UTC on"
                if one.due_at
                else "not before a second administrator confirms it"
            )
            self.stdout.write(f"{one.slug}: {one.state}, {due}")
        self.stdout.write(f"{len(found)} tenants ask to be erased")

    def _again(self, options: dict[str, Any]) -> None:
        if options["slug"] or options["confirm"] or options["certificate"]:
            raise CommandError("--again takes no tenant: it erases those that were erased before", returncode=2)
        if not has_owner():
            raise ErasureError(NO_OWNER)
        if options["again"]:
            try:
                content = read_certificate(Path(options["again"]).read_text(errors="replace"), keys=trusted_keys())
            except OSError as error:
                raise CommandError(f"cannot read {options['again']}: {error.strerror}") from None
            except CertificateError as error:
                raise CommandError(f"{options['again']}: {error}") from None
            remember(UUID(content["tenant"]["id"]), UUID(content["id"]), at=datetime.fromisoformat(content["ended_at"]))
        found = erase_returned(now=datetime.now(UTC))
        for tenant_id in found:
            self.stdout.write(f"{tenant_id}: erased again")
        self.stdout.write(f"{len(found)} tenants were here again")


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        return f"account {os.getuid()}"
