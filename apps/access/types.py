"""The one answer to "who is asking", built once per request, token or task."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from apps.access.roles import ADMINISTRATIVE, OF_RECOVERY, Capability

ActorKind = Literal["person", "token", "scim", "support", "recovery", "system", "anonymous"]


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """Typed values of one user attribute; ``values`` is never empty."""

    values: tuple[str | int | float | bool, ...]
    type: str
    source: str


@dataclass(frozen=True, slots=True)
class SupportScope:
    """What a support session may reach; everything else is refused."""

    session_id: UUID
    request_id: UUID
    dataset_ids: frozenset[UUID]
    sees_values: bool
    staff_label: str


@dataclass(frozen=True, slots=True)
class Viewing:
    """That an administrator looks with another person's rights, until ``expires_at``.

    ``limits`` is the administrator with their own rights, where these hold as well; None for a full administrator.
    """

    session_id: UUID
    person_id: UUID
    person_label: str
    person_email: str
    expires_at: datetime
    limits: "Actor | None" = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, for which tenant, with which attributes. Frozen; nothing downstream reads ``request.user``.

    While ``viewing``, ids and label are those of who is really there, attributes and groups those of the person seen.
    """

    kind: ActorKind
    tenant_id: UUID
    user_id: UUID | None
    label: str
    email: str = ""
    is_tenant_admin: bool = False
    is_platform_staff: bool = False
    capabilities: frozenset[Capability] = frozenset()
    group_ids: frozenset[UUID] = frozenset()
    group_names: frozenset[str] = frozenset()
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    timezone: str = "UTC"
    token_id: UUID | None = None
    token_scope: str = ""
    on_behalf_of: str = ""
    support: SupportScope | None = None
    viewing: Viewing | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))

    @property
    def subject_id(self) -> UUID | None:
        """Whose rights count: the person seen, else the actor."""
        return self.viewing.person_id if self.viewing else self.user_id

    @property
    def view_session_id(self) -> UUID | None:
        return self.viewing.session_id if self.viewing else None

    @property
    def support_session_id(self) -> UUID | None:
        return self.support.session_id if self.support else None

    def may(self, capability: Capability) -> bool:
        """Say whether one of the actor's roles holds a capability; a tenant administrator's holds all."""
        return self.is_tenant_admin or capability in self.capabilities

    def manages(self, capability: Capability) -> bool:
        """Say whether the actor may administer something: a person in person, as themselves.

        Whoever came by a recovery link manages what the link is for, and holds nothing else.
        """
        if self.kind == "recovery":
            return capability in OF_RECOVERY & self.capabilities
        return self.kind == "person" and self.viewing is None and self.may(capability)

    @property
    def may_run(self) -> bool:
        """Whether the actor may have queries run; a token that only reads may not."""
        return self.token_scope != "read"

    @property
    def may_administer(self) -> bool:
        """Whether any of the administration is open to the actor."""
        return any(self.manages(capability) for capability in ADMINISTRATIVE)

    @property
    def may_view_as(self) -> bool:
        return self.manages(Capability.VIEW_AS)

    @property
    def is_authenticated(self) -> bool:
        return self.kind != "anonymous"
