"""The vault's door: what other apps may call."""

from apps.vault.rotation import (
    begin_rotation,
    finish_rotation,
    left_to_reseal,
    reseal_all,
    rewrap_tenant_keys,
    rotation_began_at,
    sealed_columns,
)
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
from apps.vault.worker_keys import (
    add_worker_key,
    drop_old_worker_keys,
    ensure_worker_keys,
    is_sealed_to_public_key,
    open_for_worker,
    publish_worker_key,
    seal_for_worker,
)

__all__ = [
    "add_worker_key",
    "begin_rotation",
    "create_tenant_keys",
    "destroy_all_timed_keys",
    "destroy_expired_keys",
    "destroy_tenant_keys",
    "drop_old_worker_keys",
    "ensure_worker_keys",
    "finish_rotation",
    "is_sealed_to_public_key",
    "key_at_hand",
    "keyed_hash",
    "left_to_reseal",
    "mask_key",
    "open_for_worker",
    "open_sealed",
    "open_timed",
    "publish_worker_key",
    "reseal_all",
    "rewrap_tenant_keys",
    "rotation_began_at",
    "seal",
    "seal_for_worker",
    "seal_timed",
    "sealed_columns",
    "timed_key_for",
]
