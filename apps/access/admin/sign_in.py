"""The page "Sign-in and access": limits of sessions and tokens, and from where a tenant may be reached."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget

from apps.access.admin import shown
from apps.access.admin.base import ReadOnlyAdmin, actor_of
from apps.access.roles import Capability
from apps.access.sign_in_settings import (
    change_sign_in_settings,
    changed_fields,
    consequences,
    require_not_locked_out,
)
from apps.access.sites import tenant_admin_site
from apps.accounts import confirming
from apps.tenants.addresses import Address, client_address, stored_networks
from apps.tenants.models import SignInSettings, Tenant
from apps.tenants.selectors import bound_tenant
from apps.tenants.services import SIGN_IN_FIELDS
from apps.tenants.types import minutes_words

MAX_NETWORKS_TEXT = 20_000
TOO_LONG = "At most {most} characters, with comments and blank lines; these are {count}. Nothing was read of it."


class NetworksField(forms.CharField):
    """Networks or single addresses, one per line; comments after ``#`` are dropped."""

    widget = UnfoldAdminTextareaWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)
        self.widget.attrs["rows"] = 4

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]  # a list of networks
        if len(str(value or "")) > MAX_NETWORKS_TEXT:
            raise ValidationError(TOO_LONG.format(most=MAX_NETWORKS_TEXT, count=len(str(value))))
        lines = [line.partition("#")[0].strip() for line in str(value or "").splitlines()]
        try:
            return list(dict.fromkeys(stored_networks([line for line in lines if line])))
        except ValueError as error:
            raise ValidationError(str(error)) from None

    def run_validators(self, value: Any) -> None:
        """The length was checked as text, before anything was read in it."""


def _number(label: str, help_text: str) -> forms.IntegerField:
    return forms.IntegerField(label=label, help_text=help_text, widget=UnfoldAdminIntegerFieldWidget)


class SignInForm(forms.Form):
    """The settings, each within the operator's ceiling."""

    session_idle_min = _number("Minutes without use", "a session ends when nobody has used it for this long")
    session_lifetime_min = _number("Minutes in all", "a session ends this long after sign-in, used or not")
    confirm_within_min = _number(
        "Minutes a sign-in counts as fresh",
        "providers, administrators, this page and other dangerous things ask for a fresh sign-in",
    )
    token_max_days = _number("Days of an API token", "new tokens live this long at most")
    networks_people = NetworksField(
        label="People",
        help_text="one network per line, such as 203.0.113.0/24; empty means from anywhere. Support visits count as people.",
    )
    networks_tokens = NetworksField(label="API tokens", help_text="networks of the programs that use tokens")
    networks_scim = NetworksField(label="SCIM", help_text="networks from which your directory sends people and groups")

    def __init__(self, tenant: Tenant, address: Address | None, data: Any = None) -> None:
        super().__init__(data, initial={name: getattr(tenant, name) for name in SIGN_IN_FIELDS})
        self.tenant, self.address = tenant, address
        for name, (least, most) in bounds().items():
            field: Any = self.fields[name]
            field.min_value, field.max_value = least, most
            field.validators += [MinValueValidator(least), MaxValueValidator(most)]
            words = f"{most} days" if name == "token_max_days" else minutes_words(most)
            field.help_text = f"{field.help_text}; at most {words} here"

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        idle, lifetime = cleaned.get("session_idle_min"), cleaned.get("session_lifetime_min")
        if idle and lifetime and idle > lifetime:
            self.add_error("session_idle_min", "This is longer than a session lasts in all.")
        networks = cleaned.get("networks_people")
        if networks is not None and networks != self.tenant.networks_people:
            try:
                require_not_locked_out(networks, self.address)
            except ValidationError as error:
                self.add_error("networks_people", error)
        return cleaned

    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields under their headings."""
        names = {"Sessions": SIGN_IN_FIELDS[:2], "Tokens and dangerous actions": SIGN_IN_FIELDS[2:4],
                 "From where": SIGN_IN_FIELDS[4:]}  # fmt: skip
        return [(heading, [self[name] for name in fields]) for heading, fields in names.items()]


def bounds() -> dict[str, tuple[int, int]]:
    """Return the least and the most of each number; the most is the operator's."""
    return {
        "session_idle_min": (5, settings.OMNI_SESSION_IDLE_MAX_MIN),
        "session_lifetime_min": (15, settings.OMNI_SESSION_MAX_MIN),
        "confirm_within_min": (1, settings.OMNI_CONFIRM_MAX_MIN),
        "token_max_days": (1, settings.OMNI_TOKEN_MAX_DAYS),
    }


@admin.register(SignInSettings, site=tenant_admin_site)
class SignInSettingsAdmin(ReadOnlyAdmin):
    """One page: the form, then what it will do, then it is done."""

    nothing_yet = "Limits of sessions, tokens and networks."

    capability = Capability.MANAGE_IDENTITY

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self._may(request):
            raise Http404
        away = confirming.required(request)
        if away is not None:
            return away
        tenant, address = bound_tenant(), client_address(request)
        form = SignInForm(tenant, address, request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._next(request, form, tenant, address)
        return self._page(request, "sign_in_settings", form=form, address=address)

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """There is one page only."""
        raise Http404

    def _next(self, request: HttpRequest, form: SignInForm, tenant: Tenant, address: Address | None) -> HttpResponse:
        wanted, now = form.cleaned_data, datetime.now(UTC)
        if not changed_fields(tenant, wanted):
            messages.info(request, "Nothing is different from what holds now.")
            return HttpResponseRedirect(request.path)
        # Not how many sessions end: that changes by the minute. What holds now is in it, since a change of somebody
        # else's meanwhile would be turned back without a word.
        digest = shown.digest_of([(name, getattr(tenant, name), wanted[name]) for name in SIGN_IN_FIELDS])
        if request.POST.get("step") != "apply":
            limits = request.tenant.limits  # type: ignore[attr-defined]  # bound by the middleware
            found = consequences(tenant, wanted, limits, now=now)
            return self._page(request, "sign_in_confirm", form=form, consequences=found, shown=digest)
        away = shown.refusal(request, digest)
        if away is not None:
            return away
        change_sign_in_settings(wanted, address=address, by=actor_of(request), now=now)
        messages.success(request, "Changed. It holds from now on, for sessions that are open too.")
        return HttpResponseRedirect(request.path)

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        frame = self.admin_site.each_context(request)
        return TemplateResponse(
            request, f"admin/access/{template}.html",
            {**frame, "opts": self.model._meta, "title": "Sign-in and access", **context},
        )  # fmt: skip
