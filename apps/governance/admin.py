"""Pages for a tenant's administrators: what a version would change, and what they ask of each other."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html

from apps.access.admin import ReadOnlyAdmin, actor_of
from apps.access.sites import tenant_admin_site
from apps.access.types import Actor
from apps.accounts import confirming
from apps.datamodels.models import ModelVersion
from apps.governance.blast_radius import approving
from apps.governance.blast_radius.asking import (
    approval_of,
    is_about_today,
    needs_second_administrator,
    open_request,
    requests,
)
from apps.governance.blast_radius.errors import RequestRefusedError, UnknownRequestError
from apps.governance.blast_radius.pages import radius_page
from apps.governance.blast_radius.radius import version_radius
from apps.governance.models import ApprovalRequest, PublishingPolicy
from apps.governance.policy_tests.checking import tests_of_version
from apps.semantic.errors import ModelError

SWITCHING_NEEDS = "Switching it off needs a fresh sign-in. Nothing was asked yet; ask again here."
APPROVING_NEEDS = "Approving needs a fresh sign-in. Nothing was approved yet; approve it again here."

RADIUS, DECIDE = "governance_blast_radius", "governance_decide"
Act = Callable[[Actor, datetime], object]


class GovernancePages(ReadOnlyAdmin):
    """Pages of one's own beside the list; whoever may not open the list finds nothing."""

    def page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        """Render a page in the administration's frame."""
        if not self._may(request):
            raise Http404
        frame = self.admin_site.each_context(request)
        return TemplateResponse(
            request, f"admin/governance/{template}.html", {**frame, "opts": self.model._meta, "title": title, **context}
        )

    def act(self, request: HttpRequest, what: Act, *, done: str, back: str) -> HttpResponse:
        """Do something for the administrator who asks, and say what became of it."""
        if not self._may(request):
            raise Http404
        try:
            what(actor_of(request), datetime.now(UTC))
        except UnknownRequestError:
            raise Http404 from None
        except RequestRefusedError as error:
            messages.error(request, error.text)
        else:
            messages.success(request, done)
        return HttpResponseRedirect(back)


