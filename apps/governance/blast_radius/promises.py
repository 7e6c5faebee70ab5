"""Policy tests that a version takes away or changes: what they promise is no longer looked at before each publication. Pure."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from apps.governance.blast_radius.types import Change
from apps.governance.policy_tests.reading import test_files
from apps.semantic.model.yaml_nodes import FileProblemError, Node, read_yaml

Promises = Mapping[tuple[str, str], Counter[str]]
"""(data set, test) → what its people are, ask and have to get"""


def promise_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    """Yield what happens to the tests of one state of files in another. More tests promise more, and are no change."""
    before, after = _promises(old), _promises(new)
    for (dataset, name), given in sorted(before.items(), key=lambda item: item[0]):
        kept = after.get((dataset, name), Counter())
        if given - kept:
            yield Change("test_changed" if kept else "test_removed", dataset, name)


def _promises(files: Mapping[str, str]) -> Promises:
    """Return what the files promise, wherever it stands in them; what cannot be read promises nothing."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for path, content in test_files(files).items():
        try:
            parts = read_yaml(path, content).map()
        except FileProblemError:
            continue
        people = parts["people"].map() if "people" in parts else {}
        tests = parts["tests"].value if "tests" in parts else []
        for test in tests if isinstance(tests, list) else []:
            dataset, name = (_text(test.map().get(key)) for key in ("dataset", "name"))
            key = (dataset, name or f"{dataset}, without a name")
            found.setdefault(key, Counter())[_content(test, people)] += 1
    return found


def _text(node: Node | None) -> str:
    return str(node.value) if node is not None and isinstance(node.value, str | int | float) else ""


def _content(test: Node, people: Mapping[str, Node]) -> str:
    """Return a test with the people it names, as one text."""
    parts = {key: node.plain() for key, node in test.map().items() if key not in ("person", "people")}
    given = test.map().get("person") or test.map().get("people")
    names = given.plain() if given is not None else []
    listed = [str(name) for name in names] if isinstance(names, list) else [str(names)]
    asked = {name: people[name].plain() if name in people else None for name in listed}
    return json.dumps([parts, asked], sort_keys=True, default=str)
