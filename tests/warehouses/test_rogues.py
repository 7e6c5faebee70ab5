"""Servers that mean harm learn no password, read no file, keep no worker waiting and fill no memory."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable

import pytest

from apps.warehouses.errors import WarehouseError
from apps.warehouses.opening import open_warehouse
from apps.warehouses.types import Limits, PooledWarehouse, Target
from tests.warehouses import rogues
from tests.warehouses.rogues import Act, Guest, Rogue, answering, packet, rogue, welcome
from tests.warehouses.samples import LOCAL, PASSWORD

QUICK = Limits(1000, 10_000_000, 1)
QUIET = 5
"""commands between signing in and a query's own: names, session, zones, limit, transaction"""


def open_at(server: Rogue, dialect: str, *options: tuple[str, str]) -> PooledWarehouse:
    target = Target(dialect, "127.0.0.1", server.port, "sales", "reader", (("connect_timeout", "2"), *options))
    return open_warehouse(target, PASSWORD, allowed=LOCAL)


def refusal(act: Act, dialect: str, *options: tuple[str, str]) -> tuple[str, bytes]:
    """Connect, and return the error's code and all that the server has heard."""
    with rogue(act) as server:
        begun = time.monotonic()
        with pytest.raises(WarehouseError) as caught:
            open_at(server, dialect, *options)
        assert time.monotonic() - begun < 6
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        return caught.value.code, bytes(server.heard)


def answer_of(act: Callable[[Guest, bytes], None]) -> str:
    """Ask a MySQL server that behaves well until the query itself, and return the error's code."""
    with rogue(answering(act, quiet=QUIET)) as server:
        source = open_at(server, "mysql")
        begun = time.monotonic()
        with pytest.raises(WarehouseError) as caught:
            source.execute("SELECT 1", (), QUICK)
        assert time.monotonic() - begun < 15
        source.close()
        assert b"root:" not in server.heard
        return caught.value.code


def test_a_server_that_lets_anybody_in_is_asked_as_usual() -> None:
    def act(guest: Guest, command: bytes) -> None:
        guest.say(rogues.one_row())
        guest.hear()
        guest.say(packet(1, rogues.OK))

    with rogue(answering(act, quiet=QUIET)) as server:
        source = open_at(server, "mysql")
        assert source.execute("SELECT 1", (), QUICK).table.to_pylist() == [{"x": "1"}]
        source.close()


@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"dialog", b"sha256_password", b"mysql_old_password"])
def test_a_password_is_not_given_to_a_server_that_switches_to_asking_for_it(plugin: bytes) -> None:
    def act(guest: Guest) -> None:
        guest.say(rogues.greeting())
        guest.hear()
        guest.say(rogues.switch_to(plugin, b"\x02Password: " if plugin == b"dialog" else b"x" * 21))
        guest.hear()
        guest.hang()

    code, heard = refusal(act, "mysql")
    assert code == "unsafe_sign_in"
    assert PASSWORD.encode() not in heard


@pytest.mark.parametrize("plugin", [b"sha256_password", b"mysql_clear_password", b"dialog"])
def test_a_password_is_not_given_to_a_server_that_begins_with_asking_for_it(plugin: bytes) -> None:
    def act(guest: Guest) -> None:
        guest.say(rogues.greeting(plugin, b"8.0.40"))
        guest.hear()
        guest.say(packet(2, b"\x01more"))
        guest.hear()
        guest.hang()

    code, heard = refusal(act, "mysql")
    assert code in ("unsafe_sign_in", "unreachable", "nonsense")
    assert PASSWORD.encode() not in heard


def test_a_password_is_not_given_under_a_key_that_the_server_names() -> None:
    def act(guest: Guest) -> None:
        guest.say(rogues.greeting(b"caching_sha2_password", b"8.0.40"))
        guest.hear()
        guest.say(packet(2, b"\x01\x04"))
        if guest.hear():  # it would ask for the key
            guest.say(packet(4, b"\x01-----BEGIN PUBLIC KEY-----"))
            guest.hear()

    code, heard = refusal(act, "mysql")
    assert code == "unsafe_sign_in"
    assert not heard.endswith(b"\x02")


