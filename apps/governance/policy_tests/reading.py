"""Files of policy tests → tests, or every problem at once, each with file, line and column. Pure."""

from collections.abc import Iterable, Mapping

from apps.access.types import AttributeValue
from apps.governance.blast_radius.candidates import Candidate
from apps.governance.policy_tests.naming import KnownNames, known_names
from apps.governance.policy_tests.types import Expected, Names, PolicyTest, RowsOnlyWhere, TestPerson
from apps.semantic.errors import MalformedQueryError, ModelError, Problem
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import Scalar
from apps.semantic.model.yaml_nodes import FileProblemError, Node, read_yaml
from apps.semantic.query.reading import parse_query
from apps.semantic.query.types import SemanticQuery

SUFFIXES = (".access_test.yaml", ".access_test.yml", ".access_test")
MAX_TESTS = 2_000
FILE_KEYS = frozenset(("people", "tests"))
PERSON_KEYS = frozenset(("attributes", "groups"))
TEST_KEYS = frozenset(("name", "person", "people", "dataset", "query", "expect", "run"))
EXPECT_KEYS = frozenset(("denied", "fields", "masked", "rows_only_where", "unfiltered"))
DECISIONS = ("denied", "allowed")
NAMES_KEYS = frozenset(("exactly", "includes", "excludes"))
BY_GROUPS = "omni_user_groups"
KINDS = {str: "string", bool: "boolean", int: "number", float: "number"}


