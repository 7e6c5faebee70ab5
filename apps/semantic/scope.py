"""What one actor may get of one data set: the compiler's only word on rights. Built by ``apps.governance``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.semantic.model.types import Scalar


@dataclass(frozen=True, slots=True)
class RowPolicy:
    """Rows of a view (``view.field``) must have one of ``values``; an empty tuple lets no row through."""

    field: str
    values: tuple[Scalar, ...]
    attribute: str
    origin: str
    """file:line of the rule, for explain"""


@dataclass(frozen=True, slots=True)
class AccessScope:
    """Rights of one actor on one data set, in one version of a model. Everything not named is refused.

    Attributes:
        topic: name of the data set's topic.
        fields: ids (``view.field``) that may be used in any clause; already closed over references:
            a field that refers to a forbidden field is not in here.
        masked: ids of dimensions that leave their table only as a keyed hash.
        row_policies: by view, all of them hold (AND), inside the view's table, before any join.
        topic_policies: row policies of the data set itself: they hold on the joined rows, and their join
            is always made, so that no query can step around them by not touching the view.
        attributes: values of the user attributes that the model's expressions name; bound, never written.
        nested: scopes of other topics that the data set rests on: those of query views, and the parts of a
            composite; by topic.
        max_rows: cap on the rows of an answer.
        mask_key: key of the tenant's keyed hash; bound as a value, never in the SQL text.
        fingerprint: hex SHA-256 over all of the above but the key: equal rights, equal fingerprint.
    """

    topic: str
    fields: frozenset[str]
    masked: frozenset[str] = frozenset()
    row_policies: Mapping[str, tuple[RowPolicy, ...]] = field(default_factory=dict)
    topic_policies: tuple[RowPolicy, ...] = ()
    attributes: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    nested: Mapping[str, "AccessScope"] = field(default_factory=dict)
    max_rows: int = 50_000
    mask_key: str = field(default="", repr=False)
    fingerprint: str = ""


def rights_key(scope: AccessScope) -> tuple[object, ...]:
    """Return a key of everything that a scope says but the key of masks.

    Sets of fields go in by identity, since hashing thousands of names costs more than the rest of a question: whoever
    keeps something under the key must keep the scope with it. Policy values go in with their types, as 1 equals True.
    """
    policies = tuple((view, _typed(policies)) for view, policies in scope.row_policies.items())
    attributes = tuple((name, values, tuple(map(type, values))) for name, values in scope.attributes.items())
    nested = tuple((name, rights_key(inner)) for name, inner in scope.nested.items())
    return (
        scope.topic, id(scope.fields), id(scope.masked), policies, _typed(scope.topic_policies), attributes, nested,
        scope.max_rows,
    )  # fmt: skip


def _typed(policies: tuple[RowPolicy, ...]) -> tuple[object, ...]:
    return tuple((item.field, item.values, tuple(map(type, item.values))) for item in policies)
