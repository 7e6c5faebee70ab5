"""Fetching what a customer's address answers: only from where it may, and never more or longer than it should."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests

from apps.network import fetching
from apps.network.fetching import FetchError, checked_session

LOCAL = ("*local*",)
CANARY = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\ncanary"
Talk = Callable[[socket.socket], None]


@contextmanager
def server(talk: Talk) -> Iterator[int]:
    """Listen on this machine; give each caller to ``talk``. Yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        is_over = threading.Event()

        def serve() -> None:
            while not is_over.is_set():
                try:
                    line, _ = listener.accept()
                except TimeoutError:
                    continue
                with line:
                    try:
                        line.recv(65536)
                        talk(line)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            is_over.set()
            thread.join()


def fetch(address: str, sources: tuple[str, ...] = LOCAL) -> bytes:
    with checked_session(sources) as session:
        return session.get(address).content


def refusal(address: str, sources: tuple[str, ...] = LOCAL) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(address, sources)
    assert "127" not in str(caught.value)
    return caught.value.code


def test_this_machine_is_reached_only_where_the_operator_allows_it() -> None:
    with server(lambda line: line.sendall(CANARY)) as port:
        assert fetch(f"http://127.0.0.1:{port}/") == b"canary"
        assert fetch(f"http://localhost:{port}/") == b"canary"
        for sources in ((), ("localhost", "127.0.0.0/8", "0.0.0.0/0")):
            assert refusal(f"http://127.0.0.1:{port}/", sources) == "refused_address"
            assert refusal(f"http://localhost:{port}/", sources) == "refused_address"


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "10.0.0.1", "192.168.1.1", "0x7f.1", "2130706433", "[::1]", "[fe80::1]", "168.63.129.16", "0.0.0.0"],
)  # fmt: skip
def test_private_addresses_are_refused_in_every_spelling(host: str) -> None:
    assert refusal(f"http://{host}/", ()) == "refused_address"
    assert refusal(f"https://{host}/", ()) == "refused_address"


def test_an_odd_name_is_refused_and_a_missing_one_unreachable() -> None:
    assert refusal("http://a_b.example/") == "odd_host"
    assert refusal("http://[::ffff:10.0.0.1]/") == "odd_host"
    assert refusal("http://no-such-host.invalid/") == "unreachable"


def test_a_name_is_resolved_once_and_its_address_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second answer of a name that changes is never used: there is no second question."""
    asked: list[str] = []
    answers = socket.getaddrinfo

    def resolver(host: str, port: int, *rest: object, **options: object) -> object:
        if host == "rebinding.example":
            asked.append(host)
            host = "127.0.0.1" if len(asked) == 1 else "10.9.9.9"
        return answers(host, port, *rest, **options)  # type: ignore[arg-type]  # looser than the type on purpose

    with server(lambda line: line.sendall(CANARY)) as port:
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        assert fetch(f"http://rebinding.example:{port}/") == b"canary"
        assert asked == ["rebinding.example"]
        assert refusal(f"http://rebinding.example:{port}/") == "refused_address"


def test_redirects_are_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with server(lambda line: line.sendall(moved)) as port:
        assert refusal(f"http://127.0.0.1:{port}/") == "redirected"


def test_an_endless_answer_is_cut_off() -> None:
    def flood(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(200):
            line.sendall(b"x" * 65536)

    with server(flood) as port:
        assert refusal(f"http://127.0.0.1:{port}/") == "too_large"


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
def test_a_drip_is_cut_off_in_headers_and_body(monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    monkeypatch.setattr(fetching, "TOTAL_S", 0.6)

    def drip(line: socket.socket) -> None:
        line.sendall(start)
        for _ in range(60):
            line.sendall(b"x")
            time.sleep(0.05)

    with server(drip) as port:
        started = time.monotonic()
        assert refusal(f"http://127.0.0.1:{port}/") == "timed_out"
        assert time.monotonic() - started < 2


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://10.0.0.1:3128")
    with server(lambda line: line.sendall(CANARY)) as port:
        assert fetch(f"http://127.0.0.1:{port}/") == b"canary"


def test_every_fault_is_one_that_callers_know() -> None:
    with (
        server(lambda line: line.sendall(b"not HTTP at all\r\n\r\n")) as port,
        pytest.raises(requests.RequestException),
    ):
        fetch(f"http://127.0.0.1:{port}/")