def test_files(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files that hold policy tests; the others make the model."""
    return {path: content for path, content in files.items() if path.endswith(SUFFIXES)}


def model_files(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files that make the model."""
    tests = test_files(files)
    return {path: content for path, content in files.items() if path not in tests}


def read_policy_tests(
    files: Mapping[str, str], candidate: Candidate, *, known_attributes: Iterable[str] = ()
) -> tuple[PolicyTest, ...]:
    """Read every policy test among the files of a model, in the order of files and lines.

    ``known_attributes`` are the tenant's own; those that rules of the model name are known anyway.

    Raises:
        ModelError: a key, person, data set, field or attribute is unknown, or something is malformed.
    """
    known = known_names(candidate, known_attributes)
    problems: list[Problem] = []
    found: list[PolicyTest] = []
    for path, content in sorted(test_files(files).items()):
        try:
            reader = _Reader(read_yaml(path, content), known)
        except FileProblemError as error:
            problems.append(error.problem)
            continue
        found += reader.tests()
        problems += reader.problems
    if len(found) > MAX_TESTS:
        problems.append(Problem(found[-1].source.file, 1, 1, f"there are more than {MAX_TESTS} policy tests"))
    if problems:
        raise ModelError(tuple(problems))
    return tuple(found)


class _Reader:
    """Reads one file; goes on after a problem, so that all are told at once."""

    def __init__(self, root: Node, known: KnownNames) -> None:
        self.root, self.known = root, known
        self.problems: list[Problem] = []

    def tests(self) -> list[PolicyTest]:
        if not self._keys(self.root, FILE_KEYS, "a file of policy tests"):
            return []
        parts = self.root.map()
        people = {name: self._person(name, node) for name, node in self._map(parts.get("people"), "people").items()}
        items = self._list(parts.get("tests"), "tests")
        if not items and not self.problems:
            self._fault(self.root, "there is no test in this file: give “tests” a list")
        found = [test for node in items if (test := self._test(node, people)) is not None]
        self._refuse_twins(found)
        return found

    def _refuse_twins(self, found: list[PolicyTest]) -> None:
        names: set[str] = set()
        for test in found:
            if test.name in names:
                self.problems.append(
                    Problem(
                        test.source.file, test.source.line, test.source.column, f"there are two tests “{test.name}”"
                    )
                )
            names.add(test.name)

    def _person(self, name: str, node: Node) -> TestPerson:
        self._keys(node, PERSON_KEYS, "a person")
        parts = node.map()
        attributes = {}
        for attribute, value in self._map(parts.get("attributes"), "attributes").items():
            self._check_attribute(attribute, value)
            if values := self._scalars(value, f"the value of “{attribute}”"):
                attributes[attribute] = AttributeValue(values, KINDS[type(values[0])], "policy test")
        return TestPerson(name, attributes, self._texts(parts.get("groups"), "groups"), node.source)

    def _check_attribute(self, name: str, node: Node) -> None:
        if name == BY_GROUPS:
            self._fault(node, "give “groups” to the person; the attribute follows from them")
        elif name not in self.known.attributes:
            hint = did_you_mean(name, self.known.attributes)
            self._fault(node, f"there is no user attribute “{name}”, and no rule of the model names it.{hint}")

    def _test(self, node: Node, people: Mapping[str, TestPerson]) -> PolicyTest | None:
        if not self._keys(node, TEST_KEYS, "a test"):
            return None
        before, parts = len(self.problems), node.map()
        dataset = self._dataset(node)
        who = self._people(node, people)
        name = self._text(node, "name") if "name" in parts else f"{dataset}, line {node.line}"
        expected = self._expected(node, dataset)
        query = self._query(parts["query"], dataset) if "query" in parts else None
        runs = self._flag(parts.get("run"), "run")
        if runs and not expected.rows:
            self._fault(node, "“run” reads rows for “rows_only_where”; this test expects nothing of rows")
        if len(self.problems) > before:
            return None
        return PolicyTest(name, dataset, who, query, expected, runs, node.source)

    def _dataset(self, node: Node) -> str:
        name = self._text(node, "dataset")
        if name and name not in self.known.datasets:
            hint = did_you_mean(name, self.known.datasets)
            self._fault(node.map()["dataset"], f"the model has no data set “{name}”.{hint}")
        return name

    def _people(self, node: Node, people: Mapping[str, TestPerson]) -> tuple[TestPerson, ...]:
        parts = node.map()
        given = parts.get("person", parts.get("people"))
        names = self._texts(given, "people")
        if not names or ("person" in parts and "people" in parts):
            self._fault(given or node, "say who asks: “person” or “people” names one or several of this file's people")
        for name in names:
            if name not in people:
                self._fault(given or node, f"this file has no person “{name}”.{did_you_mean(name, people)}")
        return tuple(people[name] for name in names if name in people)

    def _query(self, node: Node, dataset: str) -> SemanticQuery | None:
        plain = node.plain()
        if not isinstance(plain, dict) or "dataset" in plain:
            self._fault(node, "a query is a map in the form of the API, without its data set")
            return None
        try:
            query = parse_query({**plain, "dataset": dataset or "?"})
        except MalformedQueryError as error:
            self._fault(node, f"the query is malformed: {error.path + ': ' if error.path else ''}{error.message}")
            return None
        for name in self.known.missing_in(query):
            hint = did_you_mean(name, self.known.datasets.get(dataset, ()))
            self._fault(node, f"data set “{dataset}” has no field “{name}”.{hint}")
        return query

    def _expected(self, test: Node, dataset: str) -> Expected:
        node = test.map().get("expect")
        if node is not None and node.value in DECISIONS:
            return Expected(denied=node.source) if node.value == "denied" else Expected(allowed=node.source)
        if node is None or not node.map():
            self._fault(node or test, "a test needs an expectation: “expect” is denied, allowed, or a map")
            return Expected()
        self._keys(node, EXPECT_KEYS, "an expectation")
        parts = node.map()
        denied, unfiltered = (self._mark(parts, name) for name in ("denied", "unfiltered"))
        if denied is not None and len(parts) > 1:
            self._fault(parts["denied"], "whoever is denied gets nothing else: leave the other expectations out")
        if unfiltered is not None and "rows_only_where" in parts:
            self._fault(parts["unfiltered"], "rows are either unfiltered or only some")
        known = self.known.datasets.get(dataset, frozenset())
        return Expected(
            denied=denied.source if denied else None,
            fields=self._names(parts.get("fields"), "fields", known, dataset),
            masked=self._names(parts.get("masked"), "masked", known, dataset),
            rows=self._rows(parts.get("rows_only_where"), dataset),
            unfiltered=unfiltered.source if unfiltered else None,
        )

    def _mark(self, parts: Mapping[str, Node], name: str) -> Node | None:
        """Return where a flag is set; false says nothing that could be tested, and is refused."""
        node = parts.get(name)
        if node is not None and node.value is not True:
            self._fault(node, f"“{name}” can only be true; leave it out otherwise")
        return node

    def _names(self, node: Node | None, what: str, known: Iterable[str], dataset: str) -> Names | None:
        if node is None:
            return None
        if not isinstance(node.value, dict):
            return Names(node.source, exactly=self._fields(node, what, known, dataset))
        self._keys(node, NAMES_KEYS, f"“{what}”")
        parts = node.map()
        sets = {name: self._fields(value, name, known, dataset) for name, value in parts.items() if name in NAMES_KEYS}
        if not sets or ("exactly" in sets and len(sets) > 1):
            self._fault(node, f"“{what}” has either “exactly”, or “includes” and “excludes”")
        if "exactly" not in sets and sets and not any(sets.values()):
            self._fault(node, f"“{what}” includes and excludes nothing, so it would always hold")
        return Names(
            node.source, sets.get("exactly"), sets.get("includes", frozenset()), sets.get("excludes", frozenset())
        )

    def _fields(self, node: Node, what: str, known: Iterable[str], dataset: str) -> frozenset[str]:
        names = self._texts(node, what)
        for name in names:
            if dataset in self.known.datasets and name not in known:
                self._fault(node, f"data set “{dataset}” has no field “{name}”.{did_you_mean(name, known)}")
        return frozenset(names)

    def _rows(self, node: Node | None, dataset: str) -> tuple[RowsOnlyWhere, ...]:
        found = []
        for name, value in self._map(node, "rows_only_where").items():
            known = self.known.row_fields.get(dataset, frozenset())
            if dataset in self.known.datasets and name not in known:
                self._fault(value, f"data set “{dataset}” has no dimension “{name}”.{did_you_mean(name, known)}")
            if values := self._scalars(value, f"the values of “{name}”"):
                found.append(RowsOnlyWhere(name, values, value.source))
        return tuple(found)

    def _scalars(self, node: Node, what: str) -> tuple[str | int | float | bool, ...]:
        """Return one value or a list of some, none of them empty."""
        items = node.value if isinstance(node.value, list) else [node]
        values = [item.value for item in items]
        plain = tuple(value for value in values if isinstance(value, str | int | float | bool) and value != "")
        if not plain or len(plain) < len(values):
            self._fault(node, f"{what} must be a value or a list of values, and none may be empty")
            return ()
        if len({KINDS[type(value)] for value in plain}) > 1:
            self._fault(node, f"{what} must be of one type")
        return plain

    def _texts(self, node: Node | None, what: str) -> tuple[str, ...]:
        """Return one text or a list of texts; an empty list is fine."""
        if node is None:
            return ()
        values: tuple[Scalar | object, ...] = (
            tuple(item.value for item in node.value) if isinstance(node.value, list) else (node.value,)
        )
        texts = tuple(value for value in values if isinstance(value, str) and value)
        if len(texts) < len(values):
            self._fault(node, f"“{what}” must be a name or a list of names")
        if len(set(texts)) < len(texts):
            self._fault(node, f"“{what}” says a name twice")
        return texts

    def _text(self, node: Node, name: str) -> str:
        value = node.map().get(name)
        if value is None or not isinstance(value.value, str) or not value.value.strip():
            self._fault(value or node, f"“{name}” is needed, and is a text")
            return ""
        return value.value

    def _flag(self, node: Node | None, name: str) -> bool:
        if node is not None and not isinstance(node.value, bool):
            self._fault(node, f"“{name}” must be true or false")
        return node is not None and node.value is True

    def _map(self, node: Node | None, name: str) -> Mapping[str, Node]:
        if node is not None and not isinstance(node.value, dict):
            self._fault(node, f"“{name}” must be a map")
        return node.map() if node is not None else {}

    def _list(self, node: Node | None, name: str) -> list[Node]:
        if node is not None and not isinstance(node.value, list):
            self._fault(node, f"“{name}” must be a list")
        return node.value if node is not None and isinstance(node.value, list) else []

    def _keys(self, node: Node, allowed: frozenset[str], what: str) -> bool:
        """Refuse what is no map, and every key that means nothing here."""
        if not isinstance(node.value, dict):
            if node.value is not None or what == "a test":
                self._fault(node, f"{what} must be a map")
            return node.value is None
        for name, value in node.value.items():
            if name not in allowed:
                self._fault(value, f"“{name}” means nothing in {what}.{did_you_mean(name, allowed)}")
        return True

    def _fault(self, node: Node, message: str) -> None:
        self.problems.append(Problem(node.file, node.line, node.column, message))
