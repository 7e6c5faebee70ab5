"""Servers that mean harm, speaking Spark Connect or not, learn no token, keep no worker waiting and fill no memory."""

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from apps.warehouses.errors import WarehouseError
from apps.warehouses.opening import open_warehouse
from apps.warehouses.types import Limits, PooledWarehouse, Target
from tests.spark import why_not
from tests.warehouses import rogues
from tests.warehouses.rogues import Act, rogue
from tests.warehouses.samples import LOCAL, PASSWORD
from tests.warehouses.spark_rogues import ONE, Answer, arrow, nothing, papers, raw, rogue_spark

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a Spark")
QUICK = Limits(1000, 10_000_000, 1)


def open_at(
    port: int, host: str = "127.0.0.1", *options: tuple[str, str], secret: str | None = None
) -> PooledWarehouse:
    target = Target("spark", host, port, "", "reader", (("connect_timeout", "2"), *options))
    return open_warehouse(target, secret, allowed=LOCAL)


def answer_of(answer: Answer, limits: Limits = QUICK) -> str:
    """Ask a server that behaves well until the query itself, and return the error's code."""
    with rogue_spark(answer) as told, closing(open_at(told.port)) as source:
        begun = time.monotonic()
        with pytest.raises(WarehouseError) as caught:
            source.execute("SELECT 1", (), limits)
        assert time.monotonic() - begun < 10
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        return caught.value.code


def one(request: Any, context: Any) -> Iterator[Any]:
    yield arrow(ONE)


def test_a_server_that_behaves_is_asked_one_query_as_a_relation() -> None:
    with rogue_spark(one) as told, closing(open_at(told.port)) as source:
        assert source.execute("SELECT 1", ("a",), QUICK).table.to_pylist() == [{"x": "1"}]
    (plan,) = told.plans
    assert plan.WhichOneof("op_type") == "root"
    assert plan.root.limit.input.sql.query == "(\nSELECT 1\n)"


