"""What a view is called where it is joined under another name."""

from tests.semantic.features.store import FILES, model


def test_another_name_of_a_view_has_the_label_that_its_join_gives_it() -> None:
    joined = FILES["relationships"].replace(
        "join_to_view_as: managers,", "join_to_view_as: managers, join_to_view_as_label: Line managers,"
    )
    assert joined != FILES["relationships"]
    assert model("duckdb", relationships=joined).views["managers"].label == "Line managers"
    assert model("duckdb").views["managers"].label == "Managers"
