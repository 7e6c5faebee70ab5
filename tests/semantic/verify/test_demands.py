"""What a proof notes on a way that led nowhere, it forgets."""

from copy import deepcopy
from typing import Any

from sqlglot import exp, parse_one

from apps.semantic.query.types import Top
from apps.semantic.verify.demands import Ledger, Proof, TakenOver
from tests.semantic.features.store import everything, model

ASKED_ONCE = {"placeholders", "parameters", "chosen", "stored", "sure_masks"}
"""what says the same on every way: of the text itself, or of a table and its view"""


def noted(ledger: Ledger) -> dict[str, Any]:
    """Return all that a ledger holds, in its proof too."""
    found = {name: value for name, value in vars(ledger).items() if name != "proof"}
    of_proof = {name: getattr(ledger.proof, name) for name in Proof.__slots__}  # type: ignore[attr-defined]  # a slotted data class
    return deepcopy(
        {**found, **{f"proof.{name}": value for name, value in of_proof.items() if isinstance(value, list)}}
    )


def fill(ledger: Ledger, query: exp.Expr, number: int) -> None:
    """Note something of every kind."""
    fence = query.args.pop("offset")
    ledger.taken.append((query, "offset", fence))
    top = Top("a.b", number + 1, "a.c")
    ledger.rankings.setdefault((1, top), set()).add(f"ranking {number}")
    ledger.rankings.setdefault((1, Top("a.b", 1, "a.c")), set()).add(f"ranking {number}")
    for held in (ledger.proven, ledger.settled, ledger.doubtful):
        held.add(number)
    ledger.masked_texts.add(("a", str(number)))
    ledger.taken_over[number] = TakenOver(may_fail=True, rules=())
    proof = ledger.proof
    proof.values.append((number, number))
    for items in (proof.mask_keys, proof.texts):
        items.append(number)
    proof.rests.append(((number,), (number,), number))
    proof.pairs.append((number, number))
    proof.patterns.append((number, "!"))


def test_all_that_was_noted_after_a_point_is_forgotten_and_nothing_before_it():
    of = model()
    ledger = Ledger(Proof(of, everything(of, next(iter(of.topics)))), (0, 1))
    first, second = parse_one("SELECT 1 OFFSET 0"), parse_one("SELECT 2 OFFSET 0")
    fill(ledger, first, 0)
    before = noted(ledger)
    mark = ledger.mark()
    for _ in range(2):  # the same point serves for each way that is tried
        fill(ledger, second, 1)
        after = noted(ledger)
        assert {name for name in before if after[name] == before[name]} <= ASKED_ONCE
        assert ledger.is_met(mark)
        ledger.back_to(mark)
        assert noted(ledger) == before
        assert second.sql() == "SELECT 2 OFFSET 0"
        assert first.sql() == "SELECT 1"
