"""Collect every app's controls and run them."""

import logging
from datetime import datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from uuid import UUID

from django.apps import apps
from django.db import transaction

from apps.tenants.binding import bound
from apps.tenants.types import Control, ControlResult, Notice, TenantRef
from apps.trust.types import Checked, Checks

logger = logging.getLogger(__name__)
REMEMBERED = timedelta(seconds=20)
_recent: dict[UUID, Checks] = {}
_lock = Lock()


def all_controls() -> list[Control]:
    """Return the controls of all our apps, by promise. They are found by name, so that no app needs to know another."""
    found: list[Control] = []
    for config in apps.get_app_configs():
        name = f"{config.name}.controls"
        if config.name.startswith("apps.") and find_spec(name):
            found += import_module(name).CONTROLS
    return sorted(found, key=lambda control: (int(control.promise[1:]), control.id))


def notices() -> list[Notice]:
    """Return what everybody of the bound tenant should know now, as our apps say beside their controls."""
    found = []
    for config in apps.get_app_configs():
        name = f"{config.name}.controls"
        if config.name.startswith("apps.") and find_spec(name):
            found += [told for tell in getattr(import_module(name), "NOTICES", ()) if (told := tell())]
    return found


def run_controls(tenant: TenantRef) -> list[Checked]:
    """Run every control with the tenant bound."""
    with bound(tenant.id):
        return [Checked(control, _run(control)) for control in all_controls()]


def _run(control: Control) -> ControlResult:
    try:
        with transaction.atomic():
            return control.check()
    except Exception as error:  # a control that cannot be carried out does not hold, whatever the reason
        logger.exception("control %s failed", control.id)
        return ControlResult(holds=False, figure=f"could not be checked: {type(error).__name__}")


def recent_checks(tenant: TenantRef, *, now: datetime) -> Checks:
    """Return the controls' findings, at most some seconds old: the page may be opened often, the chain is long."""
    with _lock:
        found = _recent.get(tenant.id)
    if found is None or not timedelta(0) <= now - found.at <= REMEMBERED:
        found = Checks(now, tuple(run_controls(tenant)))
        with _lock:
            _recent[tenant.id] = found
    return found
