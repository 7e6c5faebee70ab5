"""The user attributes that rules of a model may name: the tenant's own, and those that the system sets."""

from apps.accounts.attributes import SYSTEM_ATTRIBUTES
from apps.accounts.models import AttributeDefinition
from apps.semantic.errors import Problem
from apps.semantic.model.security import check_attributes
from apps.semantic.model.types import SemanticModel


def known_attributes() -> dict[str, str]:
    """Return the type of each user attribute of the bound tenant by its name."""
    own = dict(AttributeDefinition.objects.values_list("name", "type"))
    return own | dict.fromkeys(SYSTEM_ATTRIBUTES, AttributeDefinition.Type.STRING.value)


def attribute_problems(meaning: SemanticModel) -> tuple[Problem, ...]:
    """Return what no attribute of the tenant can meet: such a version is kept as a draft and never published."""
    single = AttributeDefinition.objects.filter(is_list=False).values_list("name", flat=True)
    return tuple(dict.fromkeys(check_attributes(meaning, known_attributes(), frozenset(single))))
