"""Where a connection may lead. A name is resolved once, every address is checked, and one of them is pinned."""

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from apps.warehouses.errors import WarehouseError

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,45}")
LOCAL = "*local*"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the operator lets through besides public addresses: networks, or "*local*" for this machine."""

    sources: Sequence[str] = ()

    @property
    def is_local_allowed(self) -> bool:
        return LOCAL in self.sources

    def allows(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Say whether a private address lies in a network that the operator named."""
        if address.is_loopback:
            return self.is_local_allowed
        for source in self.sources:
            try:
                if source != LOCAL and address in ipaddress.ip_network(source, strict=False):
                    return True
            except ValueError:
                continue
        return False


def pinned_address(host: str, port: int, allowed: Allowed) -> str:
    """Return the address to connect to.

    Raises:
        WarehouseError: a list of hosts, an odd spelling, or an address that is private, loopback, link-local,
            reserved or a metadata service's, unless the operator allows it.
    """
    if not HOST.fullmatch(host):
        raise WarehouseError("refused_target", "The host is not a plain host name or address.")
    try:
        found = {item[4][0] for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError:
        raise WarehouseError("unreachable") from None
    addresses = [ipaddress.ip_address(str(text).partition("%")[0]) for text in sorted(map(str, found))]
    for address in addresses:
        check_address(address, allowed)
    return str(addresses[0])


def check_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address, allowed: Allowed) -> None:
    """Raise unless the address is public or allowed."""
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or address
    if inner.is_global and not inner.is_multicast:
        return
    if not allowed.allows(inner):
        raise WarehouseError("refused_target", "Private and local addresses are not allowed by the operator.")
