"""Downloads: the same rows as an answer, sealed in chunks that hold together, and rights that are read when they flow."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pytest_django import Settings

from apps.access.selectors import actor_for_token, actor_for_user
from apps.access.services import revoke_permission
from apps.accounts.models import ApiToken, User, UserAttribute, UserGroup
from apps.accounts.services import issue_token, set_active
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset
from apps.queries import chunks, downloads
from apps.queries.downloads import Flow
from apps.queries.errors import NoDownloadError, QueryFailedError, UnknownRunError
from apps.queries.keeping import forget_everything, set_longest_kept
from apps.queries.models import Download, DownloadChunk, DownloadLimit, QueryRun
from apps.queries.services import run_state
from apps.queries.views import ARROW
from apps.retention.services import purge_expired
from apps.semantic.errors import MalformedQueryError, QueryError, UnknownDatasetError
from apps.vault.errors import ExpiredKeyError, SealError
from tests.apps.conftest import SignedIn
from tests.apps.queries.conftest import Ask
from tests.apps.queries.test_api import Send, send

__all__ = ["send"]
ALL = {"dataset": "Sales", "fields": ["orders.status", "orders.placed[date]", "orders.count"], "sorts": [{"field": "orders.placed[date]"}]}  # fmt: skip
MANY = 40_000


@pytest.fixture
def many(source: Path, sales: Dataset) -> None:
    """So many orders that they take several chunks."""
    with duckdb.connect(str(source)) as connection:
        connection.execute(
            "INSERT INTO orders SELECT 'US', 's' || md5(i::VARCHAR) || md5((i + 1)::VARCHAR), 'x@example.com',"
            f" TIMESTAMP '2024-01-01' + INTERVAL (i) MINUTE, 1 FROM range({MANY}) t(i)"
        )


def begun(who: User, question: dict[str, Any] = ALL) -> Any:
    return downloads.begin(actor_for_user(User.objects.get(pk=who.pk)), question, now=datetime.now(UTC))


def flow(who: User, run_id: Any) -> Flow:
    found = downloads.flow(actor_for_user(User.objects.get(pk=who.pk)), run_id, now=datetime.now(UTC))
    assert isinstance(found, Flow)
    return found


def rows_of(found: Flow) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(found.csv()).decode())))[1:]


@pytest.mark.usefixtures("many")
def test_a_download_has_the_rows_of_the_answer_in_many_chunks(max_: User, source: Path) -> None:
    found = flow(max_, begun(max_, {"dataset": "Sales", "fields": ["orders.status", "orders.count"]}))
    assert found.download.chunks > 2
    rows = rows_of(found)
    with duckdb.connect(str(source), read_only=True) as connection:
        wanted = connection.execute("SELECT status, count(*) FROM orders GROUP BY 1").fetchall()
    assert sorted((status, int(count)) for status, count in rows) == sorted(wanted)
    assert (found.download.row_count, found.download.is_truncated) == (len(wanted), False)
    stream = pa.ipc.open_stream(io.BytesIO(b"".join(found.arrow()))).read_all()
    assert stream.column_names == ["orders.status", "orders.count"]
    assert stream.num_rows == len(wanted)


def test_each_person_downloads_their_rows_and_an_answers_csv_is_the_same(ask: Ask, eve: User, max_: User) -> None:
    for who, count in ((eve, 3), (max_, 7)):
        found = flow(who, begun(who))
        assert sum(int(row[-1]) for row in rows_of(found)) == count
        answer = ask(who, *ALL["fields"], sorts=ALL["sorts"])
        assert b"".join(found.csv()) == answer.to_csv()


def test_equal_rights_share_what_is_kept_and_another_limit_does_not(eve: User) -> None:
    first = flow(eve, begun(eve))
    assert QueryRun.objects.filter(attempts=1).count() == 1
    again = flow(eve, begun(eve))
    assert again.download.series == first.download.series
    assert QueryRun.objects.filter(attempts=1).count() == 1
    less = flow(eve, begun(eve, ALL | {"limit": 2}))
    assert less.download.series != first.download.series


def test_rows_beyond_the_limit_are_cut_and_said_so(max_: User, sales: Dataset, settings: Settings) -> None:
    assert not flow(max_, begun(max_)).download.is_truncated
    settings.OMNI_DOWNLOAD_MAX_ROWS = 5
    cut = flow(max_, begun(max_))
    assert (len(rows_of(cut)), cut.download.row_count, cut.download.is_truncated) == (5, 5, True)
    DownloadLimit.objects.create(dataset=sales, max_rows=4)
    assert len(rows_of(flow(max_, begun(max_, ALL | {"limit": 100_000})))) == 4
    whole = flow(max_, begun(max_, {"dataset": "Sales", "fields": ["orders.region", "orders.count"], "limit": 2}))
    assert (whole.download.row_count, whole.download.is_truncated) == (2, False)
    DownloadLimit.objects.update(max_rows=0)
    with pytest.raises(NoDownloadError):
        begun(max_)


def test_parts_that_only_a_page_shows_are_refused(max_: User) -> None:
    for part, value in (("totals", True), ("pivots", ["orders.status"]), ("limit", 0), ("limit", "5")):
        with pytest.raises(MalformedQueryError) as caught:
            begun(max_, ALL | {part: value})
        assert caught.value.path == part


def test_rights_are_read_again_when_it_begins_to_flow(
    eve: User, max_: User, analysts: UserGroup, sales: Dataset, now: datetime
) -> None:
    run = begun(eve)
    assert rows_of(flow(eve, run))
    with pytest.raises(UnknownRunError):
        flow(max_, run)
    UserAttribute.objects.filter(user=eve).update(values=["US"])
    with pytest.raises(QueryFailedError, match="access"):
        flow(eve, run)
    revoke_permission(group=analysts, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    with pytest.raises(UnknownDatasetError):
        flow(eve, run)
    with pytest.raises(QueryError):
        begun(eve)


def shut_out(who: User) -> None:
    set_active(who, is_active=False, by=SYSTEM, now=datetime.now(UTC))


def take_token(who: User) -> None:
    ApiToken.objects.filter(user=who).update(revoked_at=datetime.now(UTC))


def take_permission(who: User) -> None:
    group, sales = UserGroup.objects.get(name="Analysts"), Dataset.objects.get(name="Sales")
    revoke_permission(group=group, permission="query_dataset", obj=sales, by=SYSTEM, now=datetime.now(UTC))


def take_region(who: User) -> None:
    UserAttribute.objects.filter(user=who).update(values=["US"])


def change_nothing(who: User) -> None:
    """What goes on to its end."""


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("form", ["csv", "arrow"])
@pytest.mark.parametrize("change", [change_nothing, shut_out, take_token, take_permission, take_region])
def test_who_may_have_it_no_more_gets_no_further_chunk(max_: User, change: Callable[[User], None], form: str) -> None:
    token = issue_token(user=max_, name="Export", days=1, by=SYSTEM, now=datetime.now(UTC))
    actor = actor_for_token(token, now=datetime.now(UTC), is_inside=True)
    assert actor is not None
    run = downloads.begin(
        actor, {"dataset": "Sales", "fields": ["orders.status", "orders.count"]}, now=datetime.now(UTC)
    )
    found = downloads.flow(actor, run, now=datetime.now(UTC))
    assert isinstance(found, Flow)
    assert found.download.chunks > 2
    pieces = getattr(found, form)()
    assert next(pieces)
    assert next(pieces)
    change(max_)
    if change is change_nothing:
        assert len(list(pieces)) >= found.download.chunks - 1
        return
    with pytest.raises((QueryFailedError, QueryError)):
        list(pieces)


@pytest.mark.usefixtures("many")
def test_chunks_cannot_be_reordered_dropped_mixed_or_called_the_last(max_: User) -> None:
    question = {"dataset": "Sales", "fields": ["orders.status", "orders.count"]}
    found = flow(max_, begun(max_, question))
    other = flow(max_, begun(max_, question | {"limit": 30_000}))
    assert len(rows_of(found)) == found.download.row_count
    mine = {chunk.number: bytes(chunk.sealed) for chunk in DownloadChunk.objects.filter(series=found.download.series)}
    theirs = {chunk.number: bytes(chunk.sealed) for chunk in DownloadChunk.objects.filter(series=other.download.series)}

    def put(number: int, sealed: bytes) -> None:
        DownloadChunk.objects.filter(series=found.download.series, number=number).update(sealed=sealed)

    for number, sealed in ((0, mine[1]), (1, theirs[1]), (0, mine[0][:-1] + bytes([mine[0][-1] ^ 1]))):
        put(number, sealed)
        with pytest.raises(SealError):
            rows_of(found)
        put(number, mine[number])
    for change in ({"chunks": found.download.chunks - 1}, {"row_count": 7}, {"is_truncated": True}):
        lying = Download.objects.get(pk=found.download.pk)
        for name, value in change.items():
            setattr(lying, name, value)
        with pytest.raises(SealError):
            rows_of(replace(found, download=lying))
    assert len(rows_of(found)) == found.download.row_count
    DownloadChunk.objects.filter(series=found.download.series, number=1).delete()
    with pytest.raises(DownloadChunk.DoesNotExist):
        rows_of(found)


def test_it_dies_on_time_with_the_purge_dead_and_goes_with_it(eve: User, settings: Settings) -> None:
    run = begun(eve)
    late = datetime.now(UTC) + timedelta(seconds=settings.OMNI_CACHE_DEFAULT_AGE_S + 7200)
    found = flow(eve, run)
    assert chunks.find(found.plan, now=late) is None
    purge_expired(now=late)
    assert not Download.objects.exists()
    assert not DownloadChunk.objects.exists()
    with pytest.raises((ExpiredKeyError, DownloadChunk.DoesNotExist)):
        rows_of(found)


def test_where_nothing_is_kept_it_is_for_those_who_had_it_made(eve: User, ada: User, now: datetime) -> None:
    set_longest_kept(0, by=SYSTEM, now=now)
    first = flow(eve, begun(eve))
    assert first.download.is_handover
    assert rows_of(first)
    second = flow(eve, begun(eve))
    assert second.download.series != first.download.series
    assert DownloadChunk.objects.filter(series=first.download.series).count() == 0  # replaced


def test_forgetting_everything_ends_a_download_in_the_middle(eve: User, now: datetime) -> None:
    found = flow(eve, begun(eve))
    pieces = found.csv()
    assert next(pieces).startswith(b"Status")
    forget_everything(by=SYSTEM, now=now)
    with pytest.raises((ExpiredKeyError, DownloadChunk.DoesNotExist)):
        next(pieces)


def test_asking_and_flowing_are_on_record_without_values(eve: User) -> None:
    list(flow(eve, begun(eve, ALL | {"filters": {"orders.status": {"is": "paid"}}})).csv())
    for verb in ("queries.download_asked", "queries.download_begun"):
        event = AuditEvent.objects.get(verb=verb)
        assert event.actor_id == eve.pk
        assert "paid" not in str(event.facts)
    assert AuditEvent.objects.get(verb="queries.download_begun").facts["rows"] == 2


def test_over_http(send: Send, eve: User, max_: User, signed_in: SignedIn) -> None:
    browser = signed_in(eve)
    asked = browser.post("/api/v1/downloads", ALL, content_type="application/json")
    assert asked.status_code == 202
    place, run = asked["Location"], asked.json()["run_id"]
    told = browser.get(f"/api/v1/runs/{run}").json()
    assert told == {"run_id": run, "state": "done", "rows": 3, "download": place}
    file = browser.get(place)
    assert (file["Content-Type"], file["Omni-Truncated"], file["Omni-Rows"]) == ("text/csv", "false", "3")
    assert file.getvalue().count(b"\r\n") == 4
    arrow = browser.get(place, headers={"accept": ARROW})
    assert pa.ipc.open_stream(io.BytesIO(arrow.getvalue())).read_all().num_rows == 3
    missing = browser.get("/api/v1/downloads/00000000-0000-0000-0000-000000000001")
    for stranger in (signed_in(max_).get(place), send(eve, place)):  # another person; a token that did not ask
        assert (stranger.status_code, stranger.content) == (404, missing.content)
    assert browser.post("/api/v1/downloads", ALL | {"dataset": "X"}, content_type="application/json").status_code == 404


def test_a_download_is_no_answer_of_a_run(eve: User, now: datetime) -> None:
    run_id = begun(eve)
    assert flow(eve, run_id).download.row_count
    with pytest.raises(UnknownRunError):
        run_state(actor_for_user(eve), run_id, now=now)


@pytest.mark.usefixtures("nobody_works")
def test_until_it_is_there_it_says_how_far_it_is_and_can_be_cancelled(signed_in: SignedIn, eve: User) -> None:
    browser = signed_in(eve)
    asked = browser.post("/api/v1/downloads", ALL, content_type="application/json")
    waiting = browser.get(asked["Location"])
    assert (waiting.status_code, waiting.json()["position"]) == (202, 1)
    assert browser.delete(f"/api/v1/runs/{asked.json()['run_id']}").status_code == 204
    for place in (asked["Location"], f"/api/v1/runs/{asked.json()['run_id']}"):
        cancelled = browser.get(place)
        assert (cancelled.status_code, cancelled.json()["code"]) == (409, "cancelled")


def test_a_limit_is_set_and_changed_on_its_page(signed_in: SignedIn, ada: User, sales: Dataset) -> None:
    browser, base = signed_in(ada), "/admin/queries/downloadlimit/"
    made = browser.post(f"{base}add/", {"limit-dataset": str(sales.pk), "limit-max_rows": "5"})
    assert made.status_code == 302
    row = DownloadLimit.objects.get()
    form = browser.get(f"{base}{row.pk}/change/").context["adminform"].form
    sent = {field.html_name: str(field.value()) for field in form} | {"limit-max_rows": "7"}
    assert browser.post(f"{base}{row.pk}/change/", sent)["Location"] == base
    row.refresh_from_db()
    assert (row.dataset_id, row.max_rows) == (sales.pk, 7)
