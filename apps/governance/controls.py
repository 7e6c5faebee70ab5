"""Promises of governance."""

from datetime import UTC, datetime
from uuid import uuid4

from apps.access.types import Actor
from apps.datamodels.gates import gate_names
from apps.datamodels.models import Dataset, ModelVersion
from apps.governance.gates import POLICY_TESTS, SECOND_ADMINISTRATOR
from apps.governance.policy_tests.checking import tests_of_version
from apps.governance.selectors import visible_datasets
from apps.semantic.errors import ModelError
from apps.tenants.binding import bound_tenant_id
from apps.tenants.types import Control, ControlResult


def _nobody_sees_nothing() -> ControlResult:
    stranger = Actor(kind="person", tenant_id=bound_tenant_id(), user_id=uuid4(), label="stranger")
    admin = Actor(kind="person", tenant_id=bound_tenant_id(), user_id=uuid4(), label="admin", is_tenant_admin=True)
    seen = visible_datasets(stranger).count() + visible_datasets(admin).count()
    return ControlResult(
        seen == 0, f"{seen} of {Dataset.objects.count()} data sets open to somebody without permission"
    )


def _tests_stand_before_publishing() -> ControlResult:
    """The gates are there, and the policy tests of everything that is published pass now."""
    missing = {POLICY_TESTS, SECOND_ADMINISTRATOR} - set(gate_names())
    versions = ModelVersion.objects.filter(is_current=True).select_related("data_model__connection")
    now = datetime.now(UTC)
    try:
        outcomes = [outcome for version in versions for outcome in tests_of_version(version, now=now)]
    except ModelError as error:
        return ControlResult(holds=False, figure=f"a policy test cannot be read: {error.problems[0]}")
    failed = sum(not outcome.has_passed for outcome in outcomes)
    figure = f"{len(outcomes)} policy tests of {len(versions)} published models, {failed} failing"
    if missing:
        figure += f"; not asked before publishing: {', '.join(sorted(missing))}"
    return ControlResult(not missing and not failed, figure)


CONTROLS = (
    Control(
        "governance.deny_by_default",
        "P3",
        "Without a permission nobody sees a data set, administrators included",
        _nobody_sees_nothing,
    ),
    Control(
        "governance.policy_tests",
        "P3",
        "Policy tests stand before every publication, and those of what is published pass",
        _tests_stand_before_publishing,
    ),
)
