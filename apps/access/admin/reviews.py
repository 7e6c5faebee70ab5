"""Who can see what: pages, export, sign-off. For those whose roles hold the review of access."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from apps.access import reviewing
from apps.access.admin.base import ReadOnlyAdmin, actor_of
from apps.access.models import AccessReview
from apps.access.roles import LABELS, Capability
from apps.access.selectors import role_capabilities
from apps.access.sites import tenant_admin_site
from apps.accounts.attributes import lines_of
from apps.accounts.models import User


@admin.register(AccessReview, site=tenant_admin_site)
class AccessReviewAdmin(ReadOnlyAdmin):
    """Sign-offs, newest first; from here to every object and person that can be reviewed."""

    capability = Capability.REVIEW_ACCESS
    list_display = ("reviewed_at", "subject_label", "subject_kind", "entries", "reviewed_by_label", "note")
    list_filter = ("subject_kind",)
    search_fields = ("subject_label", "reviewed_by_label", "note")
    fields = ("subject_label", "subject_kind", "entries", "digest", "note", "reviewed_by_label", "reviewed_at")
    readonly_fields = fields
    change_list_template = "admin/access/review_list.html"

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("of/<slug:kind>/<uuid:key>/", wrap(review_page), name="access_review_page"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        subjects = [
            (kind.label, [(str(obj), _address(kind.name, obj.pk)) for obj in kind.within()[:200]])
            for kind in reviewing.kinds()
        ]
        people = User.objects.filter(is_active=True)[:200]
        subjects.append(("Person", [(str(user), _address(reviewing.PERSON, user.pk)) for user in people]))
        found: HttpResponse = super().changelist_view(request, {**(extra_context or {}), "subjects": subjects})
        return found


def _address(kind: str, key: UUID) -> str:
    return reverse("admin:access_review_page", args=(kind, key))


@require_http_methods(["GET", "POST"])
def review_page(request: HttpRequest, kind: str, key: UUID) -> HttpResponse:
    """Show who sees an object, or what a person sees; as CSV with ``?format=csv``; POST signs it off."""
    actor = actor_of(request)
    reviewing.reviewer_or_404(actor)
    subject = _subject(kind, key)
    entries = reviewing.what_sees(subject) if kind == reviewing.PERSON else reviewing.who_sees(kind, subject)
    if request.method == "POST":
        note = request.POST.get("note", "").strip()
        reviewing.sign_off(kind, subject, entries, note=note, by=actor, now=datetime.now(UTC))
        messages.success(request, "Signed off, with the list as it stands.")
        return HttpResponseRedirect(request.path)
    if request.GET.get("format") == "csv":
        headers = {"Content-Disposition": f'attachment; filename="access-{kind}-{key}.csv"'}
        return HttpResponse(reviewing.as_csv(entries), content_type="text/csv; charset=utf-8", headers=headers)
    context = {
        **tenant_admin_site.each_context(request), "opts": AccessReview._meta, "title": f"Access: {subject}",
        "subject": subject, "kind": kind, "is_person": kind == reviewing.PERSON, "entries": entries,
        "reviews": reviewing.last_reviews(kind, key)[:20], **(_about(subject) if kind == reviewing.PERSON else {}),
    }  # fmt: skip
    return TemplateResponse(request, "admin/access/review_page.html", context)


def _subject(kind: str, key: UUID) -> Any:
    if kind != reviewing.PERSON:
        return reviewing.object_or_404(kind, key)
    user = User.objects.filter(pk=key).first()
    if user is None:
        raise Http404
    return user


def _about(user: User) -> dict[str, Any]:
    """Return what else decides on what a person sees: attributes with where they came from, and roles."""
    attributes = [line for line in lines_of(user.pk) if line.holds]
    held = role_capabilities(user)
    may = [text for capability, text in LABELS.items() if capability in held]
    may = ["administer everything: tenant administrator"] if user.is_tenant_admin else may
    return {"attributes": attributes, "may": may}
