"""What keeps a rollup from answering."""

from tests.semantic.features.store import FILES, ask, everything, model


def test_a_comparison_is_not_answered_from_periods(store):
    """The last of January is the first of February a day later; a period has no such day."""
    compare = {"field": "flat.ordered_at", "offset": "1 day"}
    question = ask("Flat", "flat.ordered_at[month]", "flat.revenue", compare=compare)
    assert "monthly" not in store.text(question)[0]
    assert [row[1:] for row in store.ask(question)] == [(100, None), (50, 150), (30, 30), (520, 520), (11, 11)]
    assert "monthly" in store.text(ask("Flat", "flat.ordered_at[month]", "flat.revenue"))[0]


def test_moments_as_they_are_do_not_come_from_periods(store):
    flat = FILES["flat.view"].replace("timeframes: [date,", "timeframes: [raw, date,")
    of = model(store.engine.dialect, **{"flat.view": flat})
    assert "monthly" in store.text(ask("Flat", "flat.ordered_at[month]"), everything(of, "Flat"), of)[0]
    found = store.ask(ask("Flat", "flat.ordered_at[raw]"), everything(of, "Flat"), of)
    assert len(found) == 6
