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


class ResponseHeadersMiddleware:
    """Add them, to whatever answers; nothing dynamic is kept by browsers or proxies."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        policy = dict(ADMIN if request.path.startswith("/admin/") else STRICT)
        # A form that ends at another origin after a redirect (sign-in, support entry) must name it.
        origins: tuple[str, ...] = getattr(response, "csp_form_action", ())
        policy["form-action"] = " ".join(("'self'", *origins))
        response.setdefault("Content-Security-Policy", "; ".join(f"{name} {value}" for name, value in policy.items()))
        response.setdefault("Cache-Control", "no-store")
        for name, value in OTHERS.items():
            response.setdefault(name, value)
        return response
