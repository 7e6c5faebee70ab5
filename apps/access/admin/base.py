"""Base of every admin page: permission comes from the actor, history goes to the audit log."""

from collections.abc import Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db import IntegrityError, models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline

from apps.access.admin import shown
from apps.access.roles import Capability
from apps.access.types import Actor
from apps.accounts import confirming
from apps.audit.services import record

FRESH_NEEDS = (
    "This can let somebody see or do more than today, so it needs a fresh sign-in. Nothing was changed yet; fill in the "
    "form again."
)


class _StaleError(Exception):
    """What was sent needs a fresh sign-in first; leaving the transaction by it takes back what was written."""


def actor_of(request: HttpRequest) -> Actor:
    """Return the actor that the middleware has bound."""
    actor: Actor = request.actor  # type: ignore[attr-defined]  # bound by the middleware
    return actor


class TenantModelForm(forms.ModelForm):  # type: ignore[type-arg]  # a generic without its parameter at run time
    """A form that checks constraints with the tenant, although the tenant is no field of it."""

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # Django's own name, which its stubs leave out
        excluded.discard("tenant")
        return excluded


class _ActorPermissions:
    """May open what a capability of one's roles opens; without one named, tenant administrators only."""

    capability: Capability | None = None

    def _may(self, request: HttpRequest) -> bool:
        actor = actor_of(request)
        if self.capability is None:
            return actor.kind == "person" and actor.viewing is None and actor.is_tenant_admin
        return actor.manages(self.capability)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)


