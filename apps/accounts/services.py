"""Writes: invite, sign in, tokens, attributes. Each is audited in its own transaction."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import F
from django.utils.text import slugify

from apps.accounts.claims import is_storable, refresh_attributes, refresh_groups, typed_values
from apps.accounts.ending import end_sessions_of, end_sessions_of_provider
from apps.accounts.errors import NotInvitedError, SignInError
from apps.accounts.last_claims import keep_claims, mappings_of
from apps.accounts.models import (
    ENDS_SESSIONS,
    ApiToken,
    AttributeDefinition,
    GroupMembership,
    IdentityProvider,
    LastClaims,
    ServiceAccount,
    User,
    UserAttribute,
    UserGroup,
    UserSession,
)
from apps.accounts.models.people import NOBODYS
from apps.accounts.selectors import is_same_address, is_taken, speaks_for
from apps.accounts.withdrawing import withdraw_provider
from apps.audit.services import record
from apps.audit.types import SYSTEM, AuditActor
from apps.tenants.limits import limits_of
from apps.tenants.models import Tenant
from apps.tenants.selectors import bound_tenant
from apps.vault.services import open_sealed, seal

TOKEN_PREFIX = "omni_"
SERVICE_DOMAIN = "service.invalid"
"""no mail can reach it, and no provider may verify it (RFC 2606)"""
MAX_SUBJECT, MAX_EMAIL = 255, 254
TABLE = "accounts_identityprovider"
PROVIDER_CHANGED = "Your identity provider was changed here during your sign-in. Please sign in again."
MULTI_FACTOR = "mfa"
MULTI_FACTORS = frozenset((
    MULTI_FACTOR, "phr", "phrh", "http://schemas.openid.net/pape/policies/2007/06/multi-factor", "https://refeds.org/profile/mfa",
    "http://schemas.microsoft.com/claims/multipleauthn", "urn:okta:loa:2fa:any", "http://idmanagement.gov/ns/assurance/aal/2",
    "http://idmanagement.gov/ns/assurance/aal/3",
))  # fmt: skip
"""what says that there was more than one factor (RFC 8176, OpenID EAP, REFEDS, NIST); anything else does not do for staff"""


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
    waiting = User.objects.filter(email__iexact=email, subject=None, kind=User.Kind.PERSON)
    user = next((one for one in waiting if is_same_address(one.email, email)), None) or User(email=email)
    if user._state.adding and User.objects.filter(email__iexact=email).exists():
        raise ValidationError(
            f"{email} is here already; recover_admin lets an administrator in, and --admit one shut out"
        )
    user.name, user.is_tenant_admin = name or user.name, is_admin or user.is_tenant_admin
    user.full_clean()
    user.save()
    for group_name in groups:
        group, _ = UserGroup.objects.get_or_create(name=group_name, defaults={"claim_value": group_name})
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

    Who came through it has to come again when it is switched off or is another one than before. One with another
    issuer names other people: what the former has said of its own goes.
    """
    before = IdentityProvider.objects.filter(pk=provider.pk).first()
    if client_secret is not None:
        provider.sealed_client_secret = seal(
            client_secret.encode(), table=TABLE, row=provider.pk, column="client_secret"
        )
    provider.full_clean(exclude=["tenant"])
    provider.save()
    facts: dict[str, Any] = {
        "issuer": provider.issuer, "protocol": provider.protocol, "is_enabled": provider.is_enabled,
    }  # fmt: skip
    if before is not None and before.identity_issuer != provider.identity_issuer:
        facts |= withdraw_provider(before, now=now)
    record("accounts.provider_saved", provider, by=by, now=now, facts=facts)
    changed = [name for name in ENDS_SESSIONS if before and getattr(before, name) != getattr(provider, name)]
    if changed and changed != ["is_enabled"]:
        end_sessions_of_provider(provider, why="provider changed", by=by, now=now)
    elif changed and not provider.is_enabled:
        end_sessions_of_provider(provider, why="provider switched off", by=by, now=now)
    return provider


