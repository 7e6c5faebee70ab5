"""Which addresses may be connected to. A name is resolved once, every address is checked, and one of them is pinned."""

import ipaddress
import re
import socket
from collections.abc import Collection

from apps.network.errors import AddressError

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,45}")
LOCAL = "*local*"
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


def pinned_address(host: str, port: int, sources: Collection[str]) -> str:
    """Return the address to connect to; every address of the name must be one that may be reached.

    ``sources`` is what the operator allows besides public addresses: see :func:`is_allowed`.

    Raises:
        AddressError: an odd spelling, a name that does not resolve, or an address that is private, loopback,
            link-local, reserved or a metadata service's, unless the operator allows it.
    """
    if not HOST.fullmatch(host):
        raise AddressError("odd_host")
    addresses = resolve(host, port)
    if not addresses:
        raise AddressError("unreachable")
    for address in addresses:
        if not is_public(address) and not is_allowed(host, address, sources):
            raise AddressError("refused_address")
    return str(addresses[0])


def is_allowed(host: str, address: Address, sources: Collection[str]) -> bool:
    """Say whether the operator named this host, or a network that this private address lies in.

    Addresses of this machine need "*local*": no name and no network opens them.
    """
    if address.is_loopback:
        return LOCAL in sources
    return any(source == host.lower() or _is_in(address, source) for source in sources)


def is_public(address: Address) -> bool:
    """Say whether an address, and the one that it wraps, belongs to the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if wrapped := address.ipv4_mapped or address.sixtofour:
            return is_public(wrapped)
    is_odd = address.is_multicast or address.is_reserved or any(address in network for network in INTERNAL)
    return address.is_global and not is_odd


def resolve(host: str, port: int) -> list[Address]:
    """Resolve once, the way a driver would: this also reads 2130706433, 0x7f.1 and 0177.0.0.1 as what they are."""
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return []
    return [_plain(text) for text in sorted(found)]


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
