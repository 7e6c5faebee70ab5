"""A line to a Spark Connect server: gRPC to one pinned address, and the few requests that reading takes."""

import contextlib
import logging
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from pyspark.sql.connect.proto import base_pb2 as base
from pyspark.sql.connect.proto import catalog_pb2 as catalog
from pyspark.sql.connect.proto import expressions_pb2 as expressions
from pyspark.sql.connect.proto import relations_pb2 as relations
from pyspark.sql.connect.proto.base_pb2_grpc import SparkConnectServiceStub

from apps.warehouses.errors import WarehouseError
from apps.warehouses.options import check_options
from apps.warehouses.spark_arrow import NonsenseError
from apps.warehouses.targets import Allowed, Place, locate
from apps.warehouses.types import Target, Value

logging.getLogger("grpc").setLevel(logging.CRITICAL + 1)  # what it says of a message may hold values

PORT = 15002
CLIENT = "omni"
CONNECT_TIMEOUT_S = 5
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
SHORT_S = 1.0
LIST_DATABASES = catalog.ListDatabases()
CHANNEL: Mapping[str, object] = {
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_metadata_size": 16 * 1024,
    "grpc.enable_http_proxy": 0,  # the environment's proxy would be another place
    "grpc.service_config_disable_resolution": 1,
    "grpc.enable_retries": 0,
    "grpc.use_local_subchannel_pool": 1,  # one connection is one tenant's
    "grpc.per_message_decompression": 0,  # a small message could fill the memory
    "grpc.compression_enabled_algorithms_bitset": 1,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.keepalive_time_ms": 60_000,
    "grpc.primary_user_agent": CLIENT,
}


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach a server: where it is, and by what name TLS knows it; None without TLS."""

    place: Place
    tls_name: str | None
    timeout_s: int


def way_to(target: Target, allowed: Allowed) -> Way:
    """Find the one place and decide on TLS; nothing is taken from this process's environment but whom it trusts.

    Raises:
        WarehouseError: an option or the place that the target leads to is refused.
    """
    options = dict(target.options)
    check_options(target.dialect, options)
    if not target.username:
        raise WarehouseError("refused_target", "A user name is needed.")
    place = locate(target, allowed, default_port=PORT)
    if place.socket_dir:
        raise WarehouseError("refused_target", "Spark Connect has no sockets of this machine.")
    mode = options.get("sslmode") or ("disable" if place.is_this_machine else "verify-full")
    if place.is_public and mode != "verify-full":
        raise WarehouseError("refused_target", "A public address is reached with sslmode=verify-full only.")
    timeout_s = int(options.get("connect_timeout", CONNECT_TIMEOUT_S))
    return Way(place, target.host if mode == "verify-full" else None, timeout_s)


def dial(way: Way, token: str | None) -> Any:
    """Return a channel, which connects when it is first used.

    Raises:
        WarehouseError: a token would go over a line that TLS does not keep, or is none that HTTP could carry.
    """
    if token and way.tls_name is None:
        raise WarehouseError("unsafe_sign_in")
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise WarehouseError("refused_credentials")
    address = f"[{way.place.address}]" if ":" in way.place.address else way.place.address
    where = f"{'ipv6' if ':' in address else 'ipv4'}:{address}:{way.place.port}"
    options = [*CHANNEL.items()]
    if way.tls_name is None:
        return grpc.insecure_channel(where, options)
    options += [("grpc.ssl_target_name_override", way.tls_name), ("grpc.default_authority", way.tls_name)]
    credentials = grpc.ssl_channel_credentials(trusted())
    if token:
        credentials = grpc.composite_channel_credentials(credentials, grpc.access_token_call_credentials(token))
    return grpc.secure_channel(where, credentials, options)


def trusted() -> bytes:
    """Return the certificates of the authorities that this system trusts, as OpenSSL would take them.

    Raises:
        WarehouseError: it trusts nobody; gRPC would take a list of its own then.
    """
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not found:
        raise WarehouseError("unreachable", hint="certificate")
    return "".join(map(ssl.DER_cert_to_PEM_cert, found)).encode()


class Line:
    """One session at the server. A server that was started anew, or is another one, is noticed at the next answer."""

    def __init__(self, channel: Any, username: str) -> None:
        self._channel = channel
        stub: Any = SparkConnectServiceStub  # generated, without types
        self._stub = stub(channel)
        self._session = str(uuid.uuid4())
        self._user = base.UserContext(user_id=username)
        self._server_side = ""

    def configure(self, settings: Mapping[str, str], timeout_s: float) -> None:
        """Set the session's settings, and see that they hold.

        Raises:
            NonsenseError: the server does something else.
            grpc.RpcError: it refuses, or does not answer.
        """
        pairs = [base.KeyValue(key=key, value=value) for key, value in settings.items()]
        setting = base.ConfigRequest.Operation(set=base.ConfigRequest.Set(pairs=pairs))
        self._configure(setting, timeout_s)
        if self.settings(settings, timeout_s) != dict(settings):
            raise NonsenseError("settings")

    def settings(self, names: Mapping[str, str], timeout_s: float = SHORT_S) -> dict[str, str]:
        """Ask what some settings are."""
        asking = base.ConfigRequest.Operation(get=base.ConfigRequest.Get(keys=list(names)))
        return {pair.key: pair.value for pair in self._configure(asking, timeout_s).pairs}

    def _configure(self, operation: Any, timeout_s: float) -> Any:
        request = base.ConfigRequest(operation=operation, **self._who())
        return self.known(self._stub.Config(request, timeout=timeout_s))

    def run(self, relation: Any, operation: str, timeout_s: float) -> "Run":
        """Send a relation, never a command."""
        how = base.ExecutePlanRequest.RequestOption(reattach_options=base.ReattachOptions(reattachable=True))
        plan = base.Plan(root=relation)
        request = base.ExecutePlanRequest(plan=plan, operation_id=operation, request_options=[how], **self._who())
        return Run(self, self._stub.ExecutePlan(request, timeout=timeout_s), operation, timeout_s)

    def take_up(self, operation: str, last: str, timeout_s: float) -> Any:
        """Return a call that goes on behind the response ``last``."""
        behind: dict[str, Any] = {"last_response_id": last} if last else {}
        request = base.ReattachExecuteRequest(operation_id=operation, **behind, **self._who())
        return self._stub.ReattachExecute(request, timeout=timeout_s)

    def release(self, operation: str) -> None:
        """Let the server forget an operation, which ends with that; nothing is said when it does not answer."""
        everything = base.ReleaseExecuteRequest.ReleaseAll()
        request = base.ReleaseExecuteRequest(operation_id=operation, release_all=everything, **self._who())
        with contextlib.suppress(grpc.RpcError, ValueError):
            self._stub.ReleaseExecute(request, timeout=SHORT_S)

    def interrupt(self, operation: str) -> None:
        """Stop an operation at the server; nothing is said when it does not answer."""
        how = base.InterruptRequest.INTERRUPT_TYPE_OPERATION_ID
        request = base.InterruptRequest(interrupt_type=how, operation_id=operation, **self._who())
        with contextlib.suppress(grpc.RpcError, ValueError):
            self._stub.Interrupt(request, timeout=SHORT_S)

    def close(self) -> None:
        """End the session at the server, and the line."""
        if self._server_side:
            request = base.ReleaseSessionRequest(session_id=self._session, user_context=self._user, client_type=CLIENT)
            with contextlib.suppress(grpc.RpcError, ValueError):
                self._stub.ReleaseSession(request, timeout=SHORT_S)
        self.cut()

    def cut(self) -> None:
        """End the line under whatever waits for it."""
        self._channel.close()

    def _who(self) -> dict[str, Any]:
        found = {"session_id": self._session, "user_context": self._user, "client_type": CLIENT}
        if self._server_side:
            found["client_observed_server_side_session_id"] = self._server_side
        return found

    def known(self, response: Any) -> Any:
        """Demand that an answer is of this session: another one would not have its settings."""
        self._server_side = self._server_side or response.server_side_session_id
        is_ours = response.session_id == self._session and response.server_side_session_id == self._server_side
        if not is_ours or not self._server_side:
            raise NonsenseError("session")
        return response


class Run:
    """A statement at the server. Spark ends a long answer's call now and then, and goes on when it is taken up again;
    what nobody takes up, it ends by itself after some minutes."""

    def __init__(self, line: Line, call: Any, operation: str, timeout_s: float) -> None:
        self._line, self._call, self._operation = line, call, operation
        self._ends_at = time.monotonic() + timeout_s

    def batches(self) -> Iterator[bytes]:
        """Yield the batches among the responses, as they came.

        Raises:
            NonsenseError: they do not come one after the other, or are another session's.
            grpc.RpcError: the server refuses, ends in the middle, or does not answer in time.
        """
        rows, last, is_complete = 0, "", False
        while not is_complete:
            for response in self._call:
                self._line.known(response)
                last = response.response_id
                is_complete = is_complete or response.HasField("result_complete")
                if not response.HasField("arrow_batch"):
                    continue
                batch = response.arrow_batch
                if is_complete or (batch.HasField("start_offset") and batch.start_offset != rows):
                    raise NonsenseError("order")
                rows += batch.row_count
                yield batch.data
            if not is_complete:
                left = max(self._ends_at - time.monotonic(), 0.01)
                self._call = self._line.take_up(self._operation, last, left)

    def close(self) -> None:
        """End it here and there, whether it is over or not."""
        self._call.cancel()
        self._line.release(self._operation)


def statement(text: str, parameters: Sequence[Value], max_rows: int) -> Any:
    """Return a query of at most that many rows, with values that are never text of it."""
    query = relations.SQL(query=text, pos_arguments=[_literal(value) for value in parameters])
    return relations.Relation(
        limit=relations.Limit(input=relations.Relation(sql=query), limit=min(max_rows, 2**31 - 1))
    )


def of_catalog(**asked: Any) -> Any:
    """Return what asks the catalogue: ``list_tables={"db_name": "sales"}``."""
    return relations.Relation(catalog=catalog.Catalog(**asked))


def _literal(value: Value) -> Any:
    literal: Any = expressions.Expression.Literal
    if value is None:
        found = literal(null={"null": {}})
    elif isinstance(value, bool):
        found = literal(boolean=value)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        found = literal(decimal={"value": str(value)})
    elif isinstance(value, int):
        found = literal(integer=value) if -(2**31) <= value < 2**31 else literal(long=value)
    else:
        found = literal(double=value) if isinstance(value, float) else literal(string=value)
    return expressions.Expression(literal=found)
