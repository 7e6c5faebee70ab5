"""Frozen values of purging."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TenantPurge:
    """What a purge did for one tenant; ``error`` names what stopped it, empty when nothing did."""

    slug: str
    keys_destroyed: int = 0
    rows_removed: int = 0
    error: str = ""
    bytes_held: int = 0


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What a purge did, tenant by tenant."""

    tenants: tuple[TenantPurge, ...]

    @property
    def is_complete(self) -> bool:
        return not any(tenant.error for tenant in self.tenants)


@dataclass(frozen=True, slots=True)
class HeldData:
    """Temporary data of a tenant that is kept at this moment, readable or not."""

    results: int
    size_bytes: int
    oldest_at: datetime | None
    keys: int
    last_purge_at: datetime | None
