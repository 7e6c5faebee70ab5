"""The page on which a tenant's administrators ask for the erasure of the whole tenant, confirm it, and take it back."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apps.access.admin import ReadOnlyAdmin, actor_of
from apps.access.sites import tenant_admin_site
from apps.accounts import confirming
from apps.retention import ordering
from apps.retention.errors import OrderRefusedError, WrongNameError
from apps.retention.models import MAX_REASON, ErasureOrder

ASKING_NEEDS = (
    "To ask for the erasure of everything needs a fresh sign-in. Nothing was asked for yet; fill in the form again."
)
CONFIRMING_NEEDS = (
    "To confirm the erasure of everything needs a fresh sign-in. Nothing was confirmed yet; confirm it again here."
)


class NameForm(forms.Form):
    """The tenant's name, typed: nobody does this by a slip of the hand."""

    typed_name = forms.CharField(
        label="The name, to say that you mean it",
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )


class AskForm(NameForm):
    """How long it waits, and why."""

    days = forms.IntegerField(label="Days to wait", widget=UnfoldAdminIntegerFieldWidget)
    reason = forms.CharField(
        label="Why", required=False, max_length=MAX_REASON, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="for your colleagues and the audit log; may stay empty",
    )  # fmt: skip
    field_order = ("days", "reason", "typed_name")

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        least, days = ordering.least_days(), self.fields["days"]
        days.initial = least
        days.help_text = (
            f"from {least} to {ordering.MOST_DAYS}; any administrator can take it back until the last moment"
        )
        days.validators += [MinValueValidator(least), MaxValueValidator(ordering.MOST_DAYS)]


@admin.register(ErasureOrder, site=tenant_admin_site)
class ErasureOrderAdmin(ReadOnlyAdmin):
    """One page: what erasing means and the form, or how the request stands and the way back."""

    nothing_yet = "Nobody has asked for the erasure of the tenant."

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self._may(request):
            raise Http404
        if request.method == "POST":
            return self._act(request)
        return self._page(request)

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """There is one page only."""
        raise Http404

    def _act(self, request: HttpRequest) -> HttpResponse:
        acts = {"ask": self._ask, "confirm": self._confirm, "take back": self._take_back}
        act: Callable[[HttpRequest], HttpResponse] | None = acts.get(request.POST.get("act", ""))
        if act is None:
            raise Http404
        try:
            return act(request)
        except OrderRefusedError as error:
            messages.error(request, error.text)
            return HttpResponseRedirect(_here())

    def _ask(self, request: HttpRequest) -> HttpResponse:
        if away := confirming.required(request, back_to=_here(), needs=ASKING_NEEDS):
            return away
        form = AskForm(request.POST)
        if not form.is_valid():
            return self._page(request, form)
        now = datetime.now(UTC)
        try:
            order = ordering.ask_for_erasure(**form.cleaned_data, by=actor_of(request), now=now)
        except WrongNameError as error:
            form.add_error("typed_name", error.text)
            return self._page(request, form)
        if order.due_at is None:
            messages.warning(
                request, "Asked for. Another administrator has to confirm it before the waiting time begins."
            )
        else:
            messages.warning(request, f"Asked for. From {order.due_at:%-d %B %Y, %H:%M} UTC on it can be carried out.")
        return HttpResponseRedirect(_here())

    def _confirm(self, request: HttpRequest) -> HttpResponse:
        if away := confirming.required(request, back_to=_here(), needs=CONFIRMING_NEEDS):
            return away
        typed, now = request.POST.get("typed_name", ""), datetime.now(UTC)
        order = ordering.confirm_erasure(_key(request), typed_name=typed, by=actor_of(request), now=now)
        messages.warning(request, f"Confirmed. From {order.due_at:%-d %B %Y, %H:%M} UTC on it can be carried out.")
        return HttpResponseRedirect(_here())

    def _take_back(self, request: HttpRequest) -> HttpResponse:
        ordering.take_back_erasure(_key(request), by=actor_of(request), now=datetime.now(UTC))
        messages.success(request, "Taken back. Nothing is erased.")
        return HttpResponseRedirect(_here())

    def _page(self, request: HttpRequest, form: AskForm | None = None) -> HttpResponse:
        now, actor = datetime.now(UTC), actor_of(request)
        order = ordering.open_order(now)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Erase everything", "order": order,
            "state": order.state(now) if order else "", "why_not": order and ordering.why_not_confirm(order, actor.user_id, now),
            "form": form or AskForm(), "name_form": NameForm(), "tenant_name": _name(request), "past": _told(now),
            "lately": ordering.LATELY.days, **_second(actor.user_id, now),
        }  # fmt: skip
        return TemplateResponse(request, "admin/retention/erasure_page.html", context)


def _second(by: UUID | None, now: datetime) -> dict[str, bool]:
    """Say whether a second administrator is needed, and whether there is one."""
    if by is None:
        return {"needs_second": True, "has_colleague": False}
    return {"needs_second": ordering.needs_second(by, now), "has_colleague": ordering.has_colleague(by)}


def _told(now: datetime) -> list[tuple[ErasureOrder, str]]:
    return [(order, order.state(now)) for order in ordering.past_orders()]


def _here() -> str:
    return reverse("admin:retention_erasureorder_changelist")


def _name(request: HttpRequest) -> str:
    return str(request.tenant.name)  # type: ignore[attr-defined]  # bound by the middleware


def _key(request: HttpRequest) -> UUID:
    try:
        return UUID(request.POST.get("order", ""))
    except ValueError:
        raise Http404 from None
