"""“Did you mean” helps with a mistake, and costs no more for thousands of them: counted in comparisons, not in seconds."""

import random
from collections.abc import Iterator
from contextlib import suppress

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model import suggestions
from apps.semantic.model.reading import read_model
from apps.semantic.model.suggestions import MAX_COMPARED, MAX_WORK, bounded_work, did_you_mean

LETTERS = "abcdefghijklmnopqrstuvwxyz"
MANY = 3_000


def near(base: str, changes: int, seed: int) -> str:
    chance = random.Random(seed)
    letters = list(base)
    for place in chance.sample(range(len(base)), changes):
        letters[place] = chance.choice(LETTERS)
    return "".join(letters)


BASE = near("a" * 90, 90, 0)
KNOWN = [f"f{near(BASE, 12, number)}" for number in range(MANY)]
TYPOS = [f"f{near(BASE, 22, MANY + number)}" for number in range(MANY)]
FIELDS = "dimensions:\n" + "".join(f"  {name}: {{}}\n" for name in KNOWN)
HOSTILE = {
    "references": {
        "a.view": FIELDS + "measures:\n" + "".join(f"  m{place}: {{aggregate_type: sum, sql: '${{{name}}}'}}\n" for place, name in enumerate(TYPOS))
    },
    "tags": {
        "a.view": "dimensions:\n" + "".join(f"  d{place}: {{tags: [{name}]}}\n" for place, name in enumerate(KNOWN)),
        "A.topic": f"base_view: a\nfields: [{', '.join(f'-tag:{name}' for name in TYPOS)}]\n",
    },
    "filters": {
        "a.view": FIELDS + "measures:\n" + "".join(f"  m{place}: {{aggregate_type: count, filters: {{{name}: {{is: 1}}}}}}\n" for place, name in enumerate(TYPOS))
    },
}  # fmt: skip


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count the pairs of letters that are handed to difflib."""
    counted: list[int] = []
    inner = suggestions.get_close_matches

    def counting(word: str, possibilities: list[str], n: int, cutoff: float) -> list[str]:
        counted.append(len(word) * sum(map(len, possibilities)))
        return inner(word, possibilities, n=n, cutoff=cutoff)

    monkeypatch.setattr(suggestions, "get_close_matches", counting)
    return counted


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_thousands_of_near_mistakes_cost_a_bounded_number_of_comparisons(name: str, compared: list[int]) -> None:
    with suppress(ModelError):
        read_model(HOSTILE[name], dialect="duckdb")
    one_more = 101 * 101 * MAX_COMPARED
    assert 0 < sum(compared) <= MAX_WORK + one_more
    assert len(compared) < MANY / 2


def test_a_few_mistakes_are_all_helped() -> None:
    files = {"a.view": "dimensions:\n  amount: {}\nmeasures:\n" + "".join(
        f"  m{place}: {{aggregate_type: sum, sql: '${{amuont}}'}}\n" for place in range(50)
    )}  # fmt: skip
    with pytest.raises(ModelError) as error:
        read_model(files, dialect="duckdb")
    assert sum("Did you mean “a.amount”?" in str(problem) for problem in error.value.problems) == 50


def test_once_the_work_is_spent_nothing_is_suggested_and_afterwards_it_is_again() -> None:
    with bounded_work() as budget:
        assert "paid" in did_you_mean("piad", ["paid"])
        budget.left = 0
        assert did_you_mean("piad", ["paid"]) == ""
        with bounded_work():
            assert did_you_mean("piad", ["paid"]) == ""
    assert "paid" in did_you_mean("piad", ["paid"])
