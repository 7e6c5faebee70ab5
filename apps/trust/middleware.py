"""Headers of every response: what a browser may load, keep and send."""

from collections.abc import Callable
from functools import lru_cache

from django.http import HttpRequest, HttpResponse

STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "manifest-src": "'self'",
}
# The admin theme writes styles into its pages (ADR 7).
ADMIN = STRICT | {"style-src": "'self' 'unsafe-inline'"}
OTHERS = {
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


@lru_cache(maxsize=256)
def policy_text(origins: tuple[str, ...], *, is_admin: bool) -> str:
    """Return the policy of a page. A form that ends at another origin after a redirect (sign-in, support entry) names it."""
    policy = (ADMIN if is_admin else STRICT) | {"form-action": " ".join(("'self'", *origins))}
    return "; ".join(f"{name} {value}" for name, value in policy.items())


class ResponseHeadersMiddleware:
    """Add them, to whatever answers; nothing dynamic is kept by browsers or proxies."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        origins: tuple[str, ...] = getattr(response, "csp_form_action", ())
        policy = policy_text(tuple(origins), is_admin=request.path.startswith("/admin/"))
        response.setdefault("Content-Security-Policy", policy)
        response.setdefault("Cache-Control", "no-store")
        for name, value in OTHERS.items():
            response.setdefault(name, value)
        return response
