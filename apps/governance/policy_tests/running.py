"""Policy tests → outcomes. What an invented person gets is decided by the functions that decide for real people."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from apps.access.types import Actor, AttributeValue
from apps.connections.models import Connection
from apps.governance.blast_radius.candidates import Candidate, scope_of
from apps.governance.deciding import as_text
from apps.governance.fields import shown_masked
from apps.governance.policy_tests.governing import governing, has_row_policy
from apps.governance.policy_tests.rows import RowReader, RowsUnavailableError
from apps.governance.policy_tests.types import Expected, Failure, Names, Outcome, PolicyTest, RowsOnlyWhere, TestPerson
from apps.governance.scopes import SHARED
from apps.semantic.compile import CompiledQuery, compile_query
from apps.semantic.compile.inner_masks import standing_in
from apps.semantic.errors import MissingAttributeError, QueryError, SemanticError, UnknownFieldError
from apps.semantic.model.types import SemanticModel, Source
from apps.semantic.query.types import SemanticQuery
from apps.semantic.scope import AccessScope
from apps.semantic.verify import verify
from apps.tenants.binding import bound_tenant_id

SHOWN = 12
MAX_ROWS_READ = 50_000
NOT_READ = "rows were not read: {reason}"


def actor_of(person: TestPerson) -> Actor:
    """Return an invented person as an actor: what the rules of a model look at, and no id that anybody has."""
    key = uuid5(NAMESPACE_URL, f"{person.source.file}:{person.name}")
    attributes = {
        "omni_user_id": AttributeValue((str(key),), "string", "system"),
        "omni_user_name": AttributeValue((person.name,), "string", "system"),
        "omni_is_org_admin": AttributeValue(("false",), "string", "system"),
        "omni_user_timezone": AttributeValue(("UTC",), "string", "system"),
    }
    if person.groups:
        attributes["omni_user_groups"] = AttributeValue(tuple(sorted(person.groups)), "string", "system")
    return Actor(
        kind="person",
        tenant_id=bound_tenant_id(),
        user_id=key,
        label=person.name,
        group_names=frozenset(person.groups),
        attributes=attributes | dict(person.attributes),
    )


class Runner:
    """Runs tests on one state of a model; ``reader`` None reads no rows."""

    def __init__(
        self, candidate: Candidate, connection: Connection, *, now: datetime, reader: RowReader | None = None
    ) -> None:
        self.candidate, self.connection, self.now, self.reader = candidate, connection, now, reader

    def run(self, tests: tuple[PolicyTest, ...]) -> tuple[Outcome, ...]:
        """Return an outcome per test and person, in order."""
        return tuple(self._outcome(test, person) for test in tests for person in test.people)

    def _outcome(self, test: PolicyTest, person: TestPerson) -> Outcome:
        outcome = Outcome(test.name, person.name, test.dataset, test.source)
        actor = actor_of(person)
        try:
            scope = scope_of(actor, self.candidate, test.dataset)
            compiled = self._compiled(test.query, scope) if scope is not None and test.query is not None else None
        except (MissingAttributeError, UnknownFieldError) as error:
            return replace(outcome, failures=tuple(_if_denied(test, _reason(error))))
        except SemanticError as error:
            source = test.source
            return replace(outcome, failures=(Failure("query", "a question that can be asked", str(error), source),))
        if scope is None:
            return replace(outcome, failures=tuple(_if_denied(test, "denied: the data set is closed by its grants")))
        failures = list(self._failures(test, scope, compiled))
        note = ""
        if test.runs and not failures:
            found, note = self._on_rows(test, scope)
            failures += found
        return replace(outcome, failures=tuple(failures), note=note)

    def _compiled(self, query: SemanticQuery, scope: AccessScope) -> CompiledQuery:
        """Compile and prove the question, as for anybody who asks it."""
        model = self.candidate.model
        compiled = compile_query(query, model=model, scope=scope, today=self.now.date())
        verify(compiled, model=model, scope=scope)
        return compiled

    def _failures(self, test: PolicyTest, scope: AccessScope, compiled: CompiledQuery | None) -> Iterator[Failure]:
        expected = test.expected
        if expected.denied is not None:
            yield Failure("denied", "denied", _admitted(test, scope), expected.denied)
            return
        asked = _asked(test.query, scope)
        yield from _names("fields", expected.fields, asked)
        yield from _names("masked", expected.masked, _masked(self.candidate.model, scope) & asked)
        for rule in expected.rows:
            yield from self._rows(rule, test, scope, compiled)
        if expected.unfiltered is not None and has_row_policy(scope):
            actual = "row policies on " + _shown(sorted(has_row_policy(scope)))
            yield Failure("unfiltered", "every row", actual, expected.unfiltered)

    def _rows(
        self, rule: RowsOnlyWhere, test: PolicyTest, scope: AccessScope, compiled: CompiledQuery | None
    ) -> Iterator[Failure]:
        """Compare what governs the question with the values that may occur."""
        wanted = _wanted(rule)
        parts = tuple(governing(rule.field, test.dataset, self.candidate.model, scope, compiled))
        if not parts:
            yield Failure(rule_name(rule), wanted, "nobody can tell which tables this question reads", rule.source)
        for part in parts:
            of_part = f" in {part.topic}" if part.topic != test.dataset else ""
            if not part.policies:
                actual = f"no row policy on {rule.field} governs this{of_part}"
                if part.beside:
                    actual = f"the row policy on {rule.field} governs {part.beside} alone, and rows without a match in it remain{of_part}"
                yield Failure(rule_name(rule), wanted, actual, rule.source)
                continue
            values = set.intersection(*({as_text(value) for value in policy.values} for policy in part.policies))
            if values - {as_text(value) for value in rule.values}:
                actual = f"rows where {rule.field} is {_shown(sorted(values))}{of_part}"
                yield Failure(rule_name(rule), wanted, actual, rule.source)

    def _on_rows(self, test: PolicyTest, scope: AccessScope) -> tuple[list[Failure], str]:
        """Read the values that really occur; the note says why none were read."""
        if self.reader is None:
            return [], NOT_READ.format(reason="this process does not ask sources")
        found: list[Failure] = []
        for rule in test.expected.rows:
            if rule.field not in scope.fields:
                return found, NOT_READ.format(reason=f"{rule.field} is closed to this person")
            try:
                values = self._values(rule, test, scope, self.reader)
            except RowsUnavailableError as error:
                return found, NOT_READ.format(reason=str(error))
            except QueryError as error:
                found.append(Failure(rule_name(rule), _wanted(rule), f"cannot be asked: {error}", rule.source))
                continue
            if values - {as_text(value) for value in rule.values}:
                actual = f"rows that exist where {rule.field} is {_shown(sorted(values))}"
                found.append(Failure(rule_name(rule), _wanted(rule), actual, rule.source))
        return found, ""

    def _values(self, rule: RowsOnlyWhere, test: PolicyTest, scope: AccessScope, reader: RowReader) -> set[str]:
        filters = test.query.filters if test.query is not None else ()
        query = SemanticQuery(test.dataset, (rule.field,), filters=filters, limit=MAX_ROWS_READ)
        rows = reader(query, connection=self.connection, model=self.candidate.model, scope=scope, now=self.now)
        return {"nothing (null)" if value is None else as_text(value) for (value,) in rows}


def rule_name(rule: RowsOnlyWhere) -> str:
    return f"rows_only_where {rule.field}"


def _wanted(rule: RowsOnlyWhere) -> str:
    return f"only rows where {rule.field} is {_shown([as_text(value) for value in rule.values])}"


def _reason(error: MissingAttributeError | UnknownFieldError) -> str:
    if isinstance(error, MissingAttributeError):
        return f"denied: the user attribute “{error.attribute}”, which decides the rows, is not set"
    return f"denied: {error.message}"


def _if_denied(test: PolicyTest, actual: str) -> Iterator[Failure]:
    """Yield what fails for somebody who gets nothing; that is what the test wants where it says so."""
    expected = test.expected
    if expected.denied is None:
        yield from (Failure(name, wanted, actual, source) for name, wanted, source in _all_wanted(expected))


def _all_wanted(expected: Expected) -> Iterator[tuple[str, str, Source]]:
    if expected.allowed is not None:
        yield "allowed", "allowed", expected.allowed
    for name, names in (("fields", expected.fields), ("masked", expected.masked)):
        if names is not None:
            yield name, _wanted_names(names), names.source
    for rule in expected.rows:
        yield rule_name(rule), _wanted(rule), rule.source
    if expected.unfiltered is not None:
        yield "unfiltered", "every row", expected.unfiltered


def _admitted(test: PolicyTest, scope: AccessScope) -> str:
    if test.query is None:
        return f"the data set is open, with {len(scope.fields)} fields"
    return "the question is answered"


def _asked(query: SemanticQuery | None, scope: AccessScope) -> frozenset[str]:
    """Return the open fields that the test is about: those of its question, else all of the data set."""
    if query is None:
        return scope.fields
    return frozenset(name.partition("[")[0] for name in query.fields) & scope.fields


def _masked(model: SemanticModel, scope: AccessScope) -> frozenset[str]:
    """Return the fields whose values are masked, those of a composite under the names that it gives them."""
    composite = model.composites.get(scope.topic)
    if composite is None:
        return shown_masked(model.of_topic(scope.topic), scope)
    found = {
        f"@{name}.{field}"
        for name, inner in scope.nested.items()
        for field in shown_masked(model.of_topic(name), inner)
    }
    for shared in composite.shared_dimensions.values():
        for name, mapping in shared.mappings.items():
            if standing_in(mapping, model.of_topic(name), scope.nested[name]) == "masked":
                found.add(SHARED + shared.name)
    return frozenset(found)


def _names(what: str, names: Names | None, actual: frozenset[str]) -> Iterator[Failure]:
    if names is None:
        return
    if names.exactly is not None:
        surplus, missing = actual - names.exactly, names.exactly - actual
    else:
        surplus, missing = actual & names.excludes, names.includes - actual
    if surplus or missing:
        parts = [f"{_shown(sorted(missing))} missing"] if missing else []
        parts += [f"{_shown(sorted(surplus))} too many"] if surplus else []
        yield Failure(what, _wanted_names(names), "; ".join(parts), names.source)


def _wanted_names(names: Names) -> str:
    if names.exactly is not None:
        return f"exactly {_shown(sorted(names.exactly))}"
    parts = [f"includes {_shown(sorted(names.includes))}"] if names.includes else []
    parts += [f"excludes {_shown(sorted(names.excludes))}"] if names.excludes else []
    return "; ".join(parts)


def _shown(names: list[str]) -> str:
    if not names:
        return "nothing"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
