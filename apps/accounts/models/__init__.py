"""Who a person is. No table here has a password column."""

from apps.accounts.models.attributes import AttributeDefinition, ClaimMapping, GroupAttribute, UserAttribute
from apps.accounts.models.groups import GroupMembership, UserGroup
from apps.accounts.models.people import RecoveryLink, ServiceAccount, User, UserManager
from apps.accounts.models.providers import (
    ENDS_SESSIONS,
    EmailDomain,
    IdentityProvider,
    LastClaims,
    SpentAssertion,
    is_address,
)
from apps.accounts.models.tokens import ApiToken, ScimProfile, ScimToken, UserSession

__all__ = [
    "ENDS_SESSIONS",
    "ApiToken",
    "AttributeDefinition",
    "ClaimMapping",
    "EmailDomain",
    "GroupAttribute",
    "GroupMembership",
    "IdentityProvider",
    "LastClaims",
    "RecoveryLink",
    "ScimProfile",
    "ScimToken",
    "ServiceAccount",
    "SpentAssertion",
    "User",
    "UserAttribute",
    "UserGroup",
    "UserManager",
    "UserSession",
    "is_address",
]
