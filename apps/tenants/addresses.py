"""From where a request comes, and whether that is allowed.

The address is the connection's own. ``X-Forwarded-For`` counts only as far as proxies that the operator has named
(``OMNI_TRUSTED_PROXIES``) have written it: read from the right, the first address that is none of them.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
UNIX = "unix"
"""in the list of trusted proxies: whoever connects through the server's own socket"""
MAX_NETWORKS = 200
"""in one allow-list: all of them are looked at on every request"""
NO_NETWORK = "{} is no network. Write 203.0.113.0/24 or 2001:db8::/32."
HOST_BITS = 64
"""of an IPv6 address: whoever is given one network chooses these freely (RFC 4291, 2.5.4)"""


def client_address(request: HttpRequest) -> Address | None:
    """Return the client's address; None when it cannot be known, which no allow-list admits."""
    found, trusted = parsed(request.META.get("REMOTE_ADDR", "")), tuple(settings.OMNI_TRUSTED_PROXIES)
    if not is_from_proxy(request):
        return found
    hops = [hop for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    for hop in reversed(hops):
        found = parsed(hop)
        if found is None or not is_within(found, trusted):
            return found
    return found


def is_from_proxy(request: HttpRequest) -> bool:
    """Say whether the connection is one of a proxy that the operator has named."""
    own, trusted = request.META.get("REMOTE_ADDR", ""), tuple(settings.OMNI_TRUSTED_PROXIES)
    if not trusted:
        return False
    address = parsed(own)
    return UNIX in trusted if not own else address is not None and is_within(address, trusted)


def parsed(text: str) -> Address | None:
    """Read an address, also with a port or brackets; IPv4 inside IPv6 is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def is_within(address: Address, networks: tuple[str, ...]) -> bool:
    """Say whether the address lies in one of the networks."""
    return any(address.version == network.version and address in network for network in _networks(networks))


def admits(networks: tuple[str, ...], address: Address | None) -> bool:
    """Say whether an allow-list lets the address in; an empty list lets everybody in."""
    return not networks or (address is not None and is_within(address, networks))


def counted_as(address: Address | None) -> str:
    """Return what attempts from an address are counted under: of IPv6 the network of 64 bits, all of which one subscriber has."""
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address) >> HOST_BITS << HOST_BITS, 128 - HOST_BITS)))
    return str(address)


@lru_cache(maxsize=1024)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(network_text(text)) for text in texts if text != UNIX)


def network_faults(networks: object) -> str:
    """Say what is wrong with an allow-list that is to be stored; nothing when it is as :func:`network_text` writes it."""
    if not isinstance(networks, list) or not all(isinstance(one, str) for one in networks):
        return "This is no list of networks."
    try:
        other = next((one for one, text in zip(networks, stored_networks(networks), strict=True) if one != text), None)
    except ValueError as error:
        return str(error)
    return "" if other is None else NO_NETWORK.format(other[:50])


def stored_networks(texts: Sequence[str]) -> list[str]:
    """Return an allow-list as it is stored.

    Raises:
        ValueError: it is too long, or one is no network; the text is for whoever wrote it.
    """
    if len(texts) > MAX_NETWORKS:
        raise ValueError(f"At most {MAX_NETWORKS} networks; these are {len(texts)}.")
    found = []
    for one in texts:
        try:
            found.append(network_text(one))
        except ValueError:
            raise ValueError(NO_NETWORK.format(one[:50])) from None
    return found


def network_text(text: str) -> str:
    """Return a network as it is stored; a single address is a network of one.

    Raises:
        ValueError: it is neither, or has bits set beyond its prefix.
    """
    network = ip_network(text.strip())
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return str(ip_network(f"{mapped}/{network.prefixlen - 96}"))
    return str(network)
