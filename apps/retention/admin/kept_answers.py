"""The administrators' page about what is kept: figures, the longest time, and the way to forget it all."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from apps.access.admin import ReadOnlyAdmin, actor_of
from apps.access.sites import tenant_admin_site
from apps.datamodels.models import DataModel
from apps.queries import keeping
from apps.queries.errors import UnknownCachePolicyError
from apps.queries.models import KeepingLimit
from apps.retention.selectors import held_data

UNITS = {"minutes": 60, "hours": 3600, "days": 86_400}


class LimitForm(forms.Form):
    """The longest time, as people say it."""

    number = forms.IntegerField(min_value=0, max_value=43_200)
    unit = forms.ChoiceField(choices=[(unit, unit) for unit in UNITS])


@admin.register(KeepingLimit, site=tenant_admin_site)
class KeptAnswersAdmin(ReadOnlyAdmin):
    """One page instead of a list: a tenant has one limit."""

    nothing_yet = "No answers are kept."

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self._may(request):
            raise Http404
        if request.method == "POST":
            self._act(request)
            return HttpResponseRedirect(reverse("admin:queries_keepinglimit_changelist"))
        longest_s, now = keeping.longest_kept_s(), timezone.now()
        held = held_data()
        number, unit = as_said(longest_s)
        models = [(model, keeping.policies_of(model)) for model in DataModel.objects.all()]
        context = {
            **self.admin_site.each_context(request), "opts": self.model._meta, "title": "Kept answers", "held": held,
            "age_s": int((now - held.oldest_at).total_seconds()) if held.oldest_at else 0, "longest_s": longest_s,
            "number": number, "unit": unit, "units": list(UNITS), "models": models,
        }  # fmt: skip
        return TemplateResponse(request, "admin/retention/kept_answers.html", context)

    def _act(self, request: HttpRequest) -> None:
        act = {"limit": self._limit, "forget": self._forget, "reset": self._reset}.get(request.POST.get("act", ""))
        if act is None:
            raise Http404
        act(request)

    def _limit(self, request: HttpRequest) -> None:
        form = LimitForm(request.POST)
        try:
            if not form.is_valid():
                raise ValidationError("Write a whole number, 0 or more.")
            seconds = form.cleaned_data["number"] * UNITS[form.cleaned_data["unit"]]
            keeping.set_longest_kept(seconds, by=actor_of(request), now=timezone.now())
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(request, "Nothing is kept from now on." if not seconds else "The longest time is set.")

    def _forget(self, request: HttpRequest) -> None:
        removed = keeping.forget_everything(by=actor_of(request), now=timezone.now())
        messages.success(request, f"{removed} answers and their keys are gone. What is asked now goes to the sources.")

    def _reset(self, request: HttpRequest) -> None:
        model = DataModel.objects.filter(name=request.POST.get("model", "")).first()
        if model is None:
            raise Http404
        policy = request.POST.get("policy", "")
        try:
            removed = keeping.reset_policy(model, policy, by=actor_of(request), now=timezone.now())
        except UnknownCachePolicyError:
            raise Http404 from None
        messages.success(request, f"{removed} answers from {model.name} are forgotten.")


def as_said(seconds: int) -> tuple[int, str]:
    """Return a length of time in the largest unit that says it in whole numbers."""
    for unit, length in reversed(UNITS.items()):
        if seconds and seconds % length == 0:
            return seconds // length, unit
    return seconds // 60, "minutes"
