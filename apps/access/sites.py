"""The two admin sites: a tenant's administrators on its host, our staff on the platform's."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from unfold.sites import UnfoldAdminSite

from apps.access.types import Actor
from apps.accounts.views import sign_out

View = Callable[..., HttpResponse]


class GovernedAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # the base has no types
    """An admin site without sign-in or password pages of its own; whoever may not open it finds nothing."""

    final_catch_all_view = True

    def has_permission(self, request: HttpRequest) -> bool:
        raise Http404

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Answer 404 where Django would send to a sign-in page: nobody learns that there is something here."""
        inner: View = super().admin_view(view, cacheable)

        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not self.has_permission(request):
                raise Http404
            return inner(request, *args, **kwargs)

        return update_wrapper(checked, view)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Anonymous people were sent to sign in by the middleware; everybody else finds nothing here."""
        raise Http404

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sign out, as everywhere else."""
        return sign_out(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        raise Http404

    def password_change_done(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        raise Http404


def _actor(request: HttpRequest) -> Actor | None:
    return getattr(request, "actor", None)


def environment(request: HttpRequest) -> list[str] | None:
    """Say on every page of the administration when it is open through a recovery link only."""
    actor = _actor(request)
    if actor is None or actor.kind != "recovery":
        return None
    return [f"Recovery until {request.session.ends_at:%H:%M} UTC: sign-in and people only", "warning"]  # type: ignore[attr-defined]  # of our own kind of session


class TenantAdminSite(GovernedAdminSite):
    """For whoever administers something of a tenant: that tenant's rows, each page for those whose roles hold it."""

    site_title = site_header = index_title = "Administration"

    def has_permission(self, request: HttpRequest) -> bool:
        """Let those in whose role, or whose permission on a single object, holds any page."""
        actor = _actor(request)
        return bool(actor and (actor.may_administer or any(opens(request) for opens in self._doors())))

    def _doors(self) -> list[Callable[[HttpRequest], bool]]:
        """Return what says of each page of single objects whether it is open to a reader without a role."""
        return [admin.is_open_to for admin in self._registry.values() if hasattr(admin, "is_open_to")]


class PlatformAdminSite(GovernedAdminSite):
    """For our staff: tenants and their hosts, nothing of what is in them."""

    site_title = site_header = index_title = "Platform"

    def has_permission(self, request: HttpRequest) -> bool:
        actor = _actor(request)
        return bool(actor and actor.kind == "person" and actor.is_platform_staff)


tenant_admin_site = TenantAdminSite(name="admin")
platform_admin_site = PlatformAdminSite(name="platform_admin")
