"""Bind a tenant: to this context (scoped managers) and to the open database transaction (row-level security).

There is no way to bind all tenants; work that concerns all of them binds one at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from django.db import connections
from django_scopes import scope
from django_scopes.state import state as scope_state

from apps.tenants.errors import NoTenantBoundError

_bound: ContextVar[UUID | None] = ContextVar("omni_bound_tenant", default=None)


def current_tenant_id() -> UUID | None:
    """Return the bound tenant's id, or None. As a column default None ends at the NOT NULL constraint."""
    return _bound.get()


def bound_tenant_id() -> UUID:
    """Return the bound tenant's id.

    Raises:
        NoTenantBoundError: nothing is bound.
    """
    tenant_id = _bound.get()
    if tenant_id is None:
        raise NoTenantBoundError
    return tenant_id


@contextmanager
def bound(tenant_id: UUID) -> Iterator[UUID]:
    """Run the block for one tenant. Nesting rebinds, leaving restores."""
    token = _bound.set(tenant_id)
    try:
        with scope(tenant=tenant_id):
            _apply()
            yield tenant_id
    finally:
        _bound.reset(token)
        _apply()


@contextmanager
def unbound() -> Iterator[None]:
    """Run the block with no tenant bound: only platform-wide tables can be read."""
    token, scope_token = _bound.set(None), scope_state.set({})
    try:
        _apply()
        yield
    finally:
        scope_state.reset(scope_token)
        _bound.reset(token)
        _apply()


def _apply() -> None:
    """Tell every transaction that is already open; later ones are told when they begin."""
    for connection in connections.all(initialized_only=True):
        apply_binding = getattr(connection, "apply_tenant_binding", None)
        if apply_binding is not None:
            apply_binding()
