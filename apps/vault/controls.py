"""Promises of the vault."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings

from apps.tenants.types import Control, ControlResult
from apps.vault.errors import NoWorkerKeyError, SealError
from apps.vault.models import TimedKey
from apps.vault.services import open_for_worker, open_sealed, seal, seal_for_worker

PURGE_GRACE = timedelta(minutes=5)


def _sealed_to_place() -> ControlResult:
    sealed = seal(b"canary", table="vault", row="1", column="control")
    if open_sealed(sealed, table="vault", row="1", column="control") != b"canary":
        return ControlResult(holds=False, figure="a sealed value did not open in its place")
    try:
        open_sealed(sealed, table="vault", row="2", column="control")
    except SealError:
        return ControlResult(holds=True, figure="opened in its place, refused in another row")
    return ControlResult(holds=False, figure="a sealed value opened in another row")


def _web_is_blind() -> ControlResult:
    sealed = seal_for_worker(b"canary", context=b"control")
    try:
        open_for_worker(sealed, context=b"control")
    except NoWorkerKeyError:
        return ControlResult(holds=True, figure="this process sealed a credential and could not open it")
    return ControlResult(settings.OMNI_IS_WORKER, "opened: this process is a worker")


def _key_files() -> ControlResult:
    path = Path(settings.OMNI_WORKER_PRIVATE_KEY_FILE or "/nonexistent")
    if not path.exists():
        return ControlResult(holds=True, figure="no private key on this host")
    mode = stat.S_IMODE(path.stat().st_mode)
    return ControlResult(mode & 0o077 == 0, f"mode {mode:o}")


def _timed_keys() -> ControlResult:
    late = TimedKey.objects.filter(slot_end__lte=datetime.now(UTC) - PURGE_GRACE).count()
    held = TimedKey.objects.count()
    return ControlResult(late == 0, f"{held} keys held, {late} past their time")


CONTROLS = (
    Control(
        "vault.sealed_to_place", "P4", "A sealed secret opens in its own tenant, row and column only", _sealed_to_place
    ),
    Control("vault.web_is_blind", "P5", "Only the worker can open a credential", _web_is_blind),
    Control("vault.key_files", "P5", "The worker's private key is readable by its owner only", _key_files),
    Control("vault.timed_keys", "P11", "Keys of past time slots are destroyed", _timed_keys),
)
