"""The vault's door: what other apps may call."""

from apps.vault.tenant_keys import (
    create_tenant_keys,
    destroy_tenant_keys,
    key_at_hand,
    keyed_hash,
    mask_key,
    open_sealed,
    seal,
)
from apps.vault.timed_keys import destroy_all_timed_keys, destroy_expired_keys, open_timed, seal_timed, timed_key_for
from apps.vault.worker_keys import ensure_worker_keys, open_for_worker, seal_for_worker

__all__ = [
    "create_tenant_keys",
    "destroy_all_timed_keys",
    "destroy_expired_keys",
    "destroy_tenant_keys",
    "ensure_worker_keys",
    "key_at_hand",
    "keyed_hash",
    "mask_key",
    "open_for_worker",
    "open_sealed",
    "open_timed",
    "seal",
    "seal_for_worker",
    "seal_timed",
    "timed_key_for",
]
