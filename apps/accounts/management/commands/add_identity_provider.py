"""Add a tenant's identity provider: OpenID Connect, or SAML from its metadata."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils.text import slugify

from apps.accounts.errors import ProviderError
from apps.accounts.models import AttributeDefinition, ClaimMapping, EmailDomain, IdentityProvider
from apps.accounts.saml.metadata import read_metadata
from apps.accounts.services import save_provider
from apps.audit.types import SYSTEM
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = (
        "Add a tenant's identity provider. OpenID Connect: --issuer, --client-id and --client-secret-stdin; the secret "
        "is read from standard input and sealed. SAML: --saml-metadata with the provider's XML file."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("name")
        parser.add_argument("--issuer", default="")
        parser.add_argument("--client-id", default="")
        parser.add_argument("--client-secret-stdin", action="store_true")
        parser.add_argument("--saml-metadata", type=Path, metavar="FILE")
        parser.add_argument("--domain", action="append", default=[], help="e-mail domain that signs in here; repeat it")
        parser.add_argument("--map", action="append", default=[], metavar="CLAIM=ATTRIBUTE")
        parser.add_argument("--groups-claim", default="")
        parser.add_argument("--required-amr", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        is_saml = options["saml_metadata"] is not None
        if is_saml and (options["issuer"] or options["client_id"] or options["client_secret_stdin"]):
            raise CommandError("--saml-metadata stands alone: SAML has no issuer to write, client id or secret")
        if not is_saml and not (options["issuer"] and options["client_id"] and options["client_secret_stdin"]):
            raise CommandError("give --issuer, --client-id and --client-secret-stdin, or --saml-metadata FILE")
        fields, secret = self.saml(options["saml_metadata"]) if is_saml else self.oidc(options)
        with tenant_of(options["slug"]), transaction.atomic():
            row = IdentityProvider(
                slug=slugify(options["name"])[:40], name=options["name"], required_amr=options["required_amr"], **fields
            )
            save_provider(row, client_secret=secret, by=SYSTEM, now=datetime.now(UTC))
            for domain in options["domain"]:
                listed = EmailDomain(provider=row, domain=domain.lower())
                listed.full_clean(exclude=["tenant"])
                listed.save()
            for pair in options["map"]:
                self.map_claim(row, pair)
            if options["groups_claim"]:
                ClaimMapping.objects.create(provider=row, claim=options["groups_claim"])
        place = "acs" if is_saml else "callback"
        self.stdout.write(f"provider {row.slug}; {place} /accounts/{row.protocol}/{row.slug}/{place}/")

    def oidc(self, options: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
        secret = sys.stdin.readline().strip()
        if not secret:
            raise CommandError("no client secret on standard input")
        return {"issuer": options["issuer"], "client_id": options["client_id"]}, secret

    def saml(self, file: Path) -> tuple[dict[str, Any], str | None]:
        try:
            found = read_metadata(file.read_bytes(), now=datetime.now(UTC))
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from None
        except ProviderError as error:
            raise CommandError(f"{file}: {error}") from None
        fields = {"protocol": IdentityProvider.Protocol.SAML, "issuer": found.entity_id, "sso_url": found.sso_url}
        return fields | {"certificates": list(found.certificates)}, None

    def map_claim(self, provider: IdentityProvider, pair: str) -> None:
        claim, _, attribute = pair.partition("=")
        definition = AttributeDefinition.objects.filter(name=attribute).first()
        if definition is None:
            raise CommandError(f"no attribute {attribute!r}; define it first")
        ClaimMapping.objects.create(provider=provider, claim=claim, definition=definition)
