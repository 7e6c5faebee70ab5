"""What management commands share: find a tenant, bind it, answer bad input with one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from apps.tenants.binding import bound
from apps.tenants.errors import UnknownTenantError
from apps.tenants.selectors import tenant_by_slug
from apps.tenants.types import TenantRef


@contextmanager
def tenant_of(slug: str) -> Iterator[TenantRef]:
    """Bind the tenant that a command names.

    Raises:
        CommandError: there is no such tenant, or the block raised a ValidationError.
    """
    try:
        tenant = tenant_by_slug(slug)
    except UnknownTenantError:
        raise CommandError(f"no tenant {slug!r}") from None
    with bound(tenant.id), one_line():
        yield tenant


@contextmanager
def one_line() -> Iterator[None]:
    """Turn a ValidationError into one clear line."""
    try:
        yield
    except ValidationError as error:
        raise CommandError("; ".join(error.messages)) from None
