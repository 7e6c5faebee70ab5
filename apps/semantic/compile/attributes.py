"""Names of schemas that a user attribute decides."""

import re

from apps.semantic.errors import MissingAttributeError
from apps.semantic.model.types import View
from apps.semantic.scope import AccessScope

SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def schema_of(view: View, scope: AccessScope) -> str | None:
    """Return the schema of a view's table.

    Raises:
        MissingAttributeError: an attribute names it, and has not exactly one value that is a plain name.
    """
    if view.schema_attribute is None:
        return view.schema
    values = scope.attributes.get(view.schema_attribute, ())
    if len(values) != 1 or not isinstance(values[0], str) or not SCHEMA.fullmatch(values[0]):
        raise MissingAttributeError(view.schema_attribute)
    return values[0]
