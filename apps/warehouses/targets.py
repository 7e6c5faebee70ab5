"""Where a connection may lead. A name is resolved once, every address is checked, and one of them is pinned."""

import ipaddress
import os
import re
import socket
from dataclasses import dataclass

from apps.warehouses.errors import WarehouseError
from apps.warehouses.types import Target

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,45}")
LOCAL = "*local*"
POSTGRES_PORT = 5432
NAME_BYTES = 63  # PostgreSQL cuts longer names of databases and roles
NAT64 = ipaddress.ip_network("64:ff9b::/96")
INTERNAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # the metadata service of Azure, on a public address
        "192.0.0.0/24",  # for protocols, with the metadata service of Oracle; older Pythons take most of it for public
        "64:ff9b:1::/48",  # translated to private networks
    )
)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


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

    def allows(self, host: str, address: Address) -> bool:
        """Say whether the operator named this host, or a network that this private address lies in."""
        if address.is_loopback:
            return self.is_local_allowed
        return any(source == host.lower() or _is_in(address, source) for source in self.sources)


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
        place = Place(pinned_address(target.host, port, allowed), "", port)
    if any(_is_ours(target, place, own) for own in allowed.forbidden):
        raise WarehouseError("refused_target", "The application's own servers cannot be a source.")
    return place


def pinned_address(host: str, port: int, allowed: Allowed) -> str:
    """Return the address to connect to; every address of the name must be one that may be reached."""
    if not HOST.fullmatch(host):
        raise WarehouseError("refused_target", "The host is not a plain host name or address.")
    addresses = _addresses(host, port)
    if not addresses:
        raise WarehouseError("unreachable", hint="name")
    for address in addresses:
        if not is_public(address) and not allowed.allows(host, address):
            raise WarehouseError("refused_target", "Private and local addresses are not allowed by the operator.")
    return str(addresses[0])


def is_public(address: Address) -> bool:
    """Say whether an address, and the one that it wraps, belongs to the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if wrapped := address.ipv4_mapped or address.sixtofour:
            return is_public(wrapped)
    is_odd = address.is_multicast or address.is_reserved or any(address in network for network in INTERNAL)
    return address.is_global and not is_odd


def _plain(text: str) -> Address:
    """Read an address without its zone; an IPv4 address in IPv6's clothes is that IPv4 address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_in(address: Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _addresses(host: str, port: int) -> list[Address]:
    """Resolve once, the way the driver would: this also reads 2130706433, 0x7f.1 and 0177.0.0.1 as what they are."""
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return []
    return [_plain(text) for text in sorted(found)]


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
    found = _addresses(own, place.port)
    if not found:
        return True  # our own address is not known just now: better refuse
    if any(address.is_loopback for address in found):
        return place.is_this_machine
    return place.address in {str(address) for address in found}


def _name(text: str) -> bytes:
    return text.encode()[:NAME_BYTES]
