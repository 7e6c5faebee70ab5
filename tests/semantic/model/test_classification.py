"""Classification: the label that a view gives its fields, and the rules that the model gives a label."""

import pytest

from apps.semantic.errors import ModelError, Problem
from apps.semantic.model.grants import grant_names
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import Dimension, Mask, SemanticModel

GRANTS = """access_grants:
  finance: {user_attribute: team, allowed_values: [Finance]}
  privacy: {user_attribute: team, allowed_values: [Privacy]}
classification_access:
"""
PERSONAL = "  personal: {mask_unless_access_grants: [privacy]}\n"
VIEW = """schema: main
classification: personal
dimensions:
  id: {classification: public}
  email: {}
  name: {}
measures:
  count: {aggregate_type: count}
"""


def read(access: str = PERSONAL, view: str = VIEW, **files: str) -> SemanticModel:
    given = {"model.yaml": GRANTS + access, "people.view.yaml": view, "People.topic.yaml": "base_view: people\n"}
    return read_model(given | files, dialect="duckdb")


def problems(access: str = PERSONAL, view: str = VIEW, **files: str) -> list[Problem]:
    with pytest.raises(ModelError) as refused:
        read(access, view, **files)
    return list(refused.value.problems)  # type: ignore[arg-type]  # problems, by the reader


