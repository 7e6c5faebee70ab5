"""Errors of the API: RFC 9457, one shape, nothing of the inside."""

from typing import Any

from django.http import HttpResponse, JsonResponse

TITLES = {
    400: "Bad request", 401: "Unauthorized", 403: "Forbidden", 404: "Not found", 405: "Method not allowed",
    406: "Not acceptable", 409: "Conflict", 413: "Too large", 415: "Unsupported media type", 422: "Failed on a value", 429: "Too many requests", 502: "The source could not answer",
    503: "Not available at the moment", 504: "The source took too long", 507: "No room",
}  # fmt: skip
STATUS = {
    "unknown_dataset": 404, "forbidden": 404, "timed_out": 504, "unreachable": 502, "refused_credentials": 502,
    "refused_target": 502, "query_failed": 502, "not_there": 502, "bad_value": 422, "too_large": 413, "missing_attribute": 403, "cancelled": 409,
    "changed": 409, "lost": 409, "scope": 403, "crashed": 502, "nonsense": 502,
    "no_queue": 503, "too_many_waiting": 429, "no_space": 507, "no_download": 403, "unreadable_model": 503,
}  # fmt: skip


RETRY_AFTER_S = {429: "5", 503: "5"}


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
    headers = {"Retry-After": RETRY_AFTER_S[status]} if status in RETRY_AFTER_S else None
    return JsonResponse(body, status=status, content_type="application/problem+json", headers=headers)


def not_found(detail: str = "There is nothing here, or nothing for you.") -> HttpResponse:
    """Return the one answer for what is missing and what is forbidden."""
    return problem(404, detail)
