"""Addresses under /scim/v2/. The middleware has let a SCIM token in and nobody else; each request is one transaction."""

import json
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import RequestDataTooBig, ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from psycopg.errors import UniqueViolation
from pydantic import ValidationError as MalformedError
from scim2_models import (
    ConflictException,
    Context,
    Error,
    ForbiddenException,
    InvalidSyntaxException,
    InvalidValueException,
    ListResponse,
    NotFoundException,
    NotImplementedException,
    PayloadTooLargeException,
    PreconditionFailedException,
    SCIMException,
    UniquenessException,
)

from apps.accounts.models import User, UserGroup
from apps.accounts.scim import filters, groups, people, removals, resources
from apps.accounts.scim.schemas import MAX_PAGE, PAGE, POLICY, Served, messages_of

TYPE = "application/scim+json"
MAX_INDEX = 10**9
MAX_OPERATIONS = 1_000
READ = ("filter", "startIndex", "count", "attributes", "excludedAttributes")
KNOWN = (SCIMException, MalformedError, RequestDataTooBig, ValidationError, IntegrityError)
logger = logging.getLogger(__name__)
View = Callable[..., HttpResponse]


class _MethodNotAllowedError(SCIMException):
    status = 405
    _default_detail = "This address does not take this method."


def scim_view(*methods: str) -> Callable[[View], View]:
    """Answer as RFC 7644 wants it: one transaction, its own content type, its own errors, whatever happens."""

    def decorate(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                if getattr(request.actor, "kind", "") != "scim":  # type: ignore[attr-defined]  # bound by the middleware
                    raise NotFoundException
                if request.method not in methods:
                    raise _MethodNotAllowedError
                with transaction.atomic(), POLICY:
                    return view(request, *args, **kwargs)
            except KNOWN as error:
                return _refusal(error)
            except RecursionError:
                return _refusal(InvalidSyntaxException(detail="The body nests too deep."))
            except Exception:  # whatever it is: the client gets SCIM's own kind of answer, and nothing has changed
                logger.exception("a SCIM request failed")
                return _json(Error(status=500, detail="The request failed. Nothing was changed.").model_dump(), 500)

        return answer

    return decorate


def _refusal(error: Exception) -> HttpResponse:
    if isinstance(error, SCIMException):
        found = error.to_error()
        found.detail = (found.detail or "").partition("\n    For further information")[0]
    elif isinstance(error, MalformedError):
        found = Error.from_validation_errors(error)[0]
    elif isinstance(error, RequestDataTooBig):
        found = PayloadTooLargeException().to_error()
    elif isinstance(error, ValidationError):
        found = InvalidValueException(detail="; ".join(error.messages)).to_error()
    else:
        # two requests at once: the database has refused the second
        is_taken = isinstance(error.__cause__, UniqueViolation)
        found = (UniquenessException() if is_taken else ConflictException()).to_error()
    return _json(found.model_dump(), found.status or 500)


def _json(body: Any, status: int = 200, *, location: str = "", version: str = "") -> HttpResponse:
    response = HttpResponse(json.dumps(body), status=status, content_type=TYPE)
    for name, value in (("Location", location), ("ETag", version)):
        if value:
            response[name] = value
    return response


def _body(request: HttpRequest) -> dict[str, Any]:
    """Return the body's object; texts that the database could not keep are refused here."""
    try:
        text = request.body.decode()
        found = json.loads(text, parse_constant=_no_constant)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise InvalidSyntaxException(detail="The body is no JSON.") from None
    if not isinstance(found, dict) or "\\u0000" in text:
        raise InvalidSyntaxException(detail="The body is no object, or holds a character that cannot be kept.")
    return found


def _changes(request: HttpRequest) -> dict[str, Any]:
    """Return the body of a PATCH, unless it has more operations than one request may: they are worked on one by one."""
    found = _body(request)
    wanted = [value for name, value in found.items() if name.lower() == "operations"]
    if any(isinstance(value, list) and len(value) > MAX_OPERATIONS for value in wanted):
        raise PayloadTooLargeException(detail=f"A PATCH has at most {MAX_OPERATIONS} operations; send several.")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _base(request: HttpRequest) -> str:
    return request.build_absolute_uri("/scim/v2")


def _by(request: HttpRequest) -> dict[str, Any]:
    return {"by": request.actor, "now": timezone.now()}  # type: ignore[attr-defined]  # bound by the middleware


def _kind(kind: str, served: Served) -> tuple[Any, Any, Any, Any]:
    """Return rows, filter table, model of answers and model of requests."""
    if kind == resources.PEOPLE:
        return resources.people(), filters.PEOPLE, served.user, served.sent
    return resources.groups(), filters.GROUPS, served.group, served.sent_group


def _save(kind: str, row: Any, sent: Any, served: Served, request: HttpRequest) -> Any:
    if kind == resources.PEOPLE:
        return people.save_person(row, sent, served, **_by(request))
    return groups.save_group(row, sent, **_by(request))


@scim_view("GET", "POST")
def collection(request: HttpRequest, kind: str) -> HttpResponse:
    """List people or groups, or make one."""
    if request.method == "POST":
        return _create(request, kind)
    return _list(request, kind, {name: request.GET[name] for name in READ if name in request.GET})


@scim_view("POST")
def search(request: HttpRequest, kind: str) -> HttpResponse:
    """List people or groups; what is asked for is in the body."""
    asked = _body(request)
    return _list(request, kind, {name: value for name, value in asked.items() if name in READ})


def _create(request: HttpRequest, kind: str) -> HttpResponse:
    served = Served()
    rows, _, _, model = _kind(kind, served)
    sent = model.model_validate(_body(request), scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    made = _save(kind, None, sent, served, request)
    return _one(request, served, resources.one(rows, str(made.pk)), Context.RESOURCE_CREATION_RESPONSE, status=201)


def _list(request: HttpRequest, kind: str, asked: dict[str, Any]) -> HttpResponse:
    served = Served()
    rows, table, model, _ = _kind(kind, served)
    filters.check_text(str(asked.get("filter", "")))
    wanted = messages_of(model).search.model_validate(asked)
    start = min(wanted.start_index or 1, MAX_INDEX)
    count = min(PAGE if wanted.count is None else wanted.count, MAX_PAGE)
    rendering = resources.Rendering(served, _base(request))
    found: Any = filters.in_order(rows)
    is_whole = True
    if wanted.filter is not None:
        found, is_whole = filters.narrowed(found, wanted.filter, table)
    if not is_whole:
        found = filters.matching(found, wanted.filter, rendering.resource)
    total = found.count() if is_whole else len(found)
    page = [rendering.resource(row) for row in found[start - 1 : start - 1 + count]] if count else []
    answer = messages_of(model).listed(total_results=total, start_index=start, items_per_page=len(page), resources=page)
    return _json(answer.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=wanted))


@scim_view("GET", "PUT", "PATCH", "DELETE")
def single(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """Read, replace, change or remove one person or group."""
    served = Served()
    rows, _, _, model = _kind(kind, served)
    if request.method == "GET":
        return _one(request, served, resources.one(rows, key), Context.RESOURCE_QUERY_RESPONSE)
    row = _locked(request, served, rows, kind, key)
    if request.method == "DELETE":
        remove: Any = people.remove_person if kind == resources.PEOPLE else groups.remove_group
        remove(row, **_by(request))
        return HttpResponse(status=204)
    if request.method == "PUT":
        sent = model.model_validate(_body(request), scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST)
        context = Context.RESOURCE_REPLACEMENT_RESPONSE
    else:
        sent = resources.Rendering(served, _base(request)).sent(row)
        _patch(kind, model, sent, _changes(request))
        context = Context.RESOURCE_PATCH_RESPONSE
        if kind == resources.PEOPLE and sent.active is None:
            raise InvalidValueException(detail="active is true or false; it cannot be removed.")
    _save(kind, row, sent, served, request)
    return _one(request, served, resources.one(rows, key), context)


def _patch(kind: str, model: Any, sent: Any, changes: dict[str, Any]) -> None:
    """Apply the operations of a PATCH to a resource."""
    gone = removals.only_removals(changes) if kind == resources.GROUPS else None
    if gone is not None:
        sent.members = removals.without(sent.members, gone)
        return
    messages_of(model).patch.model_validate(changes, scim_ctx=Context.RESOURCE_PATCH_REQUEST).patch(sent)


def _locked(request: HttpRequest, served: Served, rows: Any, kind: str, key: str) -> Any:
    """Return the row, locked until the transaction ends, as long as it is what the client has seen."""
    row = resources.one(rows, key)
    table: Any = User if kind == resources.PEOPLE else UserGroup
    table.objects.select_for_update().get(pk=row.pk)
    row = resources.one(rows, key)
    expected = request.headers.get("If-Match")
    if expected is not None and expected != "*":
        version = resources.Rendering(served, _base(request)).payload(row)["meta"]["version"]
        if version not in [tag.strip() for tag in expected.split(",")]:
            raise PreconditionFailedException(detail="The resource has changed since it was read.")
    return row


def _one(request: HttpRequest, served: Served, row: Any, context: Context, *, status: int = 200) -> HttpResponse:
    resource: Any = resources.Rendering(served, _base(request)).resource(row)
    version, location = resource.meta.version, resource.meta.location
    if request.method == "GET" and version in [
        tag.strip() for tag in request.headers.get("If-None-Match", "").split(",")
    ]:
        return HttpResponse(status=304, headers={"ETag": version})
    asked = {name: request.GET[name] for name in ("attributes", "excludedAttributes") if name in request.GET}
    model: Any = type(resource)
    wanted = messages_of(model).parameters.model_validate(asked)
    body = resource.model_dump(scim_ctx=context, response_parameters=wanted)
    return _json(body, status, location=location, version=version)


@scim_view("GET")
def configuration(request: HttpRequest) -> HttpResponse:
    """Say what this service can do."""
    config = Served().provider.config
    body = config.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE) if config else {}
    meta = {"resourceType": "ServiceProviderConfig", "location": f"{_base(request)}/ServiceProviderConfig"}
    return _json(body | {"meta": meta})


@scim_view("GET")
def discovery(request: HttpRequest, kind: str, key: str = "") -> HttpResponse:
    """List what is served, or its schemas, or give one of them."""
    if "filter" in request.GET:
        raise ForbiddenException(detail="What is served cannot be filtered.")
    provider = Served().provider
    found = provider.schemas if kind == "Schemas" else provider.resource_types
    bodies = [
        item.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
        | {"meta": {"resourceType": kind.removesuffix("s"), "location": f"{_base(request)}/{kind}/{item.id}"}}
        for item in found
    ]
    if key:
        matching = [body for body in bodies if body["id"].lower() == key.lower()]
        if not matching:
            raise NotFoundException(detail="There is no such resource.")
        return _json(matching[0])
    envelope = ListResponse.__schema__
    return _json(
        {
            "schemas": [str(envelope)], "totalResults": len(bodies), "startIndex": 1, "itemsPerPage": len(bodies),
            "Resources": bodies,
        }
    )  # fmt: skip


@scim_view("GET", "POST", "PUT", "PATCH", "DELETE")
def not_offered(request: HttpRequest) -> HttpResponse:
    """Say that bulk requests, searches over everything and the caller's own person are not offered."""
    raise NotImplementedException(detail="This is not offered; see /ServiceProviderConfig.")


@scim_view("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
def nothing(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer for every other address."""
    raise NotFoundException(detail="There is nothing at this address.")
