"""The last claims of a person, and what the mappings make of them. Looking is written down."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from apps.access.admin.base import actor_of
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.accounts.attributes import lines_of
from apps.accounts.last_claims import preview_of, try_mapping
from apps.accounts.models import AttributeDefinition, ClaimMapping, User
from apps.audit.services import record


class TryForm(forms.Form):
    """A mapping that is not saved."""

    claim = forms.CharField(max_length=120, label="Claim", help_text="dotted path, e.g. org.region")
    attribute: Any = forms.ModelChoiceField(queryset=None, required=False, label="Attribute", empty_label="groups")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["attribute"].queryset = AttributeDefinition.objects.all()  # type: ignore[attr-defined]  # of this kind of field


@require_GET
@transaction.atomic
def claims_page(request: HttpRequest, key: UUID) -> HttpResponse:
    """Show names and kinds of all claims, values of those that a mapping uses, and what the mappings make of them."""
    actor = actor_of(request)
    person = User.objects.filter(pk=key, removed_at=None).first() if actor.manages(Capability.MANAGE_PEOPLE) else None
    if person is None:
        raise Http404
    form = TryForm(request.GET if "claim" in request.GET else None)
    tried = None
    if form.is_bound and form.is_valid():
        mapping = ClaimMapping(claim=form.cleaned_data["claim"], definition=form.cleaned_data["attribute"])
        tried = try_mapping(person, mapping)
    preview = preview_of(person)
    if preview is not None:
        record("accounts.claims_viewed", person, by=actor, now=datetime.now(UTC), facts={"claims": len(preview.leaves)})
    context = {
        **tenant_admin_site.each_context(request), "opts": User._meta, "title": f"Claims of {person}", "person": person,
        "preview": preview, "form": form, "tried": tried, "lines": lines_of(person.pk),
    }  # fmt: skip
    return TemplateResponse(request, "admin/accounts/claims_page.html", context)
