"""Writes of people over SCIM. Identity stays issuer and subject: who is made here binds at the first sign-in, as invited."""

import unicodedata
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q
from scim2_models import InvalidValueException, MutabilityException, UniquenessException

from apps.accounts import services
from apps.accounts.claims import typed_values
from apps.accounts.errors import AttributeTypeError
from apps.accounts.models import GroupMembership, ScimProfile, User, UserAttribute
from apps.accounts.scim.schemas import Served
from apps.audit.selectors import events
from apps.audit.services import record
from apps.audit.types import AuditActor

REFUSED = ("password", "roles", "entitlements", "x509_certificates")
"""standard attributes that would seem to do something here, and do not: refused rather than dropped"""
MAX_EMAILS = 20
MAX_TEXT = 255
KEPT = {"displayName", "name", "emails"}
HELD_OUT = "accounts.admission_over_scim_refused"
OF_ACTIVE = ("accounts.user_deactivated", "accounts.user_activated", HELD_OUT)


@transaction.atomic
def save_person(user: User | None, sent: Any, served: Served, *, by: AuditActor, now: datetime) -> User:
    """Make a person, or bring one to the state that was sent. ``active`` left out means: as it is, and yes for a new one.

    It admits nobody whom an administrator has shut out: what is answered says so.

    Raises:
        InvalidValueException: a value is missing, malformed, or would do nothing.
        UniquenessException: somebody of this tenant has the user name or the address.
        MutabilityException: an invitation's address would change before anybody has used it.
    """
    for name in REFUSED:
        if getattr(sent, name, None):
            raise InvalidValueException(detail=f"{name} is not kept here and cannot be set over SCIM.")
    document = _document(sent)
    user_name = _text(sent.user_name, "userName")
    if not user_name:
        raise InvalidValueException(detail="userName is missing.")
    email = _address(document, user_name)
    _unique(user, user_name, email)
    is_new = user is None
    person = user or User(email=email)
    profile = _profile(person)
    _check_address(person, profile, email, is_new=is_new)
    was_active = is_new or person.is_active
    changed = _assign(person, profile, email, user_name, sent, document)
    person.full_clean(exclude=["tenant"])
    person.save()
    attributes = _set_attributes(person, served, served.extension_of(sent), by)
    if is_new or changed or attributes:
        profile.user, profile.updated_at = person, now
        profile.save()
        verb = "accounts.person_provisioned" if is_new else "accounts.person_changed"
        record(verb, person, by=by, now=now, facts={"fields": changed, "attributes_changed": attributes})
    _set_active(person, was_active, sent.active, by, now)
    return person


def _profile(person: User) -> ScimProfile:
    held = ScimProfile.objects.filter(user=person).first() if not person._state.adding else None
    return held or ScimProfile(is_made_here=person._state.adding)


def _document(sent: Any) -> dict[str, Any]:
    """Return what is kept of a person as it was sent."""
    found = {name: value for name, value in sent.model_dump().items() if name in KEPT}
    for text in (found.get("displayName"), *found.get("name", {}).values()):
        _text(text, "a name")
    for email in found.get("emails", ()):
        for part in ("value", "display", "type"):
            _text(email.get(part), f"emails.{part}")
    return found


def _text(value: str | None, name: str) -> str:
    text = unicodedata.normalize("NFC", value or "").strip()
    if len(text) > MAX_TEXT:
        raise InvalidValueException(detail=f"{name} has at most {MAX_TEXT} characters.")
    return text


def _address(document: dict[str, Any], user_name: str) -> str:
    """Return the address by which the person is recognised at the first sign-in: the primary, the first, the user name."""
    emails = [email for email in document.get("emails", ()) if email.get("value")]
    if len(emails) > MAX_EMAILS:
        raise InvalidValueException(detail=f"A person has at most {MAX_EMAILS} addresses.")
    emails.sort(key=lambda email: not email.get("primary"))
    for address in (*(email["value"] for email in emails), user_name):
        try:
            validate_email(address)
        except ValidationError:
            if emails:
                raise InvalidValueException(detail="emails.value is no e-mail address.") from None
            raise InvalidValueException(detail="Send an e-mail address, in emails or as userName.") from None
        return str(address)
    raise InvalidValueException(detail="Send an e-mail address.")


