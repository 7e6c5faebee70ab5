"""Errors of tenancy."""


class NoTenantBoundError(RuntimeError):
    """Tenant-owned data was touched before a tenant was bound."""

    def __init__(self) -> None:
        super().__init__("no tenant is bound")


class UnknownTenantError(LookupError):
    """No active tenant has this slug or host."""