def dimension(model: SemanticModel, name: str) -> Dimension:
    found = model.dimension(f"people.{name}")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("access", "says", "line"),
    [
        ("  perosnal: {mask_unless_access_grants: [privacy]}\n", "no classification “perosnal”. Did you mean “personal”?", 5),
        ("  unclassified: {required_access_grants: [finance]}\n", "open to nobody", 5),
        ("  personal: {}\n", "names no grants", 5),
        ("  personal: hash\n", "names no grants", 5),
        ("  personal: {mask: redact}\n", "names no grants", 5),
        ("  personal: {required_access_grants: []}\n", "names no grant, so it would close nothing", 5),
        ("  personal: {required_access_grants: [finnce]}\n", "no access grant “finnce”. Did you mean “finance”?", 5),
        ("  personal:\n    mask_unless_access_grants: [privcy]\n", "no access grant “privcy”", 6),
        ("  personal: {required_access_grants: [finance], mask: redact}\n", "does nothing without", 5),
        ("  personal: {required_access_grant: [finance]}\n", "Did you mean “required_access_grants”?", 5),
        ("  personal: {mask_unless_access_grants: [privacy], mask: blur}\n", "a mask is hash", 5),
        ("  personal: {mask_unless_access_grants: [privacy], mask: {bucket: 10}}\n", "fields of every type may bear it", 5),
        ("  personal: {mask_unless_access_grants: [privacy], mask: {truncate_date: year}}\n", "fields of every type may bear it", 5),
        ("  - personal\n", "must be a map of names", 4),
        ("", "is empty", 4),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_a_fault_at_its_line(access: str, says: str, line: int) -> None:
    found = [item for item in problems(access) if says in item.message]
    assert [(item.file, item.line) for item in found] == [("model.yaml", line)]
    assert not read().warnings


def test_a_misspelt_label_of_a_view_is_a_fault_at_its_line() -> None:
    [found] = problems(view=VIEW.replace("classification: personal", "classification: personel"))
    assert (found.file, found.line) == ("people.view.yaml", 2)
    assert "Did you mean “personal”?" in found.message


def test_a_view_gives_its_label_to_fields_that_have_none() -> None:
    model = read()
    labels = {item.name: item.classification for item in model.views["people"].fields}
    assert labels == {"id": "public", "email": "personal", "name": "personal", "count": "personal"}
    plain = read(view=VIEW.replace("classification: personal\n", ""))
    assert dimension(plain, "email").classification == ""
    assert dimension(plain, "email").mask_unless_access_grants is None


def test_a_label_masks_its_fields_at_the_rule_of_the_model_file() -> None:
    rule = dimension(read(), "email").mask_unless_access_grants
    assert rule is not None
    assert (rule.source.file, rule.source.line) == ("model.yaml", 5)
    assert dimension(read(), "id").mask_unless_access_grants is None
    kept = read("  personal: {mask_unless_access_grants: [privacy], mask: {keep_last: 4}}\n")
    assert dimension(kept, "email").mask == Mask("keep_last", 4)


@pytest.mark.parametrize(
    ("own", "label", "expected"),
    [
        ("mask_unless_access_grants: [finance]", "", Mask("hash")),
        ("mask_unless_access_grants: [finance], mask: redact", "", Mask("redact")),
        ("mask_unless_access_grants: [finance]", ", mask: null", Mask("null")),
        ("mask_unless_access_grants: [finance], mask: {keep_last: 4}", ", mask: {keep_last: 4}", Mask("keep_last", 4)),
        ("mask: redact", ", mask: {keep_last: 4}", Mask("redact")),
        ("mask: hash", "", Mask("hash")),
        ("mask: {keep_last: 4}", "", None),
        ("mask: hash", ", mask: {keep_last: 4}", None),
        ("mask_unless_access_grants: [finance]", ", mask: {keep_last: 4}", None),
        ("mask_unless_access_grants: [finance], mask: {keep_last: 9}", ", mask: {keep_last: 4}", None),
    ],
)
def test_of_two_masks_the_one_holds_that_certainly_shows_less(own: str, label: str, expected: Mask | None) -> None:
    view = VIEW.replace("  email: {}", f"  email: {{{own}}}")
    access = f"  personal: {{mask_unless_access_grants: [privacy]{label}}}\n"
    if expected is None:
        [found] = problems(access, view)
        assert (found.file, found.line) == ("people.view.yaml", 5)
        assert "neither hides the whole value" in found.message
        return
    model = read(access, view)
    found_rule = dimension(model, "email").mask_unless_access_grants
    assert dimension(model, "email").mask == expected
    assert found_rule is not None
    assert grant_names(found_rule) == ({"finance", "privacy"} if "finance" in own else {"privacy"})
    assert not model.warnings


def test_a_mask_without_a_rule_is_a_fault_where_no_label_gives_one() -> None:
    view = VIEW.replace("  id: {classification: public}", "  id: {classification: public, mask: redact}")
    with pytest.raises(ModelError, match="“mask” masks nothing without mask_unless_access_grants"):
        read(view=view)
    assert not read(view=view.replace("public, mask", "personal, mask")).warnings


@pytest.mark.parametrize(
    ("measure", "is_closed"),
    [
        ("{aggregate_type: count}", False),
        ("{aggregate_type: count_distinct, sql: '${email}'}", False),
        ("{aggregate_type: count_distinct, sql: email}", False),
        ("{aggregate_type: sum, sql: salary}", True),
        ("{aggregate_type: sum, sql: '${id}', classification: personal}", True),
        ("{aggregate_type: sum, sql: salary, classification: internal}", False),
        ("{aggregate_type: count_distinct, sql: email, reads_in_clear: true}", True),
        ("{aggregate_type: count_distinct, sql: email, reads_in_clear: true, classification: internal}", False),
        ("{aggregate_type: sum_distinct_on, sql: '${id}', custom_primary_key_sql: salary}", True),
    ],
)
def test_a_measure_follows_masks_or_is_closed(measure: str, *, is_closed: bool) -> None:
    found = read(view=f"{VIEW}  total: {measure}\n").measure("people.total")
    assert found is not None
    assert found.is_closed_by_label == is_closed
    if "count_distinct" in measure and "in_clear" not in measure:
        assert found.references == {"people.email"}


def test_a_label_reaches_former_names_other_names_of_views_and_columns_that_are_only_named() -> None:
    view = VIEW.replace(
        "  email: {}", "  email: {aliases: [mail]}\n  domain: {sql: 'LOWER(${host})', classification: public}"
    )
    model = read(view=view)
    for name in ("mail", "host"):
        assert dimension(model, name).classification == "personal", name
        assert dimension(model, name).mask_unless_access_grants is not None, name
    links = "- {join_from_view: people, join_to_view: people, join_to_view_as: boss, relationship_type: many_to_one, on_sql: '${people.id} = ${boss.id}'}\n"
    joined = read(**{"relationships.yaml": links, "People.topic.yaml": "base_view: people\njoins: {boss: {}}\n"})
    boss = joined.dimension("boss.email")
    assert boss is not None
    assert boss.mask_unless_access_grants is not None


def test_a_topics_own_view_has_the_label_that_it_says() -> None:
    topic = "base_view: people\nviews: {people: {classification: internal}}\n"
    model = read(**{"People.topic.yaml": topic})
    own = model.of_topic("People").dimension("people.email")
    assert own is not None
    assert (own.classification, dimension(model, "email").classification) == ("internal", "personal")
    extended = read(**{"staff.view.yaml": "extends: [people]\n"}).dimension("staff.email")
    assert extended is not None
    assert extended.classification == "personal"
