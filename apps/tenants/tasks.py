"""Base class of tasks that work for one tenant."""

from typing import Any
from uuid import UUID

from celery import Task

from apps.tenants.binding import bound
from apps.tenants.errors import NoTenantBoundError, UnknownTenantError
from apps.tenants.selectors import living


class TenantTask(Task):  # type: ignore[type-arg]  # a generic without its parameter at run time
    """Bind the tenant named in the message; a message without one, or with one that is inactive or was erased, is refused."""

    abstract = True
    typing = False  # the tenant travels as a keyword that the task itself does not take

    def __call__(self, *args: Any, tenant_id: str | None = None, **kwargs: Any) -> Any:
        if not tenant_id:
            raise NoTenantBoundError
        if not living().filter(pk=UUID(tenant_id)).exists():
            raise UnknownTenantError(tenant_id)
        with bound(UUID(tenant_id)):
            return super().__call__(*args, **kwargs)
