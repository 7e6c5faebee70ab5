"""Writes of SAML: an assertion is spent once."""

import hashlib
from datetime import datetime

from django.db import IntegrityError, transaction

from apps.accounts.errors import SamlError
from apps.accounts.models import IdentityProvider, SpentAssertion
from apps.accounts.saml.assertions import Assertion
from apps.audit.services import record
from apps.audit.types import SYSTEM


def spend(assertion: Assertion, *, provider: IdentityProvider, now: datetime) -> None:
    """Mark a verified assertion as used; forget those that are over anyway.

    Raises:
        SamlError: it has been used before.
    """
    digest = hashlib.sha256(assertion.id.encode()).digest()
    try:
        with transaction.atomic():
            SpentAssertion.objects.filter(expires_at__lt=now).delete()
            SpentAssertion.objects.create(provider=provider, digest=digest, expires_at=assertion.expires_at)
    except IntegrityError:
        refuse(provider, "replayed", now=now)
        raise SamlError("replayed", "This answer of your identity provider has been used before.") from None


@transaction.atomic
def refuse(provider: IdentityProvider, code: str, *, now: datetime) -> None:
    """Record that a verified assertion was refused."""
    record("accounts.sign_in_refused", provider, by=SYSTEM, now=now, facts={"code": code})
