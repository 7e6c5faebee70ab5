"""Servers that mean harm: they speak just enough of a protocol to do it. What a client sends them is kept in ``heard``."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Act = Callable[["Guest"], None]


@dataclass
class Guest:
    """A client at a rogue server."""

    line: socket.socket
    is_over: threading.Event
    heard: bytearray

    def hear(self) -> bytes:
        """Return what the client sends next; nothing when it hung up."""
        data = self.line.recv(65536)
        self.heard.extend(data)
        return data

    def say(self, data: bytes) -> None:
        self.line.sendall(data)

    def drip(self, data: bytes, pause_s: float) -> None:
        """Say a byte now and then."""
        for position in range(len(data)):
            if self.is_over.wait(pause_s):
                return
            self.say(data[position : position + 1])

    def hang(self) -> None:
        """Say nothing more."""
        self.is_over.wait(60)

    def flood(self, data: bytes) -> None:
        """Say the same for ever."""
        while not self.is_over.is_set():
            self.say(data)


@dataclass
class Rogue:
    port: int = 0
    heard: bytearray = field(default_factory=bytearray)
    threads: list[threading.Thread] = field(default_factory=list)


@contextmanager
def rogue(act: Act) -> Iterator[Rogue]:
    """Serve every client with ``act`` until the block ends."""
    is_over, found = threading.Event(), Rogue()

    def serve(line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):
            act(Guest(line, is_over, found.heard))

    def listen() -> None:
        while not is_over.is_set():
            with contextlib.suppress(TimeoutError):
                thread = threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True)
                found.threads.append(thread)
                thread.start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        found.port = listener.getsockname()[1]
        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield found
        finally:
            is_over.set()
            thread.join()
            for other in found.threads:
                other.join(5)


# MySQL's protocol

SALT = b"abcdefgh", b"ijklmnopqrst"
CAPABILITIES = 0x0001 | 0x0002 | 0x0008 | 0x0080 | 0x0200 | 0x2000 | 0x8000 | 1 << 17 | 1 << 19 | 1 << 21
OK = b"\x00\x00\x00\x02\x00\x00\x00"
LOCAL_INFILE = b"\xfb/etc/passwd"


def packet(number: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes([number % 256]) + body


def greeting(plugin: bytes = b"mysql_native_password", version: bytes = b"5.5.5-10.11.0-MariaDB") -> bytes:
    body = b"\x0a" + version + b"\0" + struct.pack("<I", 7) + SALT[0] + b"\0"
    body += struct.pack("<H", CAPABILITIES & 0xFFFF) + b"\x2d" + struct.pack("<HH", 2, CAPABILITIES >> 16)
    return packet(0, body + bytes([21]) + b"\0" * 10 + SALT[1] + b"\0" + plugin + b"\0")


def switch_to(plugin: bytes, data: bytes = b"x" * 20 + b"\0") -> bytes:
    return packet(2, b"\xfe" + plugin + b"\0" + data)


def welcome(guest: Guest) -> None:
    """Let anybody in."""
    guest.say(greeting())
    guest.hear()
    guest.say(packet(2, OK))


def column(number: int, name: bytes, kind: int = 253) -> bytes:
    texts = b"".join(bytes([len(text)]) + text for text in (b"def", b"", b"", b"", name, name))
    return packet(number, texts + b"\x0c" + struct.pack("<HIBHB", 45, 1024, kind, 0, 0) + b"\0\0")


def answering(act: Callable[[Guest, bytes], None], *, quiet: int) -> Act:
    """Let anybody in, say OK to ``quiet`` commands (the time zone's question with one row), then act."""

    def serve(guest: Guest) -> None:
        welcome(guest)
        for _ in range(quiet):
            command = guest.hear()
            if not command:
                return
            guest.say(one_row() if b"CONVERT_TZ" in command else packet(1, OK))
        command = guest.hear()
        if command:
            act(guest, command)

    return serve


def one_row() -> bytes:
    end = b"\xfe\x00\x00\x02\x00"
    return packet(1, b"\x01") + column(2, b"x") + packet(3, end) + packet(4, b"\x011") + packet(5, end)


# PostgreSQL's protocol


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


CLEARTEXT, MD5, TRUST = (
    message(b"R", struct.pack("!I", kind) + more) for kind, more in ((3, b""), (5, b"salt"), (0, b""))
)
NOTICE = message(b"N", b"SNOTICE\0C00000\0M" + b"x" * 8000 + b"\0\0")
READY = message(b"Z", b"I")


def told_apart(guest: Guest) -> bytes:
    """Refuse TLS and encryption as servers do, and return the start-up message."""
    while True:
        data = guest.hear()
        if len(data) != 8:
            return data
        guest.say(b"N")


def wait_until(is_so: Callable[[], bool], patience_s: float = 5) -> bool:
    deadline = time.monotonic() + patience_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_so()
