"""SCIM tokens: what an identity provider's SCIM client shows. They reach people and groups and nothing else."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import transaction

from apps.accounts.models import ScimToken
from apps.audit.services import record
from apps.audit.types import AuditActor

SCIM_PREFIX = "omni_scim_"
MAX_DAYS = 366


@transaction.atomic
def issue_scim_token(*, name: str, days: int, by: AuditActor, now: datetime) -> str:
    """Issue a SCIM token of the bound tenant and return it: it cannot be shown again."""
    if not 1 <= days <= MAX_DAYS:
        raise ValueError(f"a SCIM token lives 1 to {MAX_DAYS} days")
    token = SCIM_PREFIX + secrets.token_urlsafe(32)
    row = ScimToken(
        name=name, digest=hashlib.sha256(token.encode()).digest(), created_by=by.label,
        expires_at=now + timedelta(days=days),
    )  # fmt: skip
    row.full_clean(exclude=["tenant", "digest"])
    row.save()
    record("accounts.scim_access_issued", row, by=by, now=now, facts={"days": days})
    return token


@transaction.atomic
def revoke_scim_token(token: ScimToken, *, by: AuditActor, now: datetime) -> None:
    """Revoke a SCIM token; the next request with it is refused."""
    ScimToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)
    record("accounts.scim_access_revoked", token, by=by, now=now)
