"""Who asks, and what they may: the answers that everything downstream relies on."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from apps.access.deciding import AccessDecision, decide, has_permission, permitted
from apps.access.identity import (
    Identity,
    Rights,
    TokenFound,
    ask_identity,
    identity_of_person,
    identity_of_token,
    identity_of_token_row,
    rights_of,
)
from apps.access.models import ViewSession
from apps.access.roles import ALL, NONE, OF_RECOVERY, Capability
from apps.access.types import Actor, AttributeValue, Viewing
from apps.accounts.models import ApiToken, ScimToken, User
from apps.accounts.scim.tokens import SCIM_PREFIX
from apps.accounts.services import TOKEN_PREFIX, may_hold_admin_token, token_digest
from apps.tenants.binding import bound_tenant_id

__all__ = [
    "AccessDecision", "Rights", "actor_for_recovery", "actor_for_scim", "actor_for_token", "actor_for_user",
    "actor_for_view", "actor_from_reference", "actor_of_identity", "anonymous", "ask_actor", "decide", "has_permission", "permitted",
    "register_support_resolver", "rights_of", "role_capabilities", "usable_view",
]  # fmt: skip
SupportResolver = Callable[[UUID, datetime], Actor | None]
USED_EVERY = timedelta(minutes=5)
OF_TOKENS = frozenset((Capability.QUERY,))
"""what a token can do at most, whatever its person may"""
_support_resolver: list[SupportResolver] = []


def anonymous(tenant_id: UUID) -> Actor:
    """Return the actor of somebody who has not signed in."""
    return Actor(kind="anonymous", tenant_id=tenant_id, user_id=None, label="anonymous")


def actor_for_user(
    user: User, *, is_platform: bool = False, token_id: UUID | None = None, token_scope: str = ""
) -> Actor:
    """Build the actor of a person of the bound tenant: one statement for attributes, groups and roles."""
    found = Identity(user, rights_of(user))
    return actor_of_identity(found, is_platform=is_platform, token_id=token_id, token_scope=token_scope)


def actor_of_identity(
    found: Identity, *, is_platform: bool = False, token_id: UUID | None = None, token_scope: str = ""
) -> Actor:
    """Build the actor of a person whose rights were just read."""
    user, rights = found.person, found.rights
    names = sorted(name for _, name in rights.groups)
    is_admin = user.is_tenant_admin and not is_platform
    held_here = NONE if is_platform else ALL if is_admin else rights.capabilities
    return Actor(
        kind="token" if token_id else "person",
        tenant_id=bound_tenant_id(),
        user_id=user.pk,
        label=str(user),
        email=user.email,
        is_tenant_admin=is_admin and token_id is None,
        is_platform_staff=user.is_tenant_admin and is_platform,
        capabilities=held_here & OF_TOKENS if token_id else held_here,
        group_ids=frozenset(pk for pk, _ in rights.groups),
        group_names=frozenset(names),
        attributes=rights.attributes | _system_attributes(user, names, is_admin=is_admin),
        timezone=user.timezone,
        token_id=token_id,
        token_scope=token_scope,
    )


def actor_for_recovery(found: Identity) -> Actor:
    """Return the actor of an administrator who came by a recovery link: no attribute, no permission, no group's name.

    Which groups they are in is told: what nobody changes of themself, nobody changes in a recovery either.
    """
    user = found.person
    return Actor(
        kind="recovery", tenant_id=bound_tenant_id(), user_id=user.pk, label=str(user), email=user.email,
        capabilities=OF_RECOVERY if user.is_tenant_admin else NONE, timezone=user.timezone,
        group_ids=frozenset(pk for pk, _ in found.rights.groups),
    )  # fmt: skip


def role_capabilities(user: User) -> frozenset[Capability]:
    """Return what the roles of a person hold together: their own, their groups', everybody's."""
    return rights_of(user).capabilities


def _system_attributes(user: User, groups: list[str], *, is_admin: bool) -> dict[str, AttributeValue]:
    """Attributes that the system sets; a group-less person has no ``omni_user_groups``, as with any unset one.

    All of ``accounts.attributes.SYSTEM_ATTRIBUTES`` but the entity of embedded sessions, which nobody who signs in has.
    """
    found: dict[str, tuple[str, ...]] = {
        "omni_user_id": (str(user.pk),),
        "omni_user_name": (user.name,) if user.name else (),
        "omni_user_email": (user.email,),
        "omni_user_groups": tuple(groups),
        "omni_is_org_admin": ("true" if is_admin else "false",),
        "omni_user_timezone": (user.timezone,),
    }
    return {name: AttributeValue(values, "string", "system") for name, values in found.items() if values}


def actor_for_token(bearer: str, *, now: datetime, is_inside: bool, is_platform: bool = False) -> Actor | None:
    """Return the actor of a valid token of the bound tenant, or None. Only from inside the networks it counts as used."""
    if not bearer.startswith(TOKEN_PREFIX):
        return None
    found = identity_of_token(token_digest(bearer), now=now)
    if found is None:
        return None
    if is_inside and (found.last_used_at is None or found.last_used_at < now - USED_EVERY):
        ApiToken.objects.filter(pk=found.id).update(last_used_at=now)
    return _actor_of_token(found, is_platform=is_platform)


def _scope(scope: str, holder: User) -> str:
    """Return what a token is good for; one that administers sinks with the rights of its holder."""
    if scope == ApiToken.Scope.ADMIN and not may_hold_admin_token(holder):
        return ApiToken.Scope.QUERY
    return scope


def actor_for_scim(bearer: str, *, now: datetime, is_inside: bool) -> Actor | None:
    """Return the actor of a valid SCIM token of the bound tenant, or None: it keeps people and groups, and sees no data.

    Only from inside the networks it counts as used.
    """
    if not bearer.startswith(SCIM_PREFIX):
        return None
    token = ScimToken.objects.filter(digest=token_digest(bearer), revoked_at=None, expires_at__gt=now).first()
    if token is None:
        return None
    if is_inside and (token.last_used_at is None or token.last_used_at < now - USED_EVERY):
        ScimToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return Actor(
        kind="scim", tenant_id=bound_tenant_id(), user_id=None, label=f"SCIM token {token.name}", token_id=token.pk
    )


def register_support_resolver(resolver: SupportResolver) -> None:
    """Let ``support`` say how a support session becomes an actor in a task."""
    _support_resolver[:] = [resolver]


def usable_view(view_id: UUID, *, viewer_id: UUID | None, now: datetime) -> ViewSession | None:
    """Return this viewer's view when it may go on now: both people are active and still what they have to be."""
    found = (
        ViewSession.objects.select_related("viewer", "person")
        .filter(
            pk=view_id, viewer_id=viewer_id, ended_at=None, expires_at__gt=now,
            viewer__is_active=True, person__is_active=True, person__is_tenant_admin=False,
        )
        .first()
    )  # fmt: skip
    if found is None or found.viewer.is_tenant_admin or Capability.VIEW_AS in role_capabilities(found.viewer):
        return found
    return None


