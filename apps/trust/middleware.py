"""Headers of every response: what a browser may load, keep and send."""

from collections.abc import Callable

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


def policy_text(policy: dict[str, str], origins: tuple[str, ...] = ()) -> str:
    """Return a policy as its header has it. A form that ends at another origin after a redirect (sign-in, support entry) names it."""
    named = policy | {"form-action": " ".join(("'self'", *origins))}
    return "; ".join(f"{name} {value}" for name, value in named.items())


STRICT_TEXT, ADMIN_TEXT = policy_text(STRICT), policy_text(ADMIN)
"""worked out once: of every answer but those that name an origin"""


class ResponseHeadersMiddleware:
    """Add them, to whatever answers; nothing dynamic is kept by browsers or proxies."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        origins: tuple[str, ...] = getattr(response, "csp_form_action", ())
        is_admin = request.path.startswith("/admin/")
        if origins:
            policy = policy_text(ADMIN if is_admin else STRICT, origins)
        else:
            policy = ADMIN_TEXT if is_admin else STRICT_TEXT
        response.setdefault("Content-Security-Policy", policy)
        response.setdefault("Cache-Control", "no-store")
        for name, value in OTHERS.items():
            response.setdefault(name, value)
        return response
