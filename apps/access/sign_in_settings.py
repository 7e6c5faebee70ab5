"""A tenant's own limits of sign-in: what a change would do, and the change."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.models import UserSession
from apps.accounts.selectors import running_sessions
from apps.audit.services import record
from apps.audit.types import AuditActor
from apps.tenants.addresses import Address, admits, parsed
from apps.tenants.models import Tenant
from apps.tenants.selectors import bound_tenant
from apps.tenants.services import SIGN_IN_FIELDS, save_sign_in_settings
from apps.tenants.types import SignInLimits, minutes_words

LOCKS_OUT = (
    "Your own address, {address}, is not in this list: you would lock yourself out. Nothing was changed. Add your network, "
    "or ask a colleague who is inside the list."
)


def changed_fields(tenant: Tenant, wanted: Mapping[str, Any]) -> list[str]:
    """Return the names of the settings that would change."""
    return [name for name in SIGN_IN_FIELDS if getattr(tenant, name) != wanted[name]]


def require_not_locked_out(networks: list[str], address: Address | None) -> None:
    """Refuse a list of networks that shuts out whoever makes it.

    Raises:
        ValidationError: the address is not in the list, or is not known.
    """
    if not admits(tuple(networks), address):
        raise ValidationError(LOCKS_OUT.format(address=address or "which the server cannot tell"))


def consequences(tenant: Tenant, wanted: Mapping[str, Any], limits: SignInLimits, *, now: datetime) -> list[str]:
    """Say in sentences what the change does, with how many running sessions it ends."""
    changed = changed_fields(tenant, wanted)
    running = running_sessions(limits, now=now)
    found = []
    if "session_idle_min" in changed:
        ended = running.filter(last_seen_at__lte=now - timedelta(minutes=wanted["session_idle_min"])).count()
        found.append(f"Sessions end after {minutes_words(wanted['session_idle_min'])} without use. {_end(ended)}")
    if "session_lifetime_min" in changed:
        ended = running.filter(started_at__lte=now - timedelta(minutes=wanted["session_lifetime_min"])).count()
        found.append(f"Sessions end {minutes_words(wanted['session_lifetime_min'])} after sign-in. {_end(ended)}")
    if "confirm_within_min" in changed:
        words = minutes_words(wanted["confirm_within_min"])
        found.append(f"Dangerous actions need a sign-in of the last {words}.")
    if "token_max_days" in changed:
        days = wanted["token_max_days"]
        found.append(f"New API tokens live at most {days} days. Those that exist keep their dates.")
    for name, who in (("networks_people", "People"), ("networks_tokens", "API tokens"), ("networks_scim", "SCIM")):
        if name in changed:
            found.append(_network_sentence(who, wanted[name], running if name == "networks_people" else None))
    return found


def _end(count: int) -> str:
    return f"{count} running session{' ends' if count == 1 else 's end'} at once."


def _network_sentence(who: str, networks: list[str], running: Any) -> str:
    if not networks:
        return f"{who} may come from anywhere."
    found = f"{who} may come from {', '.join(networks)} only; from everywhere else they are refused at once."
    if running is None:
        return found
    addresses = running.values_list("address", flat=True)
    outside = sum(not admits(tuple(networks), parsed(address)) for address in addresses)
    return f"{found} {outside} running session{' was' if outside == 1 else 's were'} last seen elsewhere."


@transaction.atomic
def change_sign_in_settings(
    wanted: Mapping[str, Any], *, address: Address | None, by: AuditActor, now: datetime
) -> list[str]:
    """Change the bound tenant's settings; they hold from the next request on, also for sessions that are open.

    ``address`` is from where the change is made. Returns the names of what changed.

    Raises:
        ValidationError: a value is out of bounds, or the list of networks shuts out whoever makes it.
    """
    tenant = bound_tenant()
    changed = changed_fields(tenant, wanted)
    if not changed:
        return []
    if "networks_people" in changed:
        require_not_locked_out(wanted["networks_people"], address)
    before = {name: getattr(tenant, name) for name in changed}
    for name in changed:
        setattr(tenant, name, wanted[name])
    save_sign_in_settings(tenant)
    _shorten(tenant, changed, now)
    facts = {f"{name} from": before[name] for name in changed} | {f"{name} to": wanted[name] for name in changed}
    record("tenants.sign_in_settings_changed", tenant, by=by, now=now, facts=facts)
    return changed


def _shorten(tenant: Tenant, changed: list[str], now: datetime) -> None:
    """Remove sessions that the new limits end: what reads the row decides anyway, this takes them off the lists."""
    if "session_idle_min" in changed:
        UserSession.objects.filter(last_seen_at__lte=now - timedelta(minutes=tenant.session_idle_min)).delete()
    if "session_lifetime_min" in changed:
        UserSession.objects.filter(started_at__lte=now - timedelta(minutes=tenant.session_lifetime_min)).delete()
