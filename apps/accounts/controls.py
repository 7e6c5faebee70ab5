"""Promises about identity."""

from django.conf import settings
from django.db import connection

from apps.accounts.models import ApiToken, IdentityProvider
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
    plain = [row.slug for row in providers if not row.issuer.startswith("https://")]
    holds = settings.OMNI_IS_LOCAL or not plain
    return ControlResult(
        holds, f"{len(providers)} enabled, {len(plain)} without TLS" + (" (local set-up)" if plain else "")
    )


def _tokens() -> ControlResult:
    wrong = [token for token in ApiToken.objects.all() if len(bytes(token.digest)) != 32]
    return ControlResult(not wrong, f"{ApiToken.objects.count()} tokens, kept as hashes")


CONTROLS = (
    Control("accounts.no_password", "P6", "No password is stored, anywhere", _no_password),
    Control("accounts.providers", "P6", "People sign in at their own identity provider over TLS", _providers),
    Control("accounts.tokens", "P6", "API tokens are kept as hashes", _tokens),
)
