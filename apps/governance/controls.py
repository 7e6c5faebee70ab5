"""Promises of governance."""

from uuid import uuid4

from apps.access.types import Actor
from apps.datamodels.models import Dataset
from apps.governance.selectors import visible_datasets
from apps.tenants.binding import bound_tenant_id
from apps.tenants.types import Control, ControlResult


def _nobody_sees_nothing() -> ControlResult:
    stranger = Actor(kind="person", tenant_id=bound_tenant_id(), user_id=uuid4(), label="stranger")
    admin = Actor(kind="person", tenant_id=bound_tenant_id(), user_id=uuid4(), label="admin", is_tenant_admin=True)
    seen = visible_datasets(stranger).count() + visible_datasets(admin).count()
    return ControlResult(
        seen == 0, f"{seen} of {Dataset.objects.count()} data sets open to somebody without permission"
    )


CONTROLS = (
    Control(
        "governance.deny_by_default",
        "P3",
        "Without a permission nobody sees a data set, administrators included",
        _nobody_sees_nothing,
    ),
)