class TenantModelAdmin(_ActorPermissions, ModelAdmin):  # type: ignore[misc]  # the base has no types
    """Pages of one model for a tenant's administrators. Every change is an audit event in the same transaction."""

    form = TenantModelForm
    compressed_fields = True
    warn_unsaved_form = True
    nothing_yet = ""
    """what an empty list says: what stands here, and how it comes to be"""
    waiting_actions: frozenset[str] = frozenset()
    takes_along: tuple[type[models.Model], ...] = ()
    """what goes with a row that is deleted, although nobody may delete it alone"""
    asks_about: tuple[str, ...] = ()
    """fields that are written only after a sign-in of the last minutes"""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Let a list be narrowed by its own filters only: no query string asks for a column that the page does not show."""
        entries = [entry[0] if isinstance(entry, tuple) else entry for entry in self.get_list_filter(request)]
        shown_names = {entry.partition("__")[0] for entry in entries if isinstance(entry, str)}
        is_filter = lookup.partition("__")[0] in shown_names
        return is_filter and bool(super().lookup_allowed(lookup, value, request))

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        self._log(request, obj, "created", message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        self._log(request, obj, "changed", message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[models.Model]) -> None:
        for obj in queryset:
            self._log(request, obj, "deleted", [])

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Have the one action that every list has delete what its page has shown."""
        found: dict[str, Any] = super().get_actions(request)
        if "delete_selected" in found:
            found["delete_selected"] = (shown.delete_as_shown, *found["delete_selected"][1:])
        return found

    def needs_fresh(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> bool:
        """Say whether what is about to be saved may widen what somebody sees or does, or weaken what protects it."""
        is_asked = any(name in self.asks_about for name in form.changed_data)
        return is_asked or any(gives(formset) for formset in formsets)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        if self.needs_fresh(request, form, formsets, change) and not confirming.is_confirmed(
            request, now=timezone.now()
        ):
            raise _StaleError
        super().save_related(request, form, formsets, change)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Lead to the provider whoever sends what needs a fresh sign-in, and back to the page; offer it before one fills it in."""
        try:
            found = self._saved_or_told(request, *args, **kwargs)
        except _StaleError:
            return confirming.led_away(request, back_to=request.get_full_path(), needs=FRESH_NEEDS)
        is_stale = self.may_ask(request) and not confirming.is_confirmed(request, now=timezone.now())
        if is_stale and request.method == "GET" and _takes_changes(found):
            messages.info(request, confirming.offer(request))
        return found

    def _saved_or_told(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Look once more when somebody has saved the same between our look and our writing: the form says so then."""
        try:
            found: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except IntegrityError:
            found = super().changeform_view(request, *args, **kwargs)
        return found

    def may_ask(self, request: HttpRequest) -> bool:
        """Say whether anything that the reader may send from here needs a fresh sign-in."""
        return bool(self.asks_about) or any(getattr(part.formset, "is_giving", False) for part in self.inlines)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Delete a row and what goes with it, as the page before has shown them."""
        is_post = request.method == "POST"
        with transaction.atomic():
            obj = self.get_object(request, unquote(object_id))
            if obj is not None and self.has_delete_permission(request, obj):
                digest = shown.deletion_digest([obj], is_locking=is_post)
                extra_context = {**(extra_context or {}), shown.FIELD: digest}
                away = shown.refusal(request, digest) if is_post else None
                if away is not None:
                    return away
            found: HttpResponse = super().delete_view(request, object_id, extra_context)
        return found

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], Any]:
        """Ask for no right to delete what is a part of the row."""
        shown, counts, needed, protected = super().get_deleted_objects(objs, request)
        return shown, counts, needed - {str(model._meta.verbose_name) for model in self.takes_along}, protected

    def response_action(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Run an action on the chosen rows in one transaction: what it does and what the log says of it.

        Actions that wait for a worker see its word only outside of one; what they write is a service's transaction.
        """
        is_waiting = set(request.POST.getlist("action")) <= self.waiting_actions
        with nullcontext() if is_waiting else transaction.atomic():
            found: HttpResponse | None = super().response_action(request, queryset)
        return found

    def _log(self, request: HttpRequest, obj: models.Model, what: str, message: Any) -> None:
        fields = sorted(
            {
                str(name)
                for change in message
                if isinstance(change, dict)
                for part in change.values()
                for name in part.get("fields", [])
            }
        )
        verb = f"{obj._meta.app_label}.{obj._meta.model_name}_{what}"
        record(verb, obj, by=actor_of(request), now=datetime.now(UTC), facts={"fields": fields})

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show what the audit log says of the object."""
        return HttpResponseRedirect(f"{reverse('admin:audit_auditevent_changelist')}?q={object_id}")


def gives(formset: Any) -> bool:
    """Say whether a part of a page adds or changes a row of what people have; removing one takes away only."""
    if not getattr(formset, "is_giving", False):
        return False
    return any(form.has_changed() and form not in formset.deleted_forms for form in formset.forms)


def _takes_changes(page: HttpResponse) -> bool:
    """Say whether a page is a form that its reader may send."""
    told = getattr(page, "context_data", None) or {}
    return bool(told.get("has_add_permission" if told.get("add") else "has_change_permission"))


class ConfirmedAdmin(TenantModelAdmin):
    """Pages on which everything that writes needs a sign-in of the last minutes."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        found: HttpResponse = self._away(request) or super().changeform_view(request, *args, **kwargs)
        return found

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        found: HttpResponse = self._away(request) or super().delete_view(request, *args, **kwargs)
        return found

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        away = self._away(request) if request.method == "POST" else None
        found: HttpResponse = away or super().changelist_view(request, *args, **kwargs)
        return found

    def _away(self, request: HttpRequest) -> HttpResponse | None:
        """Lead to the provider whoever may be here at all; everybody else meets the usual refusal."""
        return confirming.required(request) if self._may(request) else None


class ReadOnlyAdmin(TenantModelAdmin):
    """Pages to look at only."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TenantInline(_ActorPermissions, TabularInline):  # type: ignore[misc]  # the base has no types
    """Rows inside another object's page, for whoever may open that page."""

    form = TenantModelForm
    extra = 0
    tab = True

    def __init__(self, parent_model: type[models.Model], admin_site: Any) -> None:
        super().__init__(parent_model, admin_site)
        self.holder = admin_site._registry.get(parent_model)
        if self.capability is None and self.holder is not None:
            self.capability = self.holder.capability

    def _may_on(self, request: HttpRequest, obj: Any) -> bool:
        """Say whether the reader may edit the object on whose page the rows are."""
        edits = getattr(self.holder, "_may_edit", None)
        return bool(edits(request, obj)) if edits is not None and obj is not None else self._may(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_on(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_on(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_on(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_on(request, obj)


class ReadOnlyInline(TenantInline):
    """Rows to look at inside another object's page."""

    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
