"""The JSON API: parse, call one service or selector, answer."""

import logging
from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from apps.access.errors import UnknownPersonError
from apps.access.types import Actor
from apps.governance.explain import public
from apps.governance.offering import context_of, dataset_fields, listed_datasets
from apps.governance.selectors import governed_by_name
from apps.queries import downloads, services
from apps.queries.bodies import TooLargeError, json_body
from apps.queries.errors import QueryFailedError, UnknownRunError
from apps.queries.explaining import explained, explained_person
from apps.queries.line import Priority
from apps.queries.listing import field_body
from apps.queries.planning import as_query
from apps.queries.policies import DASHBOARDS_ONLY, may_ask
from apps.queries.problems import STATUS, not_found, problem
from apps.queries.types import Answer, Pending
from apps.queries.whole import refresh_whole, whole_answer, whole_run
from apps.semantic.errors import QueryError, UnprovenSqlError
from apps.semantic.query.writing import defaults_of

logger = logging.getLogger(__name__)
UNPROVEN = "The statement could not be shown to stay within your rights. It was not run; the log has the reason."
JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
WAIT_S = 30.0
View = Callable[..., HttpResponseBase]


def api(*methods: str) -> Callable[[View], View]:
    """Allow some methods, and turn errors into problem documents."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: str, **kwargs: str) -> HttpResponseBase:
            if request.method not in methods:
                return problem(405, f"Use {' or '.join(methods)}.")
            if not may_ask(_actor(request)):
                return problem(403, DASHBOARDS_ONLY, code="role")
            try:
                return view(request, *args, **kwargs)
            except TooLargeError:
                return problem(413, "The request is larger than a question can be.")
            except QueryError as error:
                return problem(STATUS.get(error.code, 400), error.message, code=error.code, path=error.path)
            except QueryFailedError as error:
                return problem(STATUS.get(error.code, 502), error.message, code=error.code)
            except (UnknownRunError, UnknownPersonError):
                return not_found()
            except UnprovenSqlError:
                logger.exception("a statement was not proven and not run")
                return problem(500, UNPROVEN, code="unproven")

        return checked

    return decorate


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # bound by the middleware
    return actor


@api("GET")
def datasets(request: HttpRequest) -> HttpResponse:
    """List the data sets that the caller may query, but those that the model hides from lists."""
    found = [
        {"id": dataset.pk, "name": dataset.name, "label": dataset.label, "description": dataset.description}
        for dataset in listed_datasets(_actor(request))
    ]
    return JsonResponse({"datasets": found})


@api("GET")
def dataset(request: HttpRequest, name: str) -> HttpResponse:
    """Describe a data set: the fields that the caller may use."""
    found = governed_by_name(_actor(request), name)
    usable = dataset_fields(found)
    fields = [field_body(info) for info in usable if not info.is_hidden]
    body = {
        "id": found.dataset.pk,
        "name": name,
        "label": found.dataset.label,
        "description": found.dataset.description,
        "ai_context": context_of(found),
        "fields": fields,
        "limits": found.limits,
        "defaults": defaults_of(name, found.model, {info.name for info in usable if not info.is_masked}),
    }
    return JsonResponse(body)


@api("POST")
def query(request: HttpRequest) -> HttpResponse:
    """Answer a question, at once when it is known, else within thirty seconds, else later."""
    if request.content_type != JSON:
        return problem(415, f"Send {JSON}.")
    kind = _accepted(request)
    if kind is None:
        return problem(406, f"Available: {JSON}, {CSV}, {ARROW}.")
    is_async = "respond-async" in request.headers.get("Prefer", "")
    wait_s = 0.0 if is_async else WAIT_S
    question, now = json_body(request), timezone.now()
    if "no-cache" in request.headers.get("Cache-Control", ""):
        refresh_whole(_actor(request), question, now=now)
    outcome = whole_answer(_actor(request), question, now=now, wait_s=wait_s, priority=_priority(request))
    return _respond(outcome, kind)


@api("GET", "DELETE")
def run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Say how far a run of the caller's is, or cancel it."""
    now = timezone.now()
    if request.method == "DELETE":
        services.cancel_run(_actor(request), run_id, now=now)
        return HttpResponse(status=204)
    if services.own_run(_actor(request), run_id, now=now).is_download:
        return _download_state(request, run_id)
    kind = _accepted(request) or JSON
    return _respond(whole_run(_actor(request), run_id, now=now), kind, is_poll=True)


