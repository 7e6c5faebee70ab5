"""Servers that speak Spark Connect as they like, with TLS or without. What they were told is kept."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pyarrow as pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = Callable[[Any, Any], Iterator[Any]]
"""request and context → responses, whose session need not be filled in"""


@dataclass
class Told:
    """What a server heard: the headers of its visitors, and their plans."""

    port: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    plans: list[Any] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Papers:
    """An authority's certificate, and a key with a certificate by it."""

    authority: bytes
    key: bytes
    certificate: bytes


def papers(*names: str) -> Papers:
    """Make a certificate for host names or addresses, and an authority that nobody knew before."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    subjects = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("Omni tests", "server")]
    found, now = [], datetime.now(UTC)
    for number, (key, subject) in enumerate(zip(keys, subjects, strict=True)):
        builder = x509.CertificateBuilder(
            subjects[0], subject, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1)
        ).add_extension(x509.BasicConstraints(ca=number == 0, path_length=None), critical=True)
        if number:
            others = [x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
        found.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    secret = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Papers(found[0], secret, found[1])


@contextmanager
def rogue_spark(answer: Answer, *, held: Papers | None = None, config: Callable[[Any, Any], Any] | None = None, gzip: bool = False) -> Iterator[Told]:  # fmt: skip
    """Serve Spark Connect until the block ends; ``config`` sees what would be answered to a question of settings."""
    import grpc
    from pyspark.sql.connect.proto import base_pb2 as base
    from pyspark.sql.connect.proto.base_pb2_grpc import (
        SparkConnectServiceServicer,
        add_SparkConnectServiceServicer_to_server,
    )

    told = Told()
    settings: dict[str, str] = {}

    def known(request: Any, response: Any) -> Any:
        response.session_id = response.session_id or request.session_id
        response.server_side_session_id = response.server_side_session_id or "here"
        return response

    class Servicer(SparkConnectServiceServicer):  # type: ignore[misc]  # generated, without types
        def Config(self, request: Any, context: Any) -> Any:  # noqa: N802  (the protocol's name)
            told.headers.extend(context.invocation_metadata())
            settings.update({pair.key: pair.value for pair in request.operation.set.pairs})
            pairs = [base.KeyValue(key=key, value=settings.get(key)) for key in request.operation.get.keys]
            response = known(request, base.ConfigResponse(pairs=pairs))
            return config(response, context) if config is not None else response

        def ExecutePlan(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802  (the protocol's name)
            told.plans.append(request.plan)
            for response in answer(request, context):
                yield known(request, response)
            over = base.ExecutePlanResponse.ResultComplete()
            yield known(request, base.ExecutePlanResponse(result_complete=over))

        def Interrupt(self, request: Any, context: Any) -> Any:  # noqa: N802  (the protocol's name)
            told.interrupted.append(request.operation_id)
            return known(request, base.InterruptResponse())

        def ReleaseExecute(self, request: Any, context: Any) -> Any:  # noqa: N802  (the protocol's name)
            told.released.append(request.operation_id)
            return known(request, base.ReleaseExecuteResponse())

        def ReleaseSession(self, request: Any, context: Any) -> Any:  # noqa: N802  (the protocol's name)
            return known(request, base.ReleaseSessionResponse())

    packing = grpc.Compression.Gzip if gzip else None
    with ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool, compression=packing, options=[("grpc.max_send_message_length", -1)])
        add_SparkConnectServiceServicer_to_server(Servicer(), server)
        if held is None:
            told.port = server.add_insecure_port("127.0.0.1:0")
        else:
            credentials = grpc.ssl_server_credentials([(held.key, held.certificate)])
            told.port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        try:
            yield told
        finally:
            server.stop(0).wait(5)


def arrow(table: Any, *, rows: int | None = None, compression: str | None = None) -> Any:
    """Return a response with a table in it."""

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return raw(sink.getvalue().to_pybytes(), table.num_rows if rows is None else rows)


def raw(data: bytes, rows: int = 1) -> Any:
    """Return a response with whatever bytes for a batch."""
    from pyspark.sql.connect.proto import base_pb2 as base

    return base.ExecutePlanResponse(arrow_batch=base.ExecutePlanResponse.ArrowBatch(row_count=rows, data=data))


def nothing() -> Any:
    """Return a response that says that the query goes on."""
    from pyspark.sql.connect.proto import base_pb2 as base

    return base.ExecutePlanResponse(execution_progress=base.ExecutePlanResponse.ExecutionProgress())


ONE = pa.table({"x": ["1"]})