@pytest.mark.parametrize(
    "act",
    [
        lambda guest: guest.hang(),
        lambda guest: guest.drip(b"x" * 999, 0.3),
        lambda guest: guest.say(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        lambda guest: guest.flood(b"\xff" * 65536),
        lambda guest: (guest.say(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), guest.hang()),
        lambda guest: (guest.say(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), guest.flood(b"\x00\x00\x04\x01\x04\x00\x00\x00\x01\xff\xff\xff\xff")),
        lambda guest: (guest.say(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), guest.flood(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")),
    ],
)  # fmt: skip
def test_a_server_that_hangs_drips_or_babbles_is_left_in_time(act: Act, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with rogue(act) as server:
        begun = time.monotonic()
        with pytest.raises(WarehouseError) as caught:
            open_at(server.port)
        assert time.monotonic() - begun < 6
    assert caught.value.code in ("unreachable", "nonsense")
    assert caught.value.__suppress_context__


def for_ever(response: Any) -> Answer:
    def answer(request: Any, context: Any) -> Iterator[Any]:
        while context.is_active():
            time.sleep(0.005)
            yield response()

    return answer


def of(*responses: Any) -> Answer:
    return lambda request, context: iter(responses)


BIG = pa.table({"x": pa.array(["x" * 1000] * 100)})
ENDLESS_ROWS = pa.RecordBatch.from_arrays([pa.nulls(2_000_000)], ["x"])


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        (of, {"nonsense"}),
        (lambda: of(nothing()), {"nonsense"}),
        (lambda: of(raw(b"")), {"nonsense"}),
        (lambda: of(raw(b"\xff" * 100)), {"nonsense"}),
        (lambda: of(raw(arrow(ONE).arrow_batch.data[:-20])), {"nonsense"}),
        (lambda: of(raw(b"\xff\xff\xff\xff\xff\xff\xff\x7f")), {"nonsense"}),
        (lambda: of(arrow(BIG, compression="zstd")), {"nonsense"}),
        (lambda: of(arrow(BIG, compression="lz4")), {"nonsense"}),
        (lambda: of(arrow(ONE), arrow(pa.table({"y": [1]}))), {"nonsense"}),
        (lambda: of(arrow(pa.table({"x": pa.array(["a"]).dictionary_encode()}))), {"nonsense"}),
        (lambda: of(arrow(pa.Table.from_batches([ENDLESS_ROWS]))), {"nonsense"}),
        (lambda: for_ever(nothing), {"timed_out"}),
        (lambda: lambda request, context: time.sleep(4) or iter(()), {"timed_out"}),
        (lambda: for_ever(lambda: arrow(ONE.slice(0, 0))), {"timed_out"}),
        (lambda: of(raw(b"x" * 70_000_000)), {"too_large", "nonsense", "timed_out"}),
    ],
)  # fmt: skip
def test_a_server_that_answers_with_harm_is_stopped(answer: Any, codes: set[str]) -> None:
    assert answer_of(answer()) in codes


NAMED = pa.table({"name": ["x" * 500], "isTemporary": [False], "dataType": ["int"], "nullable": [True]})
NAMELESS = pa.table({"name": pa.array([None], "string"), "isTemporary": [False], "dataType": [1], "nullable": [2]})


def test_a_catalogue_of_nonsense_is_an_error_or_nothing() -> None:
    for answer, code in (
        (of(arrow(ONE)), "nonsense"),
        (of(raw(b"x")), "nonsense"),
        (of(*[arrow(pa.table({"name": ["x" * 1_000_000] * 30}))] * 3), "too_large"),
    ):
        with rogue_spark(answer) as told, closing(open_at(told.port)) as source:
            with pytest.raises(WarehouseError) as caught:
                list(source.catalog())
            assert caught.value.code == code
    for table, count in ((NAMED, 0), (NAMELESS, 1)):
        with rogue_spark(of(arrow(table))) as told, closing(open_at(told.port)) as source:
            assert len(list(source.catalog())) == count


def test_another_session_or_a_server_started_anew_is_no_answer() -> None:
    def other(request: Any, context: Any) -> Iterator[Any]:
        found = arrow(ONE)
        found.server_side_session_id = "elsewhere"
        yield found

    assert answer_of(other) == "nonsense"


def test_a_small_message_that_unpacks_to_a_large_one_is_not_unpacked() -> None:
    with rogue_spark(of(raw(b"\0" * 60_000_000)), gzip=True) as told, pytest.raises(WarehouseError) as caught:
        open_at(told.port)
    assert (caught.value.code, told.plans) == ("nonsense", [])


def test_rows_for_ever_are_cut_and_stopped_at_the_server() -> None:
    with rogue_spark(for_ever(lambda: arrow(BIG))) as told, closing(open_at(told.port)) as source:
        found = source.execute("SELECT 1", (), Limits(1000, 10_000_000, 60))
        assert (found.table.num_rows, found.is_truncated) == (1000, True)
        assert told.interrupted
    assert answer_of(for_ever(lambda: arrow(BIG)), Limits(10**9, 5_000_000, 60)) == "too_large"


def test_a_server_whose_settings_do_not_hold_is_not_asked() -> None:
    def lax(response: Any, context: Any) -> Any:
        for pair in response.pairs:
            pair.value = "true"
        return response

    with rogue_spark(one, config=lax) as told:
        with pytest.raises(WarehouseError) as caught:
            open_at(told.port)
        assert (caught.value.code, told.plans) == ("nonsense", [])


def test_words_of_a_server_stand_in_no_error_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    import grpc

    caplog.set_level(logging.DEBUG)

    def failing(request: Any, context: Any) -> Iterator[Any]:
        context.abort(grpc.StatusCode.INTERNAL, "canary")
        yield nothing()

    with (
        rogue_spark(failing) as told,
        closing(open_at(told.port)) as source,
        pytest.raises(WarehouseError) as caught,
    ):
        source.execute("SELECT 'canary'", ("canary",), QUICK)
    assert "canary" not in caplog.text + str(caught.value) + repr(caught.value) + caught.value.hint


@pytest.mark.parametrize("status", ["UNAUTHENTICATED", "PERMISSION_DENIED"])
def test_a_refused_token_is_said_to_be_refused(
    status: str, trusted: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import grpc

    caplog.set_level(logging.DEBUG)
    held = papers("localhost")
    Path(trusted).write_bytes(held.authority)
    with (
        rogue_spark(one, held=held, config=lambda _, context: context.abort(grpc.StatusCode[status], PASSWORD)) as told,
        pytest.raises(WarehouseError) as caught,
    ):
        open_at(told.port, "localhost", ("sslmode", "verify-full"), secret=PASSWORD)
    assert caught.value.code == "refused_credentials"
    assert PASSWORD not in caplog.text + str(caught.value)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the file with the authorities that this process trusts."""
    path = str(tmp_path / "authorities.pem")
    monkeypatch.setenv("SSL_CERT_FILE", path)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return path


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_token_goes_to_the_server_whose_name_was_verified_at_the_pinned_address(trusted: str, host: str) -> None:
    held = papers(host)
    Path(trusted).write_bytes(held.authority)
    with (
        rogue_spark(one, held=held) as told,
        closing(open_at(told.port, host, ("sslmode", "verify-full"), secret=PASSWORD)) as source,
    ):
        source.check()
        assert PASSWORD not in repr(vars(source)) + repr(source)
    assert ("authorization", f"Bearer {PASSWORD}") in told.headers


def test_a_certificate_for_another_name_or_by_another_authority_gets_no_token(trusted: str) -> None:
    stranger = papers("localhost")
    for held, authority in ((papers("db.example"), None), (papers("localhost"), stranger.authority)):
        Path(trusted).write_bytes(authority or held.authority)
        with rogue_spark(one, held=held) as told, pytest.raises(WarehouseError) as caught:
            open_at(told.port, "localhost", ("sslmode", "verify-full"), secret=PASSWORD)
        assert (caught.value.code, "certificate" in caught.value.hint) == ("unreachable", True)
        assert told.headers == []


def test_a_server_without_tls_gets_no_token(trusted: str) -> None:
    Path(trusted).write_bytes(papers("localhost").authority)
    with rogue_spark(one) as told, pytest.raises(WarehouseError) as caught:
        open_at(told.port, "localhost", ("sslmode", "verify-full"), secret=PASSWORD)
    assert (caught.value.code, told.headers) == ("unreachable", [])
    with rogue(lambda guest: (guest.hear(), guest.hang())) as server:
        with pytest.raises(WarehouseError):
            open_at(server.port, "localhost", ("sslmode", "verify-full"), secret=PASSWORD)
        assert PASSWORD.encode() not in server.heard


def test_the_environment_leads_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with rogue(lambda guest: guest.hear()) as proxy, rogue_spark(one) as told:
        for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("SPARK_REMOTE", f"sc://127.0.0.1:{proxy.port}")
        with closing(open_at(told.port)) as source:
            source.check()
    assert proxy.heard == b""


def test_no_thread_is_left_behind() -> None:
    import threading

    before = threading.active_count()
    for _ in range(3):
        with rogue(lambda guest: guest.hang()) as server, pytest.raises(WarehouseError):
            open_at(server.port)
    assert rogues.wait_until(lambda: threading.active_count() <= before)
