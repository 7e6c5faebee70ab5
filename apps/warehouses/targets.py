"""Where a connection may lead. A name is resolved once, every address is checked, and one of them is pinned."""

import ipaddress
import os
from dataclasses import dataclass

from apps.network.addresses import LOCAL, is_public, pinned_address, resolve
from apps.network.errors import AddressError
from apps.warehouses.errors import WarehouseError
from apps.warehouses.types import Target

POSTGRES_PORT = 5432
NAME_BYTES = 63  # PostgreSQL cuts longer names of databases and roles


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A server of the application itself: these databases and these roles of it are no source for anybody."""

    host: str
    port: int
    databases: frozenset[str] = frozenset()
    usernames: frozenset[str] = frozenset()
    is_whole: bool = False
    """whatever the target names there: a Redis or a broker has nothing for anybody"""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the operator lets through besides public addresses: networks, host names, or "*local*" for this machine.

    ``forbidden`` is refused whatever else is allowed.
    """

    sources: tuple[str, ...] = ()
    forbidden: tuple[OwnServer, ...] = ()

    @property
    def is_local_allowed(self) -> bool:
        return LOCAL in self.sources


@dataclass(frozen=True, slots=True)
class Place:
    """Where a target turned out to be: one pinned address, or the directory of a socket."""

    address: str
    socket_dir: str
    port: int

    @property
    def is_this_machine(self) -> bool:
        return bool(self.socket_dir) or ipaddress.ip_address(self.address).is_loopback

    @property
    def is_public(self) -> bool:
        return not self.socket_dir and is_public(ipaddress.ip_address(self.address))


def locate(target: Target, allowed: Allowed, *, default_port: int = POSTGRES_PORT) -> Place:
    """Find the one place to connect to.

    Raises:
        WarehouseError: a list of hosts, an odd spelling, our own database, or a place that is private, loopback,
            link-local, reserved or a metadata service's, unless the operator allows it.
    """
    port = target.port or default_port
    if target.host.startswith("/"):
        place = Place("", _socket_dir(target.host, allowed), port)
    else:
        place = Place(_pinned(target.host, port, allowed), "", port)
    if any(_is_ours(target, place, own) for own in allowed.forbidden):
        raise WarehouseError("refused_target", "The application's own servers cannot be a source.")
    return place


def _pinned(host: str, port: int, allowed: Allowed) -> str:
    try:
        return pinned_address(host, port, allowed.sources)
    except AddressError as error:
        if error.code == "unreachable":
            raise WarehouseError("unreachable", hint="name") from None
        raise WarehouseError("refused_target", error.message) from None


def _socket_dir(host: str, allowed: Allowed) -> str:
    """Return a socket's directory in its one spelling."""
    if not allowed.is_local_allowed:
        raise WarehouseError("refused_target", "Sockets of this machine are not allowed by the operator.")
    if "," in host or "\0" in host or host.startswith("//") or os.path.normpath(host) != host:
        raise WarehouseError("refused_target", "The socket's directory is not spelled plainly.")
    return os.path.realpath(host)


def _is_ours(target: Target, place: Place, own: OwnServer) -> bool:
    """Say whether a target is a database, or uses a role, of the application's own server."""
    if own.is_whole:
        return place.port == own.port and _is_same_host(place, own.host)
    names, roles = {_name(item) for item in own.databases}, {_name(item) for item in own.usernames}
    if _name(target.database) not in names and _name(target.username) not in roles:
        return False
    return place.port == own.port and _is_same_host(place, own.host)


def _is_same_host(place: Place, own: str) -> bool:
    if own.startswith("/") and place.socket_dir:
        return os.path.realpath(own) == place.socket_dir
    if not own or own.startswith("/"):
        return place.is_this_machine
    found = resolve(own, place.port)
    if not found:
        return True  # our own address is not known just now: better refuse
    if any(address.is_loopback for address in found):
        return place.is_this_machine
    return place.address in {str(address) for address in found}


def _name(text: str) -> bytes:
    return text.encode()[:NAME_BYTES]
