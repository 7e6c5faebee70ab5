"""What of a derived view's columns is made of masked values beneath: by its text, or by its own question."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from apps.semantic.model.carried_masks import carries_mask
from apps.semantic.model.reading import read_model
from tests.semantic.model.files import SHOP

MASKED = frozenset(("customers.email",))
FILES = {
    "shop/customers.view": SHOP["shop/customers.view"].replace(
        "email: {}", "email: {mask_unless_access_grants: [mail]}"
    ),
    "V.topic": "base_view: v\n",
}
FROM = "FROM shop.customers AS c"


@dataclass
class Masks:
    """Masks that somebody sees, and in the topics beneath."""

    masked: frozenset[str] = MASKED
    nested: Mapping[str, "Masks"] = field(default_factory=dict)


def carried(files: dict[str, str], nested: Mapping[str, Masks], names: str) -> set[str]:
    """Return which of some fields of the view v carry a mask; none does where nothing is masked."""
    model = read_model(SHOP | FILES | files, dialect="duckdb")
    own = model.of_topic("V")
    assert not any(carries_mask([f"v.{name}"], own, Masks(frozenset())) for name in names.split())
    return {name for name in names.split() if carries_mask([f"v.{name}"], own, Masks(nested=nested))}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"SELECT c.id AS a, c.email AS b {FROM}", {"b"}),
        (f"SELECT x.a AS a, x.b AS b FROM (SELECT c.id AS a, UPPER(c.email) AS b {FROM}) AS x", {"b"}),
        (f"SELECT c.email AS a, c.id AS b {FROM} UNION ALL SELECT o.id, o.id FROM shop.orders AS o", {"a"}),
        (f"SELECT o.id AS a, o.id AS b FROM shop.orders AS o UNION ALL SELECT c.region, c.email {FROM}", {"b"}),
        (
            f"SELECT x.a AS a, x.b AS b FROM (SELECT o.id AS a, o.id AS b FROM shop.orders AS o UNION ALL (SELECT c.region, c.email {FROM})) AS x",
            {"b"},
        ),
        (f"SELECT c.id AS a, (SELECT MAX(x.email) FROM shop.customers AS x WHERE x.id = c.id) AS b {FROM}", {"b"}),
        (f"SELECT c.id AS a, COUNT(c.email) OVER () AS b {FROM}", {"b"}),
        (
            "SELECT o.id AS a, x.email AS b FROM shop.customers AS c JOIN shop.orders AS o ON o.customer_id = c.id JOIN "
            "(SELECT o.status AS email, o.customer_id AS id FROM shop.orders AS o) AS x ON x.id = c.id",
            set(),
        ),
    ],
)
def test_an_sql_views_column_carries_what_its_text_makes_it_of(text: str, found: set[str]) -> None:
    view = f"sql: {text}\ndimensions: {{a: {{}}, b: {{}}, both: {{sql: \"CONCAT(a, b)\"}}, own: {{sql: '${{a}}'}}}}\n"
    resting = ({"both"} if found else set()) | ({"own"} if "a" in found else set())
    assert carried({"v.view": view}, {}, "a b both own") == found | resting


QUESTION = (
    "query: {base_view: customers, fields: {customers.id: id, customers.email: mail, customers.region: region}, "
    "calculations: {loud: {sql: UPPER(mail)}, near: {sql: UPPER(region)}, louder: {sql: \"CONCAT(loud, '!')\"}}}\n"
    "dimensions: {id: {primary_key: true}, mail: {}, region: {}, loud: {}, near: {}, louder: {}}\n"
)


def test_a_query_views_column_carries_what_its_question_makes_it_of_calculations_too() -> None:
    model = read_model(SHOP | FILES | {"v.query.view": QUESTION}, dialect="duckdb")
    topic = model.views["v"].query_source.topic
    names = "id mail region loud near louder"
    assert carried({"v.query.view": QUESTION}, {topic: Masks()}, names) == {"mail", "loud", "louder"}
    assert carried({"v.query.view": QUESTION}, {topic: Masks(frozenset())}, names) == set()


@pytest.mark.parametrize(
    "beneath",
    [
        {
            "w.view": f"sql: SELECT c.id AS id, c.email AS mail {FROM}\ndimensions: {{id: {{primary_key: true}}, mail: {{}}}}\n"
        },
        {"w.query.view": QUESTION},
    ],
)
def test_a_query_view_over_a_derived_view_carries_what_that_one_carries(beneath: dict[str, str]) -> None:
    asking = "query: {topic: W, fields: {w.id: id, w.mail: mail}}\ndimensions: {id: {}, mail: {}}\n"
    files = beneath | {"W.topic": "base_view: w\n", "v.query.view": asking}
    model = read_model(SHOP | FILES | files, dialect="duckdb")
    source = model.views["w"].query_source
    masks = Masks(nested={source.topic: Masks()} if source is not None else {})
    assert carried(files, {"W": masks}, "id mail") == {"mail"}
