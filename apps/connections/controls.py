"""Promises about connections."""

from apps.connections.models import Connection
from apps.connections.selectors import context_of
from apps.tenants.types import Control, ControlResult
from apps.vault.errors import NoWorkerKeyError, SealError
from apps.vault.services import open_for_worker
from apps.warehouses.errors import WarehouseError
from apps.warehouses.options import check_options

HPKE_BYTES = 5 + 32 + 16  # key id, encapsulated key, tag: the least that a sealed secret is longer than
TINK_PREFIX = 1


def _sealed() -> list[Connection]:
    return list(Connection.objects.exclude(sealed_credential=None))


def _opens(connection: Connection) -> str:
    """Try to open the credential as the row says it is: ``open``, ``refused``, or ``no key``."""
    try:
        open_for_worker(bytes(connection.sealed_credential or b""), context=context_of(connection))
    except SealError:
        return "refused"
    except NoWorkerKeyError:
        return "no key"
    return "open"


def _bound_to_target() -> ControlResult:
    """In a worker every credential opens for its own target and for no other; elsewhere none opens at all."""
    own = [_opens(connection) for connection in _sealed()]
    moved = [_opens(_moved(connection)) for connection in _sealed()]
    if "no key" in own + moved:
        figure = f"{len(own)} credentials, {own.count('open') + moved.count('open')} can be opened by this process"
        return ControlResult(set(own + moved) == {"no key"}, figure)
    figure = f"{len(own)} credentials, {own.count('open')} open for their target, {moved.count('open')} for another"
    return ControlResult(own.count("open") == len(own) and "open" not in moved, figure)


def _moved(connection: Connection) -> Connection:
    connection.host = f"elsewhere.{connection.host}"
    return connection


def _nothing_in_clear() -> ControlResult:
    """Stored credentials have the form of sealed ones, and no option is one that could hold a secret."""
    wrong = [connection for connection in _sealed() if not _is_sealed(bytes(connection.sealed_credential or b""))]
    odd = [connection for connection in Connection.objects.all() if not _has_plain_options(connection)]
    figure = f"{len(_sealed())} sealed credentials, {len(wrong)} unsealed, {len(odd)} options off the list"
    return ControlResult(not wrong and not odd, figure)


def _is_sealed(stored: bytes) -> bool:
    return len(stored) > HPKE_BYTES and stored[0] == TINK_PREFIX


def _has_plain_options(connection: Connection) -> bool:
    try:
        check_options(connection.dialect, connection.options)
    except WarehouseError:
        return False
    return True


CONTROLS = (
    Control("connections.bound_to_target", "P5", "A credential cannot be pointed at another host", _bound_to_target),
    Control("connections.nothing_in_clear", "P5", "No credential is stored in clear", _nothing_in_clear),
)
