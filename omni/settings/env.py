"""Read the environment. Secrets may be given as ``<NAME>_FILE``; embedded set-ups keep generated ones under the state directory."""

import os
import secrets
import sys
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent


class SettingError(SystemExit):
    """A missing or unusable setting: one clear line, exit code 2."""

    def __init__(self, message: str) -> None:
        super().__init__(2)
        self.message = message
        os.write(2, f"omni: {message}\n".encode())


def text(name: str, default: str | None = None) -> str | None:
    """Return the value of ``name``, or the content of the file that ``<NAME>_FILE`` names."""
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise SettingError(f"{name}_FILE: cannot read {path}: {error.strerror}") from None
    return default


def required(name: str) -> str:
    """Return the value of ``name`` or stop the start."""
    value = text(name)
    if not value:
        raise SettingError(f"{name} is not set; see docs/settings.md")
    return value


def number(name: str, default: int) -> int:
    """Return a positive whole number or stop the start."""
    value = text(name) or str(default)
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise SettingError(f"{name} must be a positive whole number, not {value!r}")
    return int(value)


def networks(name: str) -> list[str]:
    """Return networks in CIDR notation, or ``unix`` for the server's own socket, or stop the start."""
    found = [item.strip() for item in (text(name) or "").split(",") if item.strip()]
    for item in found:
        try:
            if item != "unix":
                ip_network(item)
        except ValueError:
            raise SettingError(f"{name}: {item!r} is no network; write 10.0.0.0/8, for example") from None
    return found


def state_dir() -> Path:
    return Path(os.environ.get("OMNI_STATE_DIR") or ROOT / "var").resolve()


def generated(name: str, filename: str, length: int = 32) -> str:
    """Return a secret from the environment, else one that is generated once into the state directory with mode 600."""
    if value := text(name):
        return value
    path = state_dir() / "keys" / filename
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{filename}.{os.getpid()}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(length))
        try:
            os.link(draft, path)  # two processes starting at once agree on the first one's secret
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def database(url: str, *, engine: str = "apps.tenants.postgresql") -> dict[str, object]:
    """Turn ``postgresql://user:password@host:port/name?host=/socket/dir`` into Django's dictionary."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise SettingError(f"only PostgreSQL can hold the application's data, not {parts.scheme!r}")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    host = query.pop("host", None) or parts.hostname or ""
    return {
        "ENGINE": engine,
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or query.pop("port", "") or ""),
        "OPTIONS": query | {"prepare_threshold": None if text("OMNI_DATABASE_PREPARES") == "off" else sys.maxsize},
        "CONN_MAX_AGE": 300,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,  # safe behind a transaction pooler
        "ATOMIC_REQUESTS": False,
    }
