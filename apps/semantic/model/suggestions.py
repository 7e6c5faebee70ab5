"""“Did you mean”: among names that the reader wrote or may see, never others. The work is bounded, per name and per model."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from difflib import get_close_matches

MAX_NAME = 100
MAX_COMPARED = 60
"""names that are compared letter by letter; of more than these, those of like length and like letters"""
MAX_WORK = 10_000_000
"""pairs of letters over one model: half a second. Nobody reads the suggestion after the hundredth mistake"""
MAX_REMEMBERED = 2_000
"""different names of one model that something is looked up for"""
LOOK = 30
"""pairs of letters that looking at a name without comparing it is worth"""


@dataclass(slots=True)
class Budget:
    """Work that may still be spent on suggestions, in pairs of letters."""

    left: int = MAX_WORK
    remembered: dict[str, str] = field(default_factory=dict)

    @property
    def is_spent(self) -> bool:
        return self.left <= 0


_budget: ContextVar[Budget | None] = ContextVar("suggestions_budget", default=None)


@contextmanager
def bounded_work() -> Iterator[Budget]:
    """Bound all suggestions made inside together; inside another such block, its bound holds."""
    outer = _budget.get()
    if outer is not None:
        yield outer
        return
    token = _budget.set(Budget())
    try:
        yield _budget.get() or Budget()
    finally:
        _budget.reset(token)


def is_spent() -> bool:
    """Say whether no suggestion is made any more."""
    budget = _budget.get()
    return budget is not None and budget.is_spent


def remembered(name: str, find: Callable[[str], str]) -> str | None:
    """Return what is found for a name, once per model; None for a new name after so many that the work would not end."""
    known = (_budget.get() or Budget()).remembered
    if name not in known:
        if len(known) >= MAX_REMEMBERED:
            return None
        known[name] = find(name)
    return known[name]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the closest known name, or nothing; the name itself is never what was meant."""
    if is_spent():
        return ""
    close = closest(name, known if isinstance(known, Collection) else tuple(known), cutoff=0.7)
    return f" Did you mean “{close}”?" if close and close != name else ""


def closest(name: str, known: Collection[str], *, cutoff: float) -> str | None:
    """Return the known name that is most like this one, if any is at all and work is left."""
    budget = _budget.get() or Budget()
    if budget.is_spent:
        return None
    short = name[:MAX_NAME]
    compared = sorted(known) if len(known) <= MAX_COMPARED else _likely(short, known)
    budget.left -= LOOK * len(known) + len(short) * sum(map(len, compared))
    return next(iter(get_close_matches(short, compared, n=1, cutoff=cutoff)), None)


def _likely(name: str, known: Collection[str]) -> list[str]:
    letters, length = frozenset(name), len(name)
    near = [(len(letters.symmetric_difference(item)), item) for item in known if abs(len(item) - length) <= 2]
    return [item for _, item in sorted(near)[:MAX_COMPARED]]
