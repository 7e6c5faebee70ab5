"""A query view with a limit that names no order is put in one by time, or else by what it measures: the proof knows which."""

from dataclasses import replace

import pytest

from apps.semantic.verify.answers import ORDER
from tests.semantic.features.store import FILES, everything, model
from tests.semantic.verify.hand import statement

GRANTS = "mask_unless_access_grants: [sees_mail]"
DAYS = "timeframes: [raw, date, month, day_of_month]"
BORN = f"  born: {{{DAYS}, sql: CAST(born AS DATE)}}"
VIEW = "query: {topic: People, fields: {customers.region: region, %s}, limit: 2}\ndimensions: {region: {}}\n"


def viewed(fields, born, masked=(), **files):
    customers = FILES["customers.view"].replace(
        "  born: {timeframes: [raw, date, month, year], sql: CAST(born AS DATE)}", born, 1
    )
    assert customers != FILES["customers.view"]
    of = model(
        **{"customers.view": customers, "v.query.view": VIEW % fields + LIFTED, "V.topic": "base_view: v"} | files
    )
    whole = everything(of, "V")
    inner = replace(whole.nested["People"], masked=frozenset(masked), mask_key=whole.mask_key)
    question = {"dataset": "V", "fields": ["v.region"]}
    return statement(question, of, replace(whole, nested=whole.nested | {"People": inner}))


LIFTED = "required_access_grants: [sees_mail]\n"
MONTH = '"customers.born[month]": t, customers.count: n'
ORDERED = {
    "a month": (MONTH, BORN, (), "2 ASC, 1 ASC"),
    "a month beside masks": (MONTH, BORN, ("customers.mail",), "2 ASC, 1 ASC"),
    "a day of the month": ('"customers.born[day_of_month]": t, customers.count: n', BORN, (), "2 ASC, 1 ASC"),
    "a date": ("customers.born: t, customers.count: n", "  born: {sql: CAST(born AS DATE)}", (), "2 ASC, 1 ASC"),
    "a number": ("customers.credit: t, customers.count: n", BORN, (), "3 DESC, 1 ASC, 2 ASC"),
    "nothing measured": ("customers.credit: t", BORN, (), "1 ASC, 2 ASC"),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDERED)
def test_an_order_that_is_not_named_is_known(name):
    fields, born, masked, order = ORDERED[name]
    found = viewed(fields, born, masked)
    order = f" ORDER BY {order} LIMIT 2"
    for other in (" ORDER BY 1 DESC LIMIT 2", " LIMIT 2", " ORDER BY 2 ASC LIMIT 2"):
        found.refuses(found.changed((order, other)), ORDER)