def actor_for_view(view: ViewSession) -> Actor:
    """Return the actor of a usable view: who is really there, with the rights of the person seen."""
    viewer, person = view.viewer, view.person
    return replace(
        actor_for_user(person),
        user_id=viewer.pk,
        label=str(viewer),
        email=viewer.email,
        is_tenant_admin=False,
        on_behalf_of=f"{person.email} ({person.pk})",
        viewing=Viewing(view.pk, person.pk, str(person), person.email, view.expires_at, _own_limits(viewer)),
    )


def _own_limits(viewer: User) -> Actor | None:
    """Return the viewer with their own rights, which limit a view; a full administrator's do not."""
    return None if viewer.is_tenant_admin else actor_for_user(viewer)


def actor_from_reference(
    kind: str,
    *,
    user_id: UUID | None,
    token_id: UUID | None,
    support_session_id: UUID | None,
    view_session_id: UUID | None = None,
    now: datetime,
) -> Actor | None:
    """Derive an actor again from what a task's row names; None when it is no longer valid."""
    if kind == "support":
        return _support_resolver[0](support_session_id, now) if _support_resolver and support_session_id else None
    if view_session_id is not None:
        view = usable_view(view_session_id, viewer_id=user_id, now=now)
        return actor_for_view(view) if view is not None else None
    if user_id is None or kind not in ("person", "token"):
        return None
    if kind == "token":
        token = identity_of_token_row(token_id, user_id, now=now) if token_id is not None else None
        return _actor_of_token(token, is_platform=False) if token is not None else None
    person = identity_of_person(user_id)
    return actor_of_identity(person) if person is not None else None


def ask_actor(*, user_id: UUID, token_id: UUID | None, now: datetime) -> Callable[[], Actor | None]:
    """As :func:`actor_from_reference` of a person or token, within ``connection.one_message()``: what is returned derives
    the actor after it."""
    read = ask_identity(user_id, token_id, now=now)

    def derived() -> Actor | None:
        found = read()
        if isinstance(found, TokenFound):
            return _actor_of_token(found, is_platform=False)
        return actor_of_identity(found) if found is not None else None

    return derived


def _actor_of_token(found: TokenFound, *, is_platform: bool) -> Actor:
    scope = _scope(found.scope, found.identity.person)
    return actor_of_identity(found.identity, is_platform=is_platform, token_id=found.id, token_scope=scope)
