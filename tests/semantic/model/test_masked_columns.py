"""A mask follows its column into whatever else reads it; the exception is written down, and told."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import Mask, SemanticModel
from tests.semantic.model.files import SHOP

MASKED = "email: {mask_unless_access_grants: [mail], mask: {keep_last: 3}}"


def customers(*lines: str, measures: str = "", masked: str = MASKED) -> dict[str, str]:
    fields = "".join(f"  {line}\n" for line in ("id: {primary_key: true}", "region: {}", masked, *lines))
    counted = f"measures:\n  {measures}\n" if measures else ""
    return {"shop/customers.view": f"schema: shop\ndimensions:\n{fields}{counted}"}


def read(files: dict[str, str]) -> SemanticModel:
    return read_model(SHOP | files, dialect="duckdb")


def faults(files: dict[str, str]) -> list[str]:
    with pytest.raises(ModelError) as error:
        read(files)
    return [str(item) for item in error.value.problems]


@pytest.mark.parametrize("sql", ["email", '"email"', "EMAIL"])
def test_a_dimension_over_a_masked_column_has_its_mask(sql: str) -> None:
    model = read(customers(f"contact: {{sql: '{sql}'}}"))
    found, masked = model.dimension("customers.contact"), model.dimension("customers.email")
    assert found is not None
    assert masked is not None
    assert found.mask == Mask("keep_last", 3)
    assert found.mask_unless_access_grants == masked.mask_unless_access_grants
    region = model.dimension("customers.region")
    assert region is not None
    assert region.mask_unless_access_grants is None


def test_an_expression_over_a_masked_column_rests_on_the_masked_field() -> None:
    model = read(
        customers(
            "domain: {sql: \"split_part(email, '@', 2)\"}", measures="last: {aggregate_type: max, sql: LOWER(email)}"
        )
    )
    for name in ("customers.domain", "customers.last"):
        field = model.dimension(name) or model.measure(name)
        assert field is not None
        assert field.references == {"customers.email"}


def test_a_second_view_over_the_table_is_masked_too_and_one_over_another_table_is_not() -> None:
    files = customers() | {
        "people.view": "schema: shop\ntable_name: Customers\ndimensions: {mail: {sql: email}, shout: {sql: UPPER(email)}}\n",
        "bare.view": "table_name: customers\ndimensions: {email: {}}\n",
        "other.view": "schema: elsewhere\ntable_name: customers\ndimensions: {email: {}}\n",
        "leads.view": "schema: shop\ntable_name: leads\ndimensions: {email: {}}\n",
    }
    model = read(files)
    rules = {name: model.views[name].dimensions for name in ("people", "bare", "other", "leads")}
    assert rules["people"]["mail"].mask == Mask("keep_last", 3)
    assert rules["people"]["shout"].references == {"people.mail"}
    assert rules["bare"]["email"].mask_unless_access_grants is not None  # its schema is not said
    assert rules["other"]["email"].mask_unless_access_grants is None
    assert rules["leads"]["email"].mask_unless_access_grants is None


def test_views_that_say_no_schema_are_over_one_table_too() -> None:
    files = {
        "people.view": f"table_name: staff\ndimensions: {{{MASKED}}}\n",
        "bare.view": "table_name: Staff\ndimensions: {mail: {sql: email}}\n",
        "leads.view": "table_name: leads\ndimensions: {email: {}}\n",
    }
    rules = {name: read(files).views[name].dimensions for name in ("bare", "leads")}
    assert rules["bare"]["mail"].mask == Mask("keep_last", 3)
    assert rules["bare"]["mail"].mask_unless_access_grants is not None
    assert rules["leads"]["email"].mask_unless_access_grants is None


def test_two_masks_on_one_column_must_both_be_lifted() -> None:
    grants = "access_grants:\n  mail: {user_attribute: d, allowed_values: [m]}\n  boss: {user_attribute: d, allowed_values: [b]}\n"
    files = customers("work: {sql: email, mask_unless_access_grants: [boss]}", "contact: {sql: email}")
    model = read(files | {"model.yaml": grants})
    found, work = model.dimension("customers.contact"), model.dimension("customers.work")
    assert found is not None
    assert work is not None
    assert work.mask_unless_access_grants is not None
    assert work.mask_unless_access_grants.all_of == ((("boss",),),)  # its own, and the mask that it has without a word
    assert work.mask == Mask()
    assert found.mask_unless_access_grants is not None
    assert found.mask_unless_access_grants.all_of == ((("mail",),), (("boss",),))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            customers("contact: {sql: email}", masked="email: {sql: LOWER(email), mask_unless_access_grants: [mail]}"),
            "“customers.contact” reads a column that customers.email masks",
        ),
        (
            customers() | {"people.view": "schema: shop\ntable_name: customers\ndimensions: {shout: {sql: UPPER(email)}}\n"},
            "“people.shout” reads a column that customers.email masks",
        ),
    ],
    ids=["a masked expression", "no field to refer to"],
)  # fmt: skip
def test_where_no_masked_field_can_stand_in_it_is_a_fault(files: dict[str, str], says: str) -> None:
    (found,) = faults(files)
    assert says in found
    assert "reads_in_clear: true" in found


def test_who_shows_a_masked_column_in_clear_says_so_and_is_told() -> None:
    model = read(
        customers(
            "domain: {sql: \"split_part(email, '@', 2)\", reads_in_clear: true}",
            measures="mails: {aggregate_type: count_distinct, sql: email, reads_in_clear: true}",
        )
    )
    domain = model.dimension("customers.domain")
    assert domain is not None
    assert domain.references == frozenset()
    told = [str(item) for item in model.warnings]
    assert len(told) == 2
    assert all("shows in clear what customers.email masks" in text for text in told)


@pytest.mark.parametrize("sql", ["${raw}", "${customers.raw}", "${halfway}"])
def test_a_mask_that_is_written_through_references_reaches_the_column(sql: str) -> None:
    """``email: {sql: ${raw}, mask…}`` hides what ``raw`` is, and whatever else is that column."""
    masked = f"email: {{sql: '{sql}', mask_unless_access_grants: [mail], mask: {{keep_last: 3}}}}"
    raw = ("raw: {sql: email, hidden: true}", "halfway: {sql: '${raw}'}", "contact: {sql: email}")
    people = {"people.view": "schema: shop\ntable_name: customers\ndimensions: {mail: {sql: email}}\n"}
    model = read(customers(*raw, masked=masked) | people)
    for name in ("customers.raw", "customers.contact", "people.mail"):
        field = model.dimension(name)
        assert field is not None
        assert field.mask == Mask("keep_last", 3)
        assert field.mask_unless_access_grants is not None


def test_a_mask_over_another_views_field_reaches_that_views_column() -> None:
    orders = SHOP["shop/orders.view.yaml"].replace(
        "measures:", "  buyer: {sql: '${customers.email}', mask_unless_access_grants: [mail]}\nmeasures:", 1
    )
    model = read(customers(masked="email: {}") | {"shop/orders.view.yaml": orders})
    field = model.dimension("customers.email")
    assert field is not None
    assert field.mask_unless_access_grants is not None


def test_a_column_within_a_masked_expression_over_references_is_told_of() -> None:
    files = customers("raw: {sql: email}", masked="email: {sql: 'UPPER(${raw})', mask_unless_access_grants: [mail]}")
    assert "reads a column that customers.email masks" in faults(files)[0]
    clear = customers(
        "raw: {sql: email, reads_in_clear: true}",
        masked="email: {sql: 'UPPER(${raw})', mask_unless_access_grants: [mail]}",
    )
    assert any(
        "“customers.raw” shows in clear what customers.email masks" in str(item) for item in read(clear).warnings
    )


def test_references_in_a_circle_are_read_once() -> None:
    files = customers("raw: {sql: '${email}'}", masked="email: {sql: '${raw}', mask_unless_access_grants: [mail]}")
    assert faults(files)