def test_a_switch_to_another_hash_is_followed() -> None:
    def act(guest: Guest) -> None:
        guest.say(rogues.greeting(b"caching_sha2_password"))
        guest.hear()
        guest.say(rogues.switch_to(b"mysql_native_password"))
        guest.hear()
        guest.say(packet(4, b"\xff\x15\x04#28000Access denied"))

    code, heard = refusal(act, "mysql")
    first = hashlib.sha1(PASSWORD.encode()).digest()
    proof = hashlib.sha1(b"x" * 20 + hashlib.sha1(first).digest()).digest()
    assert code == "refused_credentials"
    assert bytes(a ^ b for a, b in zip(first, proof, strict=True)) in heard


def test_a_server_that_says_it_has_no_tls_gets_no_sign_in() -> None:
    for mode in ("require", "verify-ca", "verify-full"):
        code, heard = refusal(lambda guest: (guest.say(rogues.greeting()), guest.hear(), guest.hang()), "mysql", ("sslmode", mode))  # fmt: skip
        assert (code, b"reader" in heard) == ("unreachable", False)


@pytest.mark.parametrize(
    "act",
    [
        lambda guest: guest.hang(),
        lambda guest: guest.drip(rogues.greeting(), 0.5),
        lambda guest: guest.say(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        lambda guest: guest.say(packet(0, b"\x0a")),
        lambda guest: guest.say(packet(0, b"")),
        lambda guest: guest.say(packet(0, b"\x0anonsense\0" + b"\xff" * 60)),
        lambda guest: guest.flood(b"\xff" * 65536),
        lambda guest: guest.flood(packet(0, b"\x00" * 16_777_215)),
        lambda guest: (guest.say(rogues.greeting()), guest.hang()),
        lambda guest: (guest.say(rogues.greeting()), guest.hear(), guest.drip(packet(2, rogues.OK) * 99, 0.5)),
        lambda guest: (guest.say(rogues.greeting()), guest.hear(), guest.say(packet(2, b"\xfe"))),
        lambda guest: (guest.say(rogues.greeting()), guest.hear(), guest.say(packet(2, b"\xfe\xff\xff\0x"))),
        lambda guest: (welcome(guest), guest.hear(), guest.hang()),
        lambda guest: (welcome(guest), guest.hear(), guest.say(packet(1, rogues.LOCAL_INFILE)), guest.hear()),
    ],
)  # fmt: skip
def test_a_mysql_server_that_hangs_drips_or_babbles_is_left_in_time(act: Act) -> None:
    code, heard = refusal(act, "mysql")
    assert code in ("unreachable", "nonsense")
    assert PASSWORD.encode() not in heard
    assert b"root:" not in heard


@pytest.mark.parametrize(
    ("act", "codes"),
    [
        (lambda guest, _: (guest.say(packet(1, rogues.LOCAL_INFILE)), guest.hear(), guest.hear()), {"nonsense"}),
        (lambda guest, _: guest.hang(), {"timed_out"}),
        (lambda guest, _: guest.drip(rogues.one_row() * 50, 0.1), {"timed_out", "nonsense"}),
        (lambda guest, _: guest.say(packet(1, b"\xfc\xff\xff")), {"nonsense", "timed_out", "unreachable"}),
        (lambda guest, _: guest.say(packet(1, b"\x01") + packet(2, b"\x03def")), {"nonsense", "unreachable"}),
        (lambda guest, _: guest.say(packet(1, b"\x01") + rogues.column(2, b"\xff\xfe")), {"nonsense", "unreachable"}),
        (lambda guest, _: guest.say(packet(9, b"\x01")), {"nonsense", "unreachable"}),
        (lambda guest, _: guest.say(packet(1, b"")), {"nonsense", "unreachable"}),
        (lambda guest, _: guest.say(b""), {"unreachable"}),
        (lambda guest, _: one_endless_row(guest), {"timed_out", "nonsense"}),
    ],
)  # fmt: skip
def test_a_mysql_server_that_answers_with_harm_is_stopped(
    act: Callable[[Guest, bytes], None], codes: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert answer_of(act) in codes
    assert PASSWORD not in caplog.text


def begin_rows(guest: Guest) -> None:
    guest.say(packet(1, b"\x01") + rogues.column(2, b"x") + packet(3, b"\xfe\x00\x00\x02\x00"))


def rows_for_ever(guest: Guest) -> None:
    begin_rows(guest)
    number = 4
    while not guest.is_over.is_set():
        guest.say(b"".join(packet(number + i, b"\xfc\xe8\x03" + b"x" * 1000) for i in range(256)))


def one_endless_row(guest: Guest) -> None:
    begin_rows(guest)
    number = 4
    while not guest.is_over.is_set():
        guest.say(b"\xff\xff\xff" + bytes([number % 256]) + b"x" * 0xFFFFFF)
        number += 1


def test_rows_for_ever_are_cut_and_nobody_waits_for_the_rest() -> None:
    with rogue(answering(lambda guest, _: rows_for_ever(guest), quiet=QUIET)) as server:
        source = open_at(server, "mysql")
        begun = time.monotonic()
        found = source.execute("SELECT 1", (), Limits(1000, 10_000_000, 60))
        assert (found.table.num_rows, found.is_truncated, source.is_usable) == (1000, True, False)
        assert time.monotonic() - begun < 8
        source.close()


def test_an_endless_packet_does_not_fill_the_memory() -> None:
    held: list[int] = []

    def act(guest: Guest, _: bytes) -> None:
        begin_rows(guest)
        for number in range(4, 40):  # 600 MB, if anybody takes it
            guest.say(b"\xff\xff\xff" + bytes([number]) + b"x" * 0xFFFFFF)
            held.append(number)

    assert answer_of(act) == "nonsense"
    assert len(held) < 10


def auth_asked(request: bytes) -> Act:
    def act(guest: Guest) -> None:
        rogues.told_apart(guest)
        guest.say(request)
        guest.hear()
        guest.hang()

    return act


@pytest.mark.parametrize("mode", ["disable", "prefer"])
@pytest.mark.parametrize("request_", [rogues.CLEARTEXT, rogues.TRUST + rogues.READY])
def test_a_postgres_server_that_asks_for_no_proof_or_for_the_password_gets_none(request_: bytes, mode: str) -> None:
    code, heard = refusal(auth_asked(request_), "postgres", ("sslmode", mode))
    assert code == "unsafe_sign_in"
    assert PASSWORD.encode() not in heard


def test_a_postgres_server_that_says_it_has_no_tls_gets_no_sign_in() -> None:
    for mode in ("require", "verify-ca", "verify-full"):
        code, heard = refusal(lambda guest: (rogues.told_apart(guest), guest.hang()), "postgres", ("sslmode", mode))
        assert (code, b"reader" in heard) == ("unreachable", False)


@pytest.mark.parametrize(
    "act",
    [
        lambda guest: guest.hang(),
        lambda guest: (rogues.told_apart(guest), guest.hang()),
        lambda guest: (rogues.told_apart(guest), guest.drip(b"R" * 60, 0.3)),
        lambda guest: (rogues.told_apart(guest), guest.flood(rogues.NOTICE)),
        lambda guest: (rogues.told_apart(guest), guest.say(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 99), guest.hang()),
        lambda guest: (rogues.told_apart(guest), guest.say(b"R\x7f\xff\xff\xff"), guest.flood(b"x" * 65536)),
        lambda guest: (rogues.told_apart(guest), guest.drip(rogues.NOTICE, 0.05)),
    ],
)  # fmt: skip
def test_a_postgres_server_that_hangs_drips_or_babbles_is_left_in_time(act: Act) -> None:
    code, heard = refusal(act, "postgres")
    assert code in ("unreachable", "nonsense", "unsafe_sign_in")
    assert PASSWORD.encode() not in heard


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    refusal(lambda guest: guest.hang(), "mysql")
    assert rogues.wait_until(lambda: threading.active_count() <= before)
