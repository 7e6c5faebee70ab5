"""Who can see what: pages, search, export, sign-off. For those whose roles hold the review of access."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_GET, require_http_methods

from apps.access import reviewing, services
from apps.access.admin.base import ReadOnlyAdmin, actor_of
from apps.access.errors import ReviewChangedError
from apps.access.exporting import as_csv, digest_of
from apps.access.models import AccessReview
from apps.access.roles import LABELS, Capability
from apps.access.selectors import role_capabilities
from apps.access.sites import tenant_admin_site
from apps.accounts.attributes import lines_of
from apps.accounts.models import User

FOUND = 20
"""subjects of each kind that a search shows"""
CHANGED = "The list has changed since you looked at it, and was not signed off. Look at it again below."


@admin.register(AccessReview, site=tenant_admin_site)
class AccessReviewAdmin(ReadOnlyAdmin):
    """Sign-offs, newest first; from here to every object and person that can be reviewed."""

    nothing_yet = (
        "No review has been signed off yet. Look someone or something up, read who sees what, and sign it off."
    )
    search_help_text = "person or object reviewed, reviewer, or note"

    capability = Capability.REVIEW_ACCESS
    list_display = ("reviewed_at", "subject_label", "subject_kind", "entries", "reviewed_by_label", "note")
    list_filter = ("subject_kind",)
    search_fields = ("subject_label", "reviewed_by_label", "note")
    list_per_page = 50
    fields = ("subject_label", "subject_kind", "entries", "digest", "note", "reviewed_by_label", "reviewed_at")
    readonly_fields = fields
    change_list_template = "admin/access/review_list.html"

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("find/", wrap(find_page), name="access_review_find"),
            path("of/<slug:kind>/<uuid:key>/", wrap(review_page), name="access_review_page"),
            path("of/<slug:kind>/<uuid:key>/export/", wrap(export), name="access_review_export"),
            path("of/<slug:kind>/<uuid:key>/sign/", wrap(sign_page), name="access_review_sign"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {**(extra_context or {}), "subjects": _subjects("")}
        found: HttpResponse = super().changelist_view(request, context)
        return found


@require_GET
def find_page(request: HttpRequest) -> HttpResponse:
    """Show the objects and people whose name holds a text."""
    reviewing.reviewer_or_404(actor_of(request))
    text = request.GET.get("text", "").strip()[:100]
    context = {**_shared(request, "Who can see what"), "text": text, "subjects": _subjects(text)}
    return TemplateResponse(request, "admin/access/review_find.html", context)


@require_GET
def review_page(request: HttpRequest, kind: str, key: UUID) -> HttpResponse:
    """Show who sees an object, or what a person sees, a page at a time."""
    subject = _subject(request, kind, key)
    pages: Paginator[reviewing.Entry] = Paginator(_Lines(reviewing.review_of(kind, subject)), reviewing.PAGE)
    context = {
        **_shared(request, f"Access: {subject}"), "subject": subject, "kind": kind, "key": key,
        "is_person": kind == reviewing.PERSON, "page": pages.get_page(request.GET.get("page")),
        "reviews": reviewing.last_reviews(kind, key)[:20], **(_about(subject) if kind == reviewing.PERSON else {}),
    }  # fmt: skip
    return TemplateResponse(request, "admin/access/review_page.html", context)


@require_GET
def export(request: HttpRequest, kind: str, key: UUID) -> HttpResponse:
    """Send the whole list as CSV."""
    content = as_csv(reviewing.review_of(kind, _subject(request, kind, key)).whole())
    headers = {"Content-Disposition": f'attachment; filename="access-{kind}-{key}.csv"', "Cache-Control": "no-store"}
    return HttpResponse(content, content_type="text/csv; charset=utf-8", headers=headers)


@require_http_methods(["GET", "POST"])
def sign_page(request: HttpRequest, kind: str, key: UUID) -> HttpResponse:
    """Say what a sign-off will record, and record it: the list that was shown, or nothing when it has changed."""
    subject = _subject(request, kind, key)
    address = _address(kind, key)
    if request.method == "POST":
        note, digest = request.POST.get("note", "").strip(), request.POST.get("digest", "")
        try:
            services.sign_off(kind, subject, digest=digest, note=note, by=actor_of(request), now=datetime.now(UTC))
        except ReviewChangedError:
            messages.error(request, CHANGED)
        else:
            messages.success(request, "Signed off, with the list as it stands.")
        return HttpResponseRedirect(address)
    entries = list(reviewing.review_of(kind, subject).whole())
    context = {
        **_shared(request, f"Sign off: {subject}"), "subject": subject, "address": address,
        "is_person": kind == reviewing.PERSON, "number": len(entries), "digest": digest_of(as_csv(entries)),
    }  # fmt: skip
    return TemplateResponse(request, "admin/access/review_sign.html", context)


class _Lines(Sequence[reviewing.Entry]):
    """A review as a paginator wants it: counted, and cut into pages."""

    def __init__(self, review: reviewing.ReviewList) -> None:
        self.review = review

    def __len__(self) -> int:
        return self.review.count()

    def __getitem__(self, part: Any) -> Any:
        return self.review.entries(part.start, part.stop - part.start)


def _shared(request: HttpRequest, title: str) -> dict[str, Any]:
    return {**tenant_admin_site.each_context(request), "opts": AccessReview._meta, "title": title}


def _address(kind: str, key: UUID) -> str:
    return reverse("admin:access_review_page", args=(kind, key))


def _subjects(text: str) -> list[tuple[str, list[tuple[str, str]], bool]]:
    """Return, for each kind, what can be reviewed: names and addresses, and whether there are more."""
    found = []
    for kind in reviewing.kinds():
        objects = kind.within()
        named = [field.name for field in objects.model._meta.fields if field.name in ("name", "title", "label")]
        wanted = Q()
        for name in named if text else ():
            wanted |= Q(**{f"{name}__icontains": text})
        found.append((kind.label, kind.name, list(objects.filter(wanted)[: FOUND + 1])))
    wanted = Q(email__icontains=text) | Q(name__icontains=text) if text else Q()
    found.append(("Person", reviewing.PERSON, list(User.objects.filter(wanted, is_active=True)[: FOUND + 1])))
    return [
        (label, [(str(one), _address(name, one.pk)) for one in subjects[:FOUND]], len(subjects) > FOUND)
        for label, name, subjects in found
    ]


def _subject(request: HttpRequest, kind: str, key: UUID) -> Any:
    """Return what is reviewed, for a reviewer."""
    reviewing.reviewer_or_404(actor_of(request))
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
    may = ["administer everything"] if user.is_tenant_admin else may
    return {"attributes": attributes, "may": may, "roles": reviewing.roles_of(user)}
