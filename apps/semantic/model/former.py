"""Which fields are others under a former name."""

from apps.semantic.model.types import Dimension, FilterField, Measure

ALIAS = "alias_of"


def is_other_name(item: Dimension | FilterField | Measure) -> bool:
    """Say whether a field is another one's former name."""
    return ALIAS in item.decoration
