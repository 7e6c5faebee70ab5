"""Policy tests as immutable values: invented people, what they ask, and what has to come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.access.types import AttributeValue
from apps.semantic.model.types import Scalar, Source
from apps.semantic.query.types import SemanticQuery


@dataclass(frozen=True, slots=True)
class TestPerson:
    """Somebody invented: no account, no permission, only what the rules of a model look at."""

    name: str
    attributes: Mapping[str, AttributeValue]
    groups: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Names:
    """What a set of field ids has to be: exactly these, or at least these and none of those."""

    source: Source
    exactly: frozenset[str] | None = None
    includes: frozenset[str] = frozenset()
    excludes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RowsOnlyWhere:
    """Rows may only have these values in a field (``view.field``)."""

    field: str
    values: tuple[Scalar, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Expected:
    """What has to come of it; where ``denied`` or ``allowed`` is set nothing else is."""

    denied: Source | None = None
    allowed: Source | None = None
    fields: Names | None = None
    masked: Names | None = None
    rows: tuple[RowsOnlyWhere, ...] = ()
    unfiltered: Source | None = None


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """One test; ``query`` None asks about the data set as a whole. ``runs`` reads real rows where that is possible."""

    name: str
    dataset: str
    people: tuple[TestPerson, ...]
    query: SemanticQuery | None
    expected: Expected
    runs: bool
    source: Source


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that does not hold; ``expected`` and ``actual`` are texts for people."""

    expectation: str
    expected: str
    actual: str
    source: Source

    @property
    def place(self) -> str:
        return f"{self.source.file}:{self.source.line}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one test for one person; ``note`` says what could not be looked at."""

    test: str
    person: str
    dataset: str
    source: Source
    failures: tuple[Failure, ...] = field(default=())
    note: str = ""

    @property
    def has_passed(self) -> bool:
        return not self.failures
