"""Add a tenant's OpenID Connect provider."""

import sys
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils.text import slugify

from apps.accounts.models import AttributeDefinition, ClaimMapping, IdentityProvider
from apps.accounts.services import save_provider
from apps.audit.types import SYSTEM
from apps.tenants.commands import tenant_of


class Command(BaseCommand):
    help = "Add a tenant's OpenID Connect provider; the client secret is read from standard input and sealed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("name")
        parser.add_argument("--issuer", required=True)
        parser.add_argument("--client-id", required=True)
        parser.add_argument("--client-secret-stdin", action="store_true", required=True)
        parser.add_argument("--map", action="append", default=[], metavar="CLAIM=ATTRIBUTE")
        parser.add_argument("--groups-claim", default="")
        parser.add_argument("--required-amr", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        secret = sys.stdin.readline().strip()
        if not secret:
            raise CommandError("no client secret on standard input")
        with tenant_of(options["slug"]), transaction.atomic():
            provider = IdentityProvider(
                slug=slugify(options["name"])[:40], name=options["name"], issuer=options["issuer"],
                client_id=options["client_id"], required_amr=options["required_amr"], sealed_client_secret=b"-",
            )  # fmt: skip
            save_provider(provider, client_secret=secret, by=SYSTEM, now=datetime.now(UTC))
            for pair in options["map"]:
                self.map_claim(provider, pair)
            if options["groups_claim"]:
                ClaimMapping.objects.create(provider=provider, claim=options["groups_claim"])
        self.stdout.write(f"provider {provider.slug}; callback /accounts/oidc/{provider.slug}/callback/")

    def map_claim(self, provider: IdentityProvider, pair: str) -> None:
        claim, _, attribute = pair.partition("=")
        definition = AttributeDefinition.objects.filter(name=attribute).first()
        if definition is None:
            raise CommandError(f"no attribute {attribute!r}; define it first")
        ClaimMapping.objects.create(provider=provider, claim=claim, definition=definition)