def _unique(user: User | None, user_name: str, email: str) -> None:
    others = User.objects.exclude(pk=user.pk) if user else User.objects.all()
    named = Q(scim_profile__user_name__iexact=user_name) | Q(scim_profile=None, email__iexact=user_name)
    if others.filter(removed_at=None).filter(named).exists():
        raise UniquenessException(detail="Somebody here has this userName already.")
    if others.filter(email__iexact=email).exists():
        raise UniquenessException(detail="Somebody here has this e-mail address already.")


def _check_address(person: User, profile: ScimProfile, email: str, *, is_new: bool) -> None:
    """Refuse another address where the address is still what decides who becomes this person."""
    if is_new or person.subject is not None or email.casefold() == person.email.casefold():
        return
    if person.is_tenant_admin or not profile.is_made_here:
        raise MutabilityException(
            detail="An administrator has invited this person: the address cannot change before the first sign-in."
        )


def _assign(
    person: User, profile: ScimProfile, email: str, user_name: str, sent: Any, document: dict[str, Any]
) -> list[str]:
    """Write what was sent into the rows; return the names of what has changed."""
    name = document.get("name", {})
    whole = " ".join(part for part in (name.get("givenName"), name.get("familyName")) if part)
    shown = document.get("displayName") or name.get("formatted") or whole
    wanted: list[tuple[Any, str, Any]] = [
        (person, "email", email), (person, "name", _text(shown, "a name")[:150] or person.name),
        (profile, "user_name", user_name), (profile, "external_id", _text(sent.external_id, "externalId")),
        (profile, "document", document),
    ]  # fmt: skip
    changed = []
    for row, field, value in wanted:
        if getattr(row, field) != value or row._state.adding:
            setattr(row, field, value)
            changed.append(field)
    return changed


def _set_attributes(person: User, served: Served, said: dict[str, Any], by: AuditActor) -> list[str]:
    """Bring the person's values from SCIM to what was sent; return the names of those that changed."""
    own = UserAttribute.objects.filter(user=person, source=UserAttribute.Source.SCIM).select_related("definition")
    held = {row.definition.name: row for row in own}
    wanted = {}
    for name, value in said.items():
        try:
            values = typed_values(_whole(value), served.definitions[name])
        except AttributeTypeError as error:
            raise InvalidValueException(detail=f"{error}.") from None
        if values:
            wanted[name] = values
    changed = [name for name in held if name not in wanted]
    UserAttribute.objects.filter(pk__in=[held[name].pk for name in changed]).delete()
    for name, values in wanted.items():
        if name in held and held[name].values == values:
            continue
        UserAttribute.objects.update_or_create(
            user=person, definition=served.definitions[name], source=UserAttribute.Source.SCIM,
            defaults={"values": values, "origin": by.label},
        )  # fmt: skip
        changed.append(name)
    return sorted(changed)


def _whole(value: Any) -> Any:
    """Return whole numbers as such: JSON and the library make 5 and 5.0 of one another."""
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _set_active(person: User, was: bool, wanted: bool | None, by: AuditActor, now: datetime) -> None:
    if wanted is None or wanted == was or (wanted and _is_held_out(person, by, now)):
        return
    services.set_active(person, is_active=wanted, by=by, now=now)
    person.is_active = wanted


def _is_held_out(person: User, by: AuditActor, now: datetime) -> bool:
    """Say whether anybody but SCIM has shut a person out, which holds until an administrator admits them; note it once."""
    said = events().filter(verb__in=OF_ACTIVE, object_id=str(person.pk)).values_list("verb", "actor_kind").first()
    if said == ("accounts.user_deactivated", by.kind):
        return False
    if said is None or said[0] != HELD_OUT:
        record(HELD_OUT, person, by=by, now=now)
    return True


@transaction.atomic
def remove_person(user: User, *, by: AuditActor, now: datetime) -> None:
    """Remove a person for good: who is made with the same address afterwards is somebody else and inherits nothing.

    The row stays, without its address, because the audit log and access reviews speak of it, and so that the identity
    does not come back uninvited.
    """
    facts = {"was_administrator": user.is_tenant_admin}
    services.set_active(user, is_active=False, by=by, now=now)
    GroupMembership.objects.filter(user=user).delete()
    UserAttribute.objects.filter(user=user).delete()
    ScimProfile.objects.filter(user=user).delete()
    User.objects.filter(pk=user.pk).update(
        email=f"{user.pk}@removed.invalid", is_tenant_admin=False, is_active=False, removed_at=now
    )
    record("accounts.person_removed", user, by=by, now=now, facts=facts)
