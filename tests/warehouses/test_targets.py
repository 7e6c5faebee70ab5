"""Where a connection may lead: every spelling of this machine, our own database, what the operator allows."""

import ipaddress
from pathlib import Path

import pytest

from apps.network.addresses import is_public
from apps.warehouses.errors import WarehouseError
from apps.warehouses.opening import open_warehouse
from apps.warehouses.targets import Allowed, OwnServer, locate
from apps.warehouses.types import Target
from tests.warehouses.conftest import Rows
from tests.warehouses.samples import LOCAL, PASSWORD, SOCKET_DIR

LOOPBACK_SPELLINGS = [
    "127.0.0.1", "localhost", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1",
    "017700000001", "::1", "0:0:0:0:0:0:0:1", "::ffff:7f00:1", "0:0:0:0:0:ffff:7f00:0001", "127.0.0.53", "127.255.255.254",
]  # fmt: skip
ODD_SPELLINGS = [
    "::ffff:127.0.0.1", "[::1]", "::1%lo", "fe80::1%eth0", "127.0.0.1,8.8.8.8", "8.8.8.8,127.0.0.1", "localhost ",
    " localhost", "local host", "127.0.0.1:5432", "a/b", "@abstract", "８.8.8.8", "①②⑦.0.0.1", "host=127.0.0.1",
    "postgresql://127.0.0.1", "", ".", "-", "x" * 300, "127.0.0.1\n", "127.0.0.1\0",
]  # fmt: skip
INSIDE = [
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "0.0.0.0", "0", "::",
    "fe80::1", "fd00:ec2::254", "fc00::1", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255", "192.0.0.192",
    "198.18.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "::7f00:1",
    "168.63.129.16", "2001:db8::1", "2852039166",
]  # fmt: skip


def at(host: str, *, database: str = "sales", username: str = "reader", port: int | None = None) -> Target:
    return Target("postgres", host, port, database, username)


def refusal(target: Target, allowed: Allowed) -> str:
    with pytest.raises(WarehouseError) as caught:
        locate(target, allowed)
    return caught.value.code


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
def test_this_machine_is_refused_however_it_is_spelled_and_found_when_allowed(host: str) -> None:
    assert refusal(at(host), Allowed()) == "refused_target"
    assert refusal(at(host), Allowed(("10.0.0.0/8", "0.0.0.0/0", "::/0"))) == "refused_target"
    assert locate(at(host), LOCAL).is_this_machine


@pytest.mark.parametrize("host", ODD_SPELLINGS)
def test_an_odd_spelling_is_refused_whatever_is_allowed(host: str) -> None:
    for allowed in (Allowed(), LOCAL, Allowed((host, "0.0.0.0/0"))):
        assert refusal(at(host), allowed) == "refused_target"


@pytest.mark.parametrize("host", INSIDE)
def test_an_address_that_is_not_of_the_public_internet_is_refused(host: str) -> None:
    assert refusal(at(host), Allowed()) == "refused_target"
    assert refusal(at(host), LOCAL) == "refused_target"


@pytest.mark.parametrize("host", ["8.8.8.8", "2001:4860:4860::8888", "134744072"])
def test_a_public_address_is_pinned(host: str) -> None:
    place = locate(at(host, port=6000), Allowed())
    assert ipaddress.ip_address(place.address).is_global
    assert (place.is_public, place.port, place.socket_dir) == (True, 6000, "")


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    assert refusal(at("no-such-host.invalid"), Allowed()) == "unreachable"


def test_the_operator_allows_a_network_and_nothing_beside_it() -> None:
    allowed = Allowed(("10.1.0.0/16", "not a network", "fd12::/16"))
    assert locate(at("10.1.2.3"), allowed).address == "10.1.2.3"
    assert locate(at("fd12::5"), allowed).address == "fd12::5"
    assert refusal(at("10.2.0.1"), allowed) == "refused_target"


def test_the_operator_allows_a_host_by_its_name() -> None:
    allowed = Allowed(("10.1.2.3", "localhost"))
    assert locate(at("10.1.2.3"), allowed).address == "10.1.2.3"
    assert refusal(at("localhost"), allowed) == "refused_target"


def test_a_socket_needs_the_local_set_up_and_one_plain_spelling() -> None:
    assert refusal(at(SOCKET_DIR), Allowed()) == "refused_target"
    assert locate(at(SOCKET_DIR), LOCAL).socket_dir == str(Path(SOCKET_DIR).resolve())
    for host in (
        f"{SOCKET_DIR}/",
        f"{SOCKET_DIR}/.",
        f"/x/..{SOCKET_DIR}",
        f"/{SOCKET_DIR}",
        f"{SOCKET_DIR},/tmp",
        "/a\0b",
    ):
        assert refusal(at(host), LOCAL) == "refused_target"


@pytest.mark.parametrize(
    ("own_host", "host"),
    [
        (SOCKET_DIR, SOCKET_DIR),
        (SOCKET_DIR, "127.0.0.1"),
        ("", "localhost"),
        ("", SOCKET_DIR),
        ("localhost", "::1"),
        ("127.0.0.1", SOCKET_DIR),
        ("8.8.8.8", "134744072"),
        ("does-not-resolve.invalid", "8.8.8.8"),
    ],
)
def test_our_own_database_is_refused_whatever_is_allowed(own_host: str, host: str) -> None:
    own = OwnServer(own_host, 5432, frozenset(("omni",)), frozenset(("omni_app",)))
    allowed = Allowed(("*local*", "0.0.0.0/0"), (own,))
    assert refusal(at(host, database="omni"), allowed) == "refused_target"
    assert refusal(at(host, username="omni_app"), allowed) == "refused_target"
    assert locate(at(host), allowed)
    assert locate(at(host, database="omni", port=6543), allowed)


def test_our_own_database_is_refused_through_a_link_to_its_socket(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(SOCKET_DIR)
    own = OwnServer(SOCKET_DIR, 5432, frozenset(("omni",)), frozenset())
    assert refusal(at(str(tmp_path / "link"), database="omni"), Allowed(("*local*",), (own,))) == "refused_target"


def test_a_name_that_the_server_would_cut_to_ours_is_refused() -> None:
    ours = "o" * 63
    own = OwnServer("", 5432, frozenset((ours,)), frozenset())
    assert refusal(at("localhost", database=f"{ours}x"), Allowed(("*local*",), (own,))) == "refused_target"


def test_a_database_name_is_never_read_as_a_connection_string(database: Target) -> None:
    for name in (f"dbname={database.database}", f"postgresql:///{database.database}"):
        target = at(SOCKET_DIR, database=name, username=database.username)
        with pytest.raises(WarehouseError) as caught:
            open_warehouse(target, PASSWORD, allowed=LOCAL)
        assert caught.value.code == "unreachable"


def test_the_dialect_decides_the_adapter(database: Target, data_dir: Path, rows: Rows) -> None:
    for target in (database, Target("duckdb", database="shop.duckdb", data_dir=data_dir)):
        source = open_warehouse(target, PASSWORD, allowed=LOCAL)
        assert rows(source, "SELECT count(*) AS n FROM orders") == [{"n": 3}]
        source.close()
    with pytest.raises(WarehouseError):
        open_warehouse(Target("oracle"), PASSWORD, allowed=LOCAL)


def test_wrapped_addresses_are_judged_by_what_they_wrap() -> None:
    assert is_public(ipaddress.ip_address("64:ff9b::808:808"))
    assert not is_public(ipaddress.ip_address("::ffff:10.0.0.1"))
