"""Sessions in the database, each of one tenant: on another tenant's host its key finds nothing."""

from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db

from apps.accounts.models import UserSession


class SessionStore(db.SessionStore):
    """Store that writes the bound tenant and the person beside each session."""

    @classmethod
    def get_model_class(cls) -> type[UserSession]:
        return UserSession

    def create_model_instance(self, data: dict[str, Any]) -> UserSession:
        session = super().create_model_instance(data)
        assert isinstance(session, UserSession)  # noqa: S101  (narrows the type)
        session.user_id = UUID(data[SESSION_KEY]) if data.get(SESSION_KEY) else None
        return session

    def restore(self, stored: str | None) -> None:
        """Take what was just read of this session, so that it is not read again; None means that there is none."""
        if stored is None:
            self._session_key = None
        self._session_cache = self.decode(stored) if stored is not None else {}
        self.accessed = True
