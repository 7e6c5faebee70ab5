"""What every template may know of the request."""

from typing import Any

from django.http import HttpRequest


def actor(request: HttpRequest) -> dict[str, Any]:
    """Return ``actor`` and ``tenant``; both are None where the middleware has not run."""
    return {"actor": getattr(request, "actor", None), "tenant": getattr(request, "tenant", None)}