def _download_state(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Say how far a download is; when it can be fetched, where."""
    run = downloads.state(_actor(request), run_id, now=timezone.now())
    if isinstance(run, Pending):
        return _pending(run, f"/api/v1/runs/{run_id}", status=200)
    if run.error_code:
        raise QueryFailedError(run.error_code)
    body = {"run_id": run_id, "state": run.state, "rows": run.row_count, "download": f"/api/v1/downloads/{run_id}"}
    return JsonResponse(body)


@api("POST")
def begin_download(request: HttpRequest) -> HttpResponse:
    """Have a download made; it is looked at and fetched where ``Location`` says."""
    if request.content_type != JSON:
        return problem(415, f"Send {JSON}.")
    run_id = downloads.begin(_actor(request), json_body(request), now=timezone.now())
    location = f"/api/v1/downloads/{run_id}"
    return JsonResponse({"run_id": run_id}, status=202, headers={"Location": location, "Retry-After": "1"})


@api("GET")
def download(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    """Let a finished download flow, as CSV unless Arrow is asked for; until then say how far it is."""
    found = downloads.flow(_actor(request), run_id, now=timezone.now())
    if isinstance(found, Pending):
        return _pending(found, f"/api/v1/downloads/{run_id}", status=202)
    is_arrow = ARROW in request.headers.get("Accept", "")
    headers = {
        "Omni-Policy-Fingerprint": found.download.policy_fingerprint,
        "Omni-Truncated": str(found.download.is_truncated).lower(), "Omni-Rows": str(found.download.row_count),
        "Content-Disposition": f"attachment; filename=download.{'arrows' if is_arrow else 'csv'}",
    }  # fmt: skip
    pieces = found.arrow() if is_arrow else found.csv()
    return StreamingHttpResponse(pieces, content_type=ARROW if is_arrow else CSV, headers=headers)


@api("POST")
def explain_query(request: HttpRequest) -> HttpResponse:
    """Say what applies to the caller, or to the person whom an administrator names, without asking the source."""
    actor, body, now = _actor(request), json_body(request), timezone.now()
    if not isinstance(body, dict) or "person" not in body:
        found, sql = explained(actor, as_query(body), now=now)
        return JsonResponse(public(found, sql=sql))
    query = as_query({name: value for name, value in body.items() if name != "person"})
    found, sql = explained_person(body["person"], query, by=actor, now=now)
    return JsonResponse(public(found, sql=sql))


def _priority(request: HttpRequest) -> Priority:
    is_background = request.headers.get("Omni-Priority") == "background"
    return Priority.BACKGROUND if is_background else Priority.INTERACTIVE


def _accepted(request: HttpRequest) -> str | None:
    accepted = request.headers.get("Accept", "*/*")
    if "*/*" in accepted or JSON in accepted or "application/*" in accepted:
        return JSON
    return next((kind for kind in (CSV, ARROW) if kind in accepted), None)


def _pending(outcome: Pending, location: str, *, status: int) -> HttpResponse:
    body = {
        "run_id": outcome.run_id, "state": outcome.state, "queued_at": outcome.queued_at,
        "started_at": outcome.started_at, "position": outcome.position, "rows": outcome.rows,
        "progress": outcome.told(now=timezone.now()),
    }  # fmt: skip
    return JsonResponse(body, status=status, headers={"Location": location, "Retry-After": "1"})


def _respond(outcome: Answer | Pending, kind: str, *, is_poll: bool = False) -> HttpResponse:
    if isinstance(outcome, Pending):
        return _pending(outcome, f"/api/v1/runs/{outcome.run_id}", status=200 if is_poll else 202)
    if kind == CSV:
        content = outcome.to_csv()
    elif kind == ARROW:
        content = outcome.to_arrow()
    else:
        content = outcome.to_json()
    headers = {
        "Omni-Policy-Fingerprint": outcome.policy_fingerprint,
        "Omni-Truncated": str(outcome.is_truncated).lower(),
    }
    if kind != JSON:
        headers["Content-Disposition"] = f"attachment; filename=answer.{'csv' if kind == CSV else 'arrows'}"
    return HttpResponse(content, content_type=kind, headers=headers)


@api("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
def nothing(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer for every other address of the API."""
    return not_found()
