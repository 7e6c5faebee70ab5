"""Driver options from an allow-list per driver: a driver's other options read files, run code or lead elsewhere."""

import re
from collections.abc import Callable, Mapping

from apps.warehouses.errors import WarehouseError

MYSQL_SSL_MODES = ("disable", "require", "verify-ca", "verify-full")
SSL_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
SPARK_SSL_MODES = ("disable", "verify-full")
MAX_CONNECT_TIMEOUT_S = 15


def _is_timeout(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= MAX_CONNECT_TIMEOUT_S


ALLOWED: Mapping[str, Mapping[str, Callable[[str], bool]]] = {
    "duckdb": {},
    "mysql": {"sslmode": MYSQL_SSL_MODES.__contains__, "connect_timeout": _is_timeout},
    "postgres": {
        "sslmode": SSL_MODES.__contains__,
        "connect_timeout": _is_timeout,
        "application_name": lambda text: re.fullmatch(r"[A-Za-z0-9 ._\-]{1,60}", text) is not None,
    },
    "spark": {"sslmode": SPARK_SSL_MODES.__contains__, "connect_timeout": _is_timeout},
}


def check_options(dialect: str, options: Mapping[str, object]) -> None:
    """Raise unless every option is on the driver's list with a value that the list lets through.

    The error names an option, never its value: somebody may have written a password there.

    Raises:
        WarehouseError: ``refused_target``.
    """
    known = ALLOWED.get(dialect, {})
    for name, value in options.items():
        if name not in known:
            listed = ", ".join(known) or "none"
            raise WarehouseError("refused_target", f"The option {name[:40]!r} is not allowed; allowed: {listed}.")
        if not known[name](str(value)):
            raise WarehouseError("refused_target", f"The value of the option {name!r} is not allowed.")