@transaction.atomic
def delete_provider(provider: IdentityProvider, *, by: AuditActor, now: datetime) -> None:
    """Remove a provider; who came through it is signed out, and what it has said of people goes with it."""
    end_sessions_of_provider(provider, why="provider removed", by=by, now=now)
    facts = {"issuer": provider.issuer, **withdraw_provider(provider, now=now)}
    record("accounts.provider_removed", provider, by=by, now=now, facts=facts)
    provider.delete()


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
        SignInError: the provider did not confirm the method that is asked for, has been changed since it was read, or
            nobody invited the person.
    """
    try:
        return _sign_in(provider, claims, set(amr), now)
    except SignInError as error:
        with transaction.atomic():
            record("accounts.sign_in_refused", provider, by=SYSTEM, now=now, facts={"code": error.code})
        raise


@transaction.atomic
def _sign_in(provider: IdentityProvider, claims: Mapping[str, Any], amr: set[str], now: datetime) -> User:
    held = IdentityProvider.objects.filter(pk=provider.pk).first()
    if held is None or held.mark != provider.mark:  # the provider was asked in between, and may take its time
        raise SignInError("provider_changed", PROVIDER_CHANGED)
    wanted = _wanted_method(provider)
    if wanted and wanted not in amr:
        raise SignInError("second_factor", "Your identity provider did not confirm a second factor.")
    user = _person(provider, claims)
    mappings = mappings_of(provider)
    changed = refresh_attributes(user, mappings, claims)
    groups_changed = refresh_groups(user, mappings, claims)
    if groups_changed:
        end_sessions_of([user.pk], why="groups changed", by=PersonActor(user), now=now)
        user.refresh_from_db(fields=["session_version"])
    name = claims.get("name")
    if name and isinstance(name, str) and is_storable(name[:150]):
        User.objects.filter(pk=user.pk).update(name=name[:150])
    keep_claims(user, provider, claims, now=now)
    record(
        "accounts.signed_in", user, by=PersonActor(user), now=now,
        facts={"provider": provider.slug, "attributes_changed": changed, "groups_changed": groups_changed},
    )  # fmt: skip
    return user


def _wanted_method(provider: IdentityProvider) -> str:
    """Return the method (``amr``) or class (``acr``) that must be confirmed; our own staff's is never just one factor."""
    if provider.tenant.kind != Tenant.Kind.PLATFORM:
        return provider.required_amr
    does = provider.required_amr in MULTI_FACTORS or provider.required_amr in settings.OMNI_MULTI_FACTORS
    return provider.required_amr if does else MULTI_FACTOR


class PersonActor:
    """The person who comes in, as the author of the event."""

    kind = "person"
    on_behalf_of = ""
    support_session_id = None

    def __init__(self, user: User) -> None:
        self.user_id = user.pk
        self.label = str(user)


def _person(provider: IdentityProvider, claims: Mapping[str, Any]) -> User:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not is_storable(subject):
        raise NotInvitedError
    user = User.objects.filter(issuer=provider.identity_issuer, subject=subject).first()
    if user is None or user.removed_at is not None:
        user = _bind_invited(provider, claims, subject, removed=user)
    if not user.is_active:
        raise NotInvitedError
    return user


def is_persons_address(email: str) -> bool:
    """Say whether a claim holds an address that somebody can have, and that can be kept."""
    if not is_storable(email) or len(email) > MAX_EMAIL or email.lower().endswith(NOBODYS):
        return False
    try:
        validate_email(email)
    except ValidationError:
        return False
    return True


def _bind_invited(provider: IdentityProvider, claims: Mapping[str, Any], subject: str, *, removed: User | None) -> User:
    """Give an invitation its subject, once; the address must be verified by the tenant's own provider.

    Whose word counts for an address is said in :func:`speaks_for`.
    Who has been removed needs to be invited anew, even where a provider admits people who were not.
    """
    email = claims.get("email")
    if not isinstance(email, str) or not is_persons_address(email) or claims.get("email_verified") is not True:
        raise NotInvitedError
    if not speaks_for(email, provider):
        raise NotInvitedError
    waiting = User.objects.select_for_update().filter(kind=User.Kind.PERSON, subject=None, removed_at=None)
    invited = next((one for one in waiting.filter(email__iexact=email) if is_same_address(one.email, email)), None)
    may_come = provider.admits_uninvited and removed is None
    if invited is None and may_come and not is_taken(email):
        invited = User(email=email)
    if invited is None:
        raise NotInvitedError
    if removed is not None:
        User.objects.filter(pk=removed.pk).update(issuer="", subject=None)
    invited.issuer, invited.subject = provider.identity_issuer, subject
    invited.save()
    return invited


