"""Sessions in the database, each of one tenant: on another tenant's host its key finds nothing."""

from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import UserSession

PROVIDER_KEY = "identity_provider"
"""in the browser's session: the key of the provider by which the person came in"""


class SessionStore(db.SessionStore):
    """Store that writes the bound tenant and the person beside each session."""

    @classmethod
    def get_model_class(cls) -> type[UserSession]:
        return UserSession

    def create_model_instance(self, data: dict[str, Any]) -> UserSession:
        session = super().create_model_instance(data)
        assert isinstance(session, UserSession)  # noqa: S101  (narrows the type)
        session.user_id = UUID(data[SESSION_KEY]) if data.get(SESSION_KEY) else None
        session.provider_id = UUID(data[PROVIDER_KEY]) if data.get(PROVIDER_KEY) else None
        return session

    def _get_session_from_db(self) -> UserSession | None:
        """Find the session, unless the provider that it began by has been switched off: in the same statement."""
        is_open = Q(provider=None) | Q(provider__is_enabled=True)
        found = UserSession.objects.filter(is_open, session_key=self.session_key, expire_date__gt=timezone.now())
        session = found.first()
        if session is None:
            self._session_key = None
        return session
