"""Promises about identity."""

from django.conf import settings
from django.db import connection

from apps.accounts.models import ApiToken, IdentityProvider, ScimToken
from apps.tenants.types import Control, ControlResult


def _no_password() -> ControlResult:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name || '.' || column_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND column_name ILIKE '%password%'"
        )
        columns = [row[0] for row in cursor.fetchall()]
    return ControlResult(not columns, ", ".join(columns) or "no column that could hold a password")


def _providers() -> ControlResult:
    providers = list(IdentityProvider.objects.filter(is_enabled=True))
    plain = [row.slug for row in providers if not (row.sso_url if row.is_saml else row.issuer).startswith("https://")]
    holds = settings.OMNI_IS_LOCAL or not plain
    return ControlResult(
        holds, f"{len(providers)} enabled, {len(plain)} without TLS" + (" (local set-up)" if plain else "")
    )


def _tokens() -> ControlResult:
    kept = [bytes(token.digest) for table in (ApiToken, ScimToken) for token in table._default_manager.all()]
    return ControlResult(all(len(digest) == 32 for digest in kept), f"{len(kept)} tokens, kept as hashes")


CONTROLS = (
    Control("accounts.no_password", "P6", "No password is stored, anywhere", _no_password),
    Control("accounts.providers", "P6", "People sign in at their own identity provider over TLS", _providers),
    Control("accounts.tokens", "P6", "API and SCIM tokens are kept as hashes", _tokens),
)
