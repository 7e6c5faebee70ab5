"""The driver's connection, hardened: a server is asked for nothing that a hostile one could turn against us."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymysql import err
from pymysql.connections import MAX_PACKET_LEN, Connection, MysqlPacket
from pymysql.constants import CR

MAX_PACKET_BYTES = 64 * 1024 * 1024
HASHED = ("mysql_native_password", "client_ed25519", "caching_sha2_password")
"""ways to sign in that prove the password without giving it away"""
CLEAR = ("mysql_clear_password", "dialog", "sha256_password")
"""ways that hand the password to the server, for a server whose certificate and name were verified"""
FULL_AUTHENTICATION = b"\x01\x04"
"""``caching_sha2_password`` asking for the password itself, in clear or under a key that the server names"""


class Line(Connection):  # type: ignore[misc]  # the driver has no types
    """Sends a password only where it is safe, takes no packet that would fill the memory, reads no file for the server."""

    _is_signing_in = False
    _held = 0

    def sign_in(self, line: socket.socket, timeout_s: float) -> None:
        """Do all of the handshake in ``timeout_s``, however slowly the server drips.

        Raises:
            pymysql.MySQLError: it was refused, or took too long. A hostile server can cause any other exception too.
        """
        self._is_signing_in = True
        with deadline(line, timeout_s):
            self.connect(line)
        self._is_signing_in = False

    @property
    def is_trusted(self) -> bool:
        """Say whether TLS has proven whose server this is."""
        return bool(self._secure and self.ssl and self.ctx.check_hostname)

    def _refuse_unless_safe(self, plugin: str) -> None:
        is_safe = plugin in HASHED or (plugin in CLEAR and self.is_trusted)
        if not is_safe:
            raise err.OperationalError(
                CR.CR_AUTH_PLUGIN_ERR, "the server asks for the password in a way that gives it away"
            )

    def _get_server_information(self) -> None:
        super()._get_server_information()
        if self._auth_plugin_name == "sha256_password" and not (self.ssl and self.ctx.check_hostname):
            self._refuse_unless_safe(self._auth_plugin_name)

    def _process_auth(self, plugin_name: bytes, auth_packet: Any, handler: Any = None) -> Any:
        self._refuse_unless_safe(plugin_name.decode("ascii", "replace"))
        return super()._process_auth(plugin_name, auth_packet, handler)

    def _read_packet(self, packet_type: Any = MysqlPacket) -> Any:
        self._held = 0
        packet = super()._read_packet(packet_type)
        if self._is_signing_in and not self.is_trusted and packet.get_all_data()[:2] == FULL_AUTHENTICATION:
            raise err.OperationalError(CR.CR_AUTH_PLUGIN_ERR, "the server asks for the password itself")
        return packet

    def _read_bytes(self, num_bytes: int) -> Any:
        """Count what one packet holds: a packet goes on for as long as its parts are full."""
        self._held += num_bytes
        if self._held > MAX_PACKET_BYTES + MAX_PACKET_LEN:
            self._force_close()
            raise err.OperationalError(CR.CR_NET_PACKET_TOO_LARGE, "the server sends a packet that is too large")
        return super()._read_bytes(num_bytes)


@contextmanager
def deadline(line: socket.socket, timeout_s: float) -> Iterator[None]:
    """Shut the line down when the time is over."""

    def cut() -> None:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