@admin.register(ApprovalRequest, site=tenant_admin_site)
class ApprovalRequestAdmin(GovernancePages):
    """Requests of administrators to each other, newest first; decided on a page that shows the blast radius."""

    nothing_yet = "Nobody asks for a second administrator's approval. Publications that widen access do, where the publishing policy says so."
    search_fields = ("version__data_model__name", "requested_by__email", "requested_by__name")
    search_help_text = "data model, or who asked"

    list_display = ("requested_at", "about", "requested_by", "state_now", "decided_by", "expires_at", "page_link")
    list_filter = ("kind", "state")
    fields = (
        "kind", "about", "digest", "note", "requested_by", "requested_at", "state_now", "decided_by", "decided_at",
        "expires_at", "page_link",
    )  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApprovalRequest]:
        found: QuerySet[ApprovalRequest] = super().get_queryset(request)
        return found.select_related("version__data_model", "requested_by", "decided_by")

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("blast-radius/<uuid:key>/", wrap(self.blast_radius_view), name=RADIUS),
            path("<uuid:key>/decide/", wrap(self.decide_view), name=DECIDE),
            *super().get_urls(),
        ]

    @admin.display(description="about")
    def about(self, request: ApprovalRequest) -> str:
        return str(request)

    @admin.display(description="state")
    def state_now(self, request: ApprovalRequest) -> str:
        return request.state_text(datetime.now(UTC))

    @admin.display(description="decide")
    def page_link(self, request: ApprovalRequest) -> str:
        return format_html('<a href="{}">open</a>', reverse(f"admin:{DECIDE}", args=[request.pk]))

    def blast_radius_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Show what publishing a version would change, and let an administrator ask for another one's approval."""
        version = ModelVersion.objects.select_related("data_model__connection").filter(pk=key).first()
        if version is None or not self._may(request):
            raise Http404
        if request.method == "POST":
            note = request.POST.get("note", "")
            return self.act(
                request, lambda actor, now: approving.ask_to_publish(version, note=note, by=actor, now=now),
                done="Another administrator can approve it now.", back=request.path,
            )  # fmt: skip
        return self.page(request, "blast_radius", f"What publishing {version} would change", **_about(version))

    def decide_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Show a request with its blast radius, and let another administrator decide."""
        asked = requests().filter(pk=key).first()
        if asked is None or not self._may(request):
            raise Http404
        if request.method == "POST":
            return self._decide(request, asked)
        now, actor = datetime.now(UTC), actor_of(request)
        about = _about(asked.version) if asked.version is not None else {}
        is_own = asked.requested_by_id == actor.user_id
        return self.page(
            request, "decide", f"Approval: {asked}", **about, asked=asked, state=asked.state_text(now),
            is_own=is_own, is_open=asked.is_open(now), is_void=not is_about_today(asked),
            may_withdraw=_may_withdraw(asked, actor),
        )  # fmt: skip

    def _decide(self, request: HttpRequest, asked: ApprovalRequest) -> HttpResponse:
        decisions: dict[str, tuple[Callable[..., object], str]] = {
            "approve": (approving.approve, "Approved, for seven days."),
            "refuse": (approving.refuse, "Refused."),
            "withdraw": (approving.withdraw, "Taken back."),
        }
        if (chosen := request.POST.get("decision", "")) not in decisions:
            raise Http404
        if chosen == "approve" and self._may(request) and (away := confirming.required(request, needs=APPROVING_NEEDS)):
            return away
        act, done = decisions[chosen]
        return self.act(request, lambda actor, now: act(asked.pk, by=actor, now=now), done=done, back=request.path)


def _may_withdraw(asked: ApprovalRequest, actor: Actor) -> bool:
    is_given = asked.state == ApprovalRequest.State.APPROVED
    is_waiting = asked.state == ApprovalRequest.State.PENDING
    is_own = asked.requested_by_id == actor.user_id and (is_waiting or is_given)
    return is_own or (is_given and asked.decided_by_id == actor.user_id)


def _about(version: ModelVersion) -> dict[str, Any]:
    """Return what the pages show of a version."""
    now = datetime.now(UTC)
    shown: dict[str, Any] = {
        "version": version,
        "needs_second": needs_second_administrator(),
        "approval": approval_of(version.data_model, version.digest, now=now),
        "asked_already": open_request(version, now=now),
    }
    try:
        shown["radius"] = radius_page(version_radius(version))
        shown["outcomes"] = tests_of_version(version, now=now)
    except ModelError as error:
        shown["problems"] = [str(problem) for problem in error.problems[:50]]
    return shown


@admin.register(PublishingPolicy, site=tenant_admin_site)
class PublishingPolicyAdmin(GovernancePages):
    """One page: whether widening needs a second administrator. Off again it goes with a second one only."""

    nothing_yet = "Whether widening needs a second administrator."

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if request.method == "POST":
            return self._switch(request)
        now = datetime.now(UTC)
        kind, state = ApprovalRequest.Kind.SWITCH_OFF, ApprovalRequest.State.PENDING
        waiting = requests().filter(kind=kind, state=state, expires_at__gt=now).first()
        return self.page(
            request, "publishing_policy", "Publishing", is_on=needs_second_administrator(), waiting=waiting,
        )  # fmt: skip

    def _switch(self, request: HttpRequest) -> HttpResponse:
        note = request.POST.get("note", "")
        if request.POST.get("switch") == "on":
            return self.act(
                request, lambda actor, now: approving.switch_on(by=actor, now=now),
                done="Widening needs a second administrator from now on.", back=request.path,
            )  # fmt: skip
        if request.POST.get("switch") == "off":
            if self._may(request) and (away := confirming.required(request, needs=SWITCHING_NEEDS)):
                return away
            return self.act(
                request, lambda actor, now: approving.ask_to_switch_off(note=note, by=actor, now=now),
                done="Another administrator can switch it off now.", back=request.path,
            )  # fmt: skip
        raise Http404
