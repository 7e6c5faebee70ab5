"""The user attributes that rules of a model may name: the tenant's own, and those that the system sets."""

from apps.accounts.models import AttributeDefinition
from apps.semantic.errors import Problem
from apps.semantic.model.security import check_attributes
from apps.semantic.model.types import SemanticModel

SYSTEM_ATTRIBUTES = {
    "omni_user_id": "string", "omni_user_name": "string", "omni_user_email": "string", "omni_user_groups": "string",
    "omni_is_org_admin": "string", "omni_user_timezone": "string",
}  # fmt: skip


def known_attributes() -> dict[str, str]:
    """Return the type of each user attribute of the bound tenant by its name."""
    return dict(AttributeDefinition.objects.values_list("name", "type")) | SYSTEM_ATTRIBUTES


def attribute_problems(meaning: SemanticModel) -> tuple[Problem, ...]:
    """Return what no attribute of the tenant can meet: such a version is kept as a draft and never published."""
    return tuple(dict.fromkeys(check_attributes(meaning, known_attributes())))
