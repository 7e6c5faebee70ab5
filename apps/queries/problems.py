"""Errors of the API: RFC 9457, one shape, nothing of the inside."""

from typing import Any

from django.http import HttpResponse, JsonResponse

TITLES = {
    400: "Bad request", 401: "Unauthorized", 403: "Forbidden", 404: "Not found", 405: "Method not allowed",
    406: "Not acceptable", 413: "Too large", 415: "Unsupported media type", 502: "The source did not answer",
    504: "The source took too long",
}  # fmt: skip
STATUS = {
    "unknown_dataset": 404, "forbidden": 404, "timed_out": 504, "unreachable": 502, "refused_credentials": 502,
    "refused_target": 502, "query_failed": 502, "too_large": 413, "missing_attribute": 403, "cancelled": 409,
    "changed": 409, "lost": 409, "scope": 403,
}  # fmt: skip


def problem(status: int, detail: str, *, code: str = "", path: str = "") -> HttpResponse:
    """Return an error; ``path`` says where in the request the fault is."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
    }
    if code:
        body["code"] = code
    if path:
        body["path"] = path
    return JsonResponse(body, status=status, content_type="application/problem+json")


def not_found(detail: str = "There is nothing here, or nothing for you.") -> HttpResponse:
    """Return the one answer for what is missing and what is forbidden."""
    return problem(404, detail)
