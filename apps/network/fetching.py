"""HTTP to addresses that a customer wrote: checked where each connection is made, and bounded in every direction."""

import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from apps.network.addresses import pinned_address
from apps.network.errors import AddressError

TIMEOUT_S = 5.0
TOTAL_S = 10.0
MAX_BYTES = 1_000_000
CHUNK_BYTES = 16_384


class FetchError(requests.RequestException):
    """An address was not asked, or its answer not taken; ``code`` as in :class:`AddressError`."""

    def __init__(self, error: AddressError) -> None:
        super().__init__(error.message)
        self.code = error.code
        self.message = error.message


def checked_session(sources: Collection[str]) -> requests.Session:
    """Return a session that reaches public addresses and what ``sources`` allows, and nothing else.

    Each connection resolves its name once and goes to the address that was checked; TLS is still verified against
    the name. Answers come within ``TOTAL_S`` seconds and ``MAX_BYTES`` bytes. Redirects are refused, and proxies of
    the environment ignored: they would resolve the name once more.

    Every fault is a ``requests.RequestException``; what was refused here is a :class:`FetchError`.
    """
    return _CheckedSession(tuple(sources))


class _CheckedSession(requests.Session):
    def __init__(self, sources: tuple[str, ...]) -> None:
        super().__init__()
        self.trust_env = False
        self.adapters.clear()
        self.lines = _Lines()
        for scheme in ("https://", "http://"):
            self.mount(scheme, _CheckedAdapter(sources, self.lines))

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        options |= {"stream": True, "allow_redirects": False, "timeout": TIMEOUT_S}
        try:
            with self.lines.cut_after(TOTAL_S):
                response = super().send(request, **options)
                if response.is_redirect:
                    raise AddressError("redirected")
                _read_whole(response)
        except AddressError as error:
            raise FetchError(error) from None
        except requests.RequestException:
            if not self.lines.are_cut:
                raise
        if self.lines.are_cut:  # an answer that was cut short may look like a whole one
            raise FetchError(AddressError("timed_out"))
        return response


def _read_whole(response: requests.Response) -> None:
    """Read the body into the response, up to the limit."""
    found = bytearray()
    with response:
        for chunk in response.iter_content(CHUNK_BYTES):
            found += chunk
            if len(found) > MAX_BYTES:
                raise AddressError("too_large")
    response._content = bytes(found)


class _Lines:
    """The open connections of a session. A server that sends one byte at a time is cut off when its time is over."""

    def __init__(self) -> None:
        self.open: list[socket.socket] = []
        self.are_cut = False

    def add(self, line: socket.socket) -> None:
        self.open.append(line.dup())  # TLS takes the first one over; shutting down the second ends both

    @contextmanager
    def cut_after(self, seconds: float) -> Iterator[None]:
        self.are_cut = False
        timer = threading.Timer(seconds, self.cut)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            for line in self.open:
                line.close()
            self.open.clear()

    def cut(self) -> None:
        self.are_cut = True
        for line in list(self.open):
            with suppress(OSError):  # it has ended by itself
                line.shutdown(socket.SHUT_RDWR)


class _CheckedAdapter(HTTPAdapter):
    def __init__(self, sources: tuple[str, ...], lines: _Lines) -> None:
        self.sources, self.lines = sources, lines
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self.sources, self.lines)


def _pools(sources: tuple[str, ...], lines: _Lines) -> dict[str, type[HTTPConnectionPool]]:
    """Return urllib3's pools with connections that look where they go."""

    def opened(connection: HTTPConnection) -> socket.socket:
        address = pinned_address(connection.host.strip("[]"), connection.port, sources)
        try:
            line = socket.create_connection((address, connection.port), TIMEOUT_S)
        except OSError:
            raise AddressError("unreachable") from None
        lines.add(line)
        return line

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return opened(self)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return opened(self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