@transaction.atomic
def issue_token(
    *, user: User, name: str, days: int, scope: str = ApiToken.Scope.QUERY, by: AuditActor, now: datetime
) -> str:
    """Issue an API token and return it: it cannot be shown again.

    Raises:
        ValidationError: it would live longer than the tenant allows, has no name or scope, administers for somebody
            who is no administrator, or would open nothing, as on the platform's host.
    """
    tenant = bound_tenant()
    if tenant.kind == Tenant.Kind.PLATFORM:
        raise ValidationError("The platform's host has no API: a token would open nothing there.")
    longest = limits_of(tenant).token_max_days
    if not 1 <= days <= longest:
        raise ValidationError(f"A token lives from 1 to {longest} days here.")
    if scope == ApiToken.Scope.ADMIN and not may_hold_admin_token(user):
        raise ValidationError("Only administrators and service accounts can hold a token that administers.")
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    row = ApiToken(user=user, name=name, scope=scope, digest=token_digest(token), expires_at=now + timedelta(days=days))
    row.full_clean(exclude=["tenant"])
    row.save(force_insert=True)
    facts = {"days": days, "scope": scope, "for": str(user)}
    record("accounts.api_access_issued", row, by=by, now=now, facts=facts)
    return token


def may_hold_admin_token(user: User) -> bool:
    """Say whether a token of this user may administer; asked again at every use."""
    return user.is_tenant_admin or user.kind == User.Kind.SERVICE


def token_digest(token: str) -> bytes:
    """Return the 32 bytes that are kept of a token; 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


@transaction.atomic
def revoke_token(token: ApiToken, *, by: AuditActor, now: datetime) -> None:
    """Revoke a token; the next request with it is refused. One that was revoked before is left alone."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now):
        record("accounts.api_access_revoked", token, by=by, now=now)


@transaction.atomic
def set_active(user: User, *, is_active: bool, by: AuditActor, now: datetime) -> None:
    """Admit or shut out somebody. Shutting out ends their sessions and revokes their tokens, which stay revoked."""
    User.objects.filter(pk=user.pk).update(is_active=is_active)
    facts = {}
    if not is_active:
        end_sessions(user, by=by, now=now)
        LastClaims.objects.filter(user=user).delete()
        facts = {"api_access_revoked": ApiToken.objects.filter(user=user, revoked_at=None).update(revoked_at=now)}
    verb = "accounts.user_activated" if is_active else "accounts.user_deactivated"
    record(verb, user, by=by, now=now, facts=facts)


@transaction.atomic
def set_administrator(user: User, *, is_tenant_admin: bool, by: AuditActor, now: datetime) -> None:
    """Make somebody an administrator, or no longer one, which ends their sessions."""
    User.objects.filter(pk=user.pk).update(is_tenant_admin=is_tenant_admin)
    verb = "accounts.administrator_made" if is_tenant_admin else "accounts.administrator_unmade"
    record(verb, user, by=by, now=now)
    if not is_tenant_admin:
        end_sessions_of([user.pk], why="no longer an administrator", by=by, now=now)


@transaction.atomic
def end_sessions(user: User, *, by: AuditActor, now: datetime) -> None:
    """End every session of a person; the next click is refused."""
    User.objects.filter(pk=user.pk).update(session_version=F("session_version") + 1)
    count, _ = UserSession.objects.filter(user_id=user.pk).delete()
    record("accounts.sessions_ended", user, by=by, now=now, facts={"count": count})


@transaction.atomic
def create_service_account(*, name: str, owner: User, by: AuditActor, now: datetime) -> ServiceAccount:
    """Create a user that no person is. It starts with no token, group, attribute or permission.

    Raises:
        ValidationError: the name is taken or empty, or the owner is no active person.
    """
    if owner.kind != User.Kind.PERSON or not owner.is_active:
        raise ValidationError("An active person must answer for it.")
    account = ServiceAccount(kind=User.Kind.SERVICE, name=name, owner=owner, email=service_address(name))
    account.full_clean()
    account.save(force_insert=True)
    record("accounts.service_account_created", account, by=by, now=now, facts={"owner": str(owner)})
    return account


def service_address(name: str) -> str:
    """Return what stands in the place of an e-mail address; it keeps names of service accounts apart."""
    told = slugify(name)[:60] or f"account-{hashlib.sha256(name.encode()).hexdigest()[:16]}"  # no Latin letter in it
    return f"{told}@{SERVICE_DOMAIN}"
