"""Django's authentication backend: it restores people from sessions and authenticates nobody by itself."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest

from apps.accounts.models import User
from apps.tenants.binding import current_tenant_id


class IdentityBackend:
    """Sign-in happens at the identity provider; here a session becomes its person again."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Authenticate nobody: there is nothing to check a credential against."""

    def get_user(self, user_id: UUID | str) -> User | None:
        """Return the active person of the bound tenant, or None; a service account has no sessions."""
        if current_tenant_id() is None:
            return None
        return User.objects.filter(pk=user_id, is_active=True, kind=User.Kind.PERSON).first()
