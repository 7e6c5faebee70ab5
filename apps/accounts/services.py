"""Writes: invite, sign in, tokens, attributes. Each is audited in its own transaction."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from apps.accounts.claims import refresh_attributes, refresh_groups, typed_values
from apps.accounts.errors import NotInvitedError, SignInError
from apps.accounts.last_claims import keep_claims, mappings_of
from apps.accounts.models import (
    ApiToken,
    AttributeDefinition,
    GroupMembership,
    IdentityProvider,
    LastClaims,
    User,
    UserAttribute,
    UserGroup,
    UserSession,
)
from apps.accounts.selectors import belongs_elsewhere
from apps.audit.services import record
from apps.audit.types import SYSTEM, AuditActor
from apps.vault.services import open_sealed, seal

TOKEN_PREFIX = "omni_"
TABLE = "accounts_identityprovider"


@transaction.atomic
def invite_user(
    *,
    email: str,
    name: str = "",
    groups: Iterable[str] = (),
    attributes: Mapping[str, list[Any]] | None = None,
    is_admin: bool = False,
    by: AuditActor,
    now: datetime,
) -> User:
    """Invite a person; the first sign-in with this verified address at the tenant's provider makes it theirs.

    Attributes hold until then; from then on the provider's claims decide where a claim is mapped. Inviting
    somebody again who has not come yet changes the invitation.

    Raises:
        ValidationError: the address is malformed, or the person has come already.
        AttributeTypeError: a value has another type.
    """
    user = User.objects.filter(email__iexact=email, subject=None).first() or User(email=email)
    user.name, user.is_tenant_admin = name or user.name, is_admin or user.is_tenant_admin
    user.full_clean(exclude=["tenant"])
    user.save()
    for group_name in groups:
        group, _ = UserGroup.objects.get_or_create(name=group_name)
        GroupMembership.objects.get_or_create(user=user, group=group, source=GroupMembership.Source.ADMINISTRATOR)
    for attribute, values in (attributes or {}).items():
        definition = AttributeDefinition.objects.filter(name=attribute).first() or define_attribute(
            AttributeDefinition(name=attribute, label=attribute.replace("_", " ").capitalize(), is_list=True)
        )
        UserAttribute.objects.update_or_create(
            user=user, definition=definition, source=UserAttribute.Source.INVITATION,
            defaults={"values": typed_values(values, definition), "origin": by.label},
        )  # fmt: skip
    record("accounts.user_invited", user, by=by, now=now, facts={"is_admin": is_admin, "groups": list(groups)})
    return user


def define_attribute(definition: AttributeDefinition) -> AttributeDefinition:
    """Save a new definition.

    Raises:
        ValidationError: the name is taken, is no name, or is one of the system's own.
    """
    definition.full_clean(exclude=["tenant"])
    definition.save()
    return definition


@transaction.atomic
def set_attribute(
    *, user: User, definition: AttributeDefinition, values: list[Any], by: AuditActor, now: datetime
) -> None:
    """Set a person's attribute by hand; an empty list takes that back, and the next source holds.

    Raises:
        AttributeTypeError: a value has another type.
    """
    typed = typed_values(values, definition)
    own = UserAttribute.objects.filter(user=user, definition=definition, source=UserAttribute.Source.ADMINISTRATOR)
    own.delete()
    if typed:
        UserAttribute.objects.create(
            user=user, definition=definition, values=typed, source=UserAttribute.Source.ADMINISTRATOR, origin=by.label
        )
    record("accounts.attribute_set", user, by=by, now=now, facts={"attribute": definition.name, "count": len(typed)})


@transaction.atomic
def save_provider(
    provider: IdentityProvider, *, client_secret: str | None, by: AuditActor, now: datetime
) -> IdentityProvider:
    """Save a provider; ``client_secret`` None leaves the sealed one as it is.

    Switching it off, or having it speak for other people, ends the sessions that began by it.
    """
    before = IdentityProvider.objects.filter(pk=provider.pk).first()
    if client_secret is not None:
        provider.sealed_client_secret = seal(
            client_secret.encode(), table=TABLE, row=provider.pk, column="client_secret"
        )
    provider.full_clean(exclude=["tenant"])
    provider.save()
    facts = {"issuer": provider.issuer, "protocol": provider.protocol, "is_enabled": provider.is_enabled}
    record("accounts.provider_saved", provider, by=by, now=now, facts=facts)
    if before and (not provider.is_enabled or before.identity_issuer != provider.identity_issuer):
        count, _ = UserSession.objects.filter(provider=provider).delete()
        record("accounts.sessions_ended", provider, by=by, now=now, facts={"count": count})
    return provider


def opened_secret(provider: IdentityProvider) -> str:
    """Return the client secret, opened for one use by this process; never for showing."""
    return open_sealed(
        bytes(provider.sealed_client_secret), table=TABLE, row=provider.pk, column="client_secret"
    ).decode()


def sign_in_from_claims(
    *, provider: IdentityProvider, claims: Mapping[str, Any], amr: Iterable[str] = (), now: datetime
) -> User:
    """Find or bind the person whom checked claims name, and refresh attributes and groups from them.

    Raises:
        SignInError: the provider did not confirm the method that is asked for, or nobody invited the person.
    """
    try:
        return _sign_in(provider, claims, set(amr), now)
    except SignInError as error:
        with transaction.atomic():
            record("accounts.sign_in_refused", provider, by=SYSTEM, now=now, facts={"code": error.code})
        raise


@transaction.atomic
def _sign_in(provider: IdentityProvider, claims: Mapping[str, Any], amr: set[str], now: datetime) -> User:
    if provider.required_amr and provider.required_amr not in amr:
        raise SignInError("second_factor", "Your identity provider did not confirm a second factor.")
    user = _person(provider, claims)
    mappings = mappings_of(provider)
    changed = refresh_attributes(user, mappings, claims)
    groups_changed = refresh_groups(user, mappings, claims)
    if name := claims.get("name"):
        User.objects.filter(pk=user.pk).update(name=str(name)[:150])
    keep_claims(user, provider, claims, now=now)
    record(
        "accounts.signed_in", user, by=_Self(user), now=now,
        facts={"provider": provider.slug, "attributes_changed": changed, "groups_changed": groups_changed},
    )  # fmt: skip
    return user


class _Self:
    """The person who signs in, as the author of the event."""

    kind = "person"
    on_behalf_of = ""
    support_session_id = None

    def __init__(self, user: User) -> None:
        self.user_id = user.pk
        self.label = str(user)


def _person(provider: IdentityProvider, claims: Mapping[str, Any]) -> User:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise NotInvitedError
    user = User.objects.filter(issuer=provider.identity_issuer, subject=subject).first()
    if user is None or user.removed_at is not None:
        user = _bind_invited(provider, claims, subject, removed=user)
    if not user.is_active:
        raise NotInvitedError
    return user


def _bind_invited(provider: IdentityProvider, claims: Mapping[str, Any], subject: str, *, removed: User | None) -> User:
    """Give an invitation its subject, once; the address must be verified by the tenant's own provider.

    A domain that is listed for a provider is that provider's: another one's word for such an address counts nothing.
    Who has been removed needs to be invited anew, even where a provider admits people who were not.
    """
    email = claims.get("email")
    if not isinstance(email, str) or claims.get("email_verified") is not True:
        raise NotInvitedError
    if belongs_elsewhere(email, provider):
        raise NotInvitedError
    invited = User.objects.select_for_update().filter(email__iexact=email, subject=None, removed_at=None).first()
    may_come = provider.admits_uninvited and removed is None
    if invited is None and may_come and not User.objects.filter(email__iexact=email).exists():
        invited = User(email=email)
    if invited is None:
        raise NotInvitedError
    if removed is not None:
        User.objects.filter(pk=removed.pk).update(issuer="", subject=None)
    invited.issuer, invited.subject = provider.identity_issuer, subject
    invited.save()
    return invited


@transaction.atomic
def issue_token(*, user: User, name: str, days: int, by: AuditActor, now: datetime) -> str:
    """Issue an API token and return it: it cannot be shown again."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        user=user, name=name, digest=token_digest(token), expires_at=now + timedelta(days=days)
    )
    record("accounts.api_access_issued", row, by=by, now=now, facts={"days": days})
    return token


def token_digest(token: str) -> bytes:
    """Return the 32 bytes that are kept of a token; 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


@transaction.atomic
def revoke_token(token: ApiToken, *, by: AuditActor, now: datetime) -> None:
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)
    record("accounts.api_access_revoked", token, by=by, now=now)


@transaction.atomic
def set_active(user: User, *, is_active: bool, by: AuditActor, now: datetime) -> None:
    """Admit or shut out a person; shutting out ends their sessions and tokens, which do not come back."""
    User.objects.filter(pk=user.pk).update(is_active=is_active)
    if not is_active:
        end_sessions(user, by=by, now=now)
        ApiToken.objects.filter(user=user, revoked_at=None).update(revoked_at=now)
        LastClaims.objects.filter(user=user).delete()
    record("accounts.user_activated" if is_active else "accounts.user_deactivated", user, by=by, now=now)


@transaction.atomic
def end_sessions(user: User, *, by: AuditActor, now: datetime) -> None:
    """End every session of a person; the next click is refused."""
    User.objects.filter(pk=user.pk).update(session_version=user.session_version + 1)
    count, _ = UserSession.objects.filter(user_id=user.pk).delete()
    record("accounts.sessions_ended", user, by=by, now=now, facts={"count": count})
