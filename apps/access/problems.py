"""Errors of the API below queries: RFC 9457, nothing of the inside."""

from django.http import HttpResponse, JsonResponse


def problem(status: int, title: str, detail: str, *, code: str = "") -> HttpResponse:
    """Return a problem document."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if code:
        body["code"] = code
    return JsonResponse(body, status=status, content_type="application/problem+json")
