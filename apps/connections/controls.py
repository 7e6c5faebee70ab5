"""Promises about connections."""

from apps.connections.models import Connection
from apps.connections.selectors import context_of
from apps.tenants.types import Control, ControlResult
from apps.vault.errors import NoWorkerKeyError, SealError
from apps.vault.services import open_for_worker


def _bound_to_target() -> ControlResult:
    opened = held = 0
    for connection in Connection.objects.exclude(sealed_credential=None):
        held += 1
        connection.host = f"elsewhere.{connection.host}"
        try:
            open_for_worker(bytes(connection.sealed_credential or b""), context=context_of(connection))
        except (SealError, NoWorkerKeyError):
            continue
        opened += 1
    return ControlResult(opened == 0, f"{held} credentials, {opened} open for another host")


CONTROLS = (
    Control("connections.bound_to_target", "P5", "A credential cannot be pointed at another host", _bound_to_target),
)
