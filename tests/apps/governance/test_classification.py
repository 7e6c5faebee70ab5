"""Rules by classification go the way of every field rule: answers, explanations, listings, blast radius, differences."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from apps.access.selectors import actor_for_user
from apps.accounts.models import GroupMembership, User, UserGroup
from apps.audit.types import SYSTEM
from apps.datamodels.meaning import compare_meaning
from apps.datamodels.models import Dataset, ModelVersion
from apps.datamodels.selectors import files_of, unclassified_fields
from apps.datamodels.services import import_files
from apps.governance.blast_radius.candidates import candidate_of
from apps.governance.blast_radius.radius import blast_radius
from apps.governance.explain import FieldExplained, explain, explain_as_administrator
from apps.governance.offering import dataset_fields
from apps.governance.policy_tests.checking import run_policy_tests
from apps.governance.selectors import governed
from apps.queries.planning import as_query
from apps.semantic.errors import UnknownFieldError
from apps.semantic.model.reading import read_model
from tests.apps.governance.test_blast_radius import told as sentences
from tests.apps.queries.conftest import CANARY, MODEL, Ask, analysts, ask, eve, join, max_, sales, source

__all__ = ["analysts", "ask", "eve", "max_", "sales", "source"]
ACCESS = """classification_access:
  confidential: {required_access_grants: [finance]}
  personal: {mask_unless_access_grants: [privacy], mask: {keep_last: 3}}
"""
GRANTS = MODEL["model.yaml"] + "  privacy: {user_attribute: omni_user_groups, allowed_values: [Privacy]}\n"
VIEW = """schema: main
table_name: orders
classification: internal
dimensions:
  region: {}
  status: {classification: confidential}
  email: {classification: personal}
  loud: {sql: 'UPPER(${email})'}
  both: {sql: "CONCAT(${status}, 'x')"}
  placed: {sql: placed, mask_unless_access_grants: [finance], mask: redact, classification: personal}
measures:
  count: {aggregate_type: count}
  last: {aggregate_type: max, sql: '${email}'}
  paid: {aggregate_type: count, filters: {status: {is: paid}}}
  revenue: {aggregate_type: sum, sql: price, classification: personal}
"""
FILES = {
    "model.yaml": GRANTS + ACCESS,
    "orders.view.yaml": VIEW,
    "mails.view.yaml": "sql: SELECT o.email AS mail FROM main.orders AS o\ndimensions: {mail: {}}\n",
    "Sales.topic.yaml": "base_view: orders\nlabel: Sales\n",
}
OPEN = {"orders.region", "orders.count"}
MASKED = {"orders.email", "orders.loud", "orders.placed"}
PERSONAL = {"orders.last", "orders.revenue"}
CONFIDENTIAL = {"orders.status", "orders.both", "orders.paid"}


def publish(sales: Dataset, files: dict[str, str], now: datetime) -> None:
    import_files(connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)


@pytest.fixture
def published(sales: Dataset, now: datetime) -> Dataset:
    """Sales over a view with labels, and a model that says who has access to which."""
    publish(sales, FILES, now)
    return sales


@pytest.fixture
def put(analysts: UserGroup, make_person: Callable[..., User]) -> Callable[..., User]:
    """Make a person who may query Sales, Europe only, and is in these groups."""

    def person(name: str, *groups: str) -> User:
        user = join(make_person(f"{name}@acme.example"), analysts, "EU")
        for group in groups:
            GroupMembership.objects.create(user=user, group=UserGroup.objects.get_or_create(name=group)[0])
        return user

    return person


def fields(user: User, sales: Dataset) -> dict[str, bool]:
    return {info.name: info.is_masked for info in dataset_fields(governed(actor_for_user(user), sales))}


def told(who: User, name: str) -> FieldExplained:
    query = as_query({"dataset": "Sales", "fields": [name]})
    [found] = explain_as_administrator(actor_for_user(who), query).fields
    return found


def test_a_label_closes_and_masks_for_whom_its_grants_are_missing(
    published: Dataset, eve: User, put: Callable[..., User]
) -> None:
    fay, pia, zoe = put("fay", "Finance"), put("pia", "Privacy"), put("zoe", "Finance", "Privacy")
    assert fields(eve, published) == {name: name in MASKED for name in OPEN | MASKED}
    assert fields(fay, published) == {name: name in MASKED for name in OPEN | MASKED | CONFIDENTIAL}
    assert fields(pia, published) == {name: name == "orders.placed" for name in OPEN | MASKED | PERSONAL}
    assert fields(zoe, published) == dict.fromkeys(OPEN | MASKED | PERSONAL | CONFIDENTIAL, False)


def test_answers_keep_to_the_label(published: Dataset, eve: User, put: Callable[..., User], ask: Ask) -> None:
    pia = put("pia", "Privacy")
    masked, clear = ask(eve, "orders.email"), ask(pia, "orders.email")
    assert masked.columns[0].is_masked
    assert CANARY not in repr(masked.table.to_pydict())
    assert "com" in repr(masked.table.to_pydict())
    assert CANARY in repr(clear.table.to_pydict())
    for name in ("orders.revenue", "orders.last"):
        with pytest.raises(UnknownFieldError):
            ask(eve, name)
        assert ask(pia, name).table.num_rows == 1
    for name in CONFIDENTIAL:
        with pytest.raises(UnknownFieldError):
            ask(pia, name)
        assert ask(put(f"fay{name}", "Finance"), name).table.num_rows


def test_an_administrator_reads_the_line_of_the_label_beside_the_fields_own_rule(
    published: Dataset, eve: User, put: Callable[..., User]
) -> None:
    def rules(who: User, name: str) -> dict[str, tuple[str, bool]]:
        return {item.text: (item.place, item.holds) for item in told(who, name).because if " asks for " in item.text}

    assert told(eve, "orders.status").state == "unavailable"
    assert rules(eve, "orders.status") == {
        "Classification confidential of orders.status asks for finance": ("model.yaml:5", False)
    }
    assert rules(put("fay", "Finance"), "orders.status") == {
        "Classification confidential of orders.status asks for finance": ("model.yaml:5", True)
    }
    assert rules(eve, "orders.loud") == {
        "Showing orders.email unmasked, classified personal, asks for privacy": ("model.yaml:6", False)
    }
    assert rules(put("pia", "Privacy"), "orders.placed") == {
        "Showing orders.placed unmasked asks for finance; and privacy": ("orders.view.yaml:10", False),
        "Showing orders.placed unmasked, classified personal, asks for privacy": ("model.yaml:6", True),
    }
    [text] = rules(eve, "orders.revenue")
    assert text.startswith("Classification personal of orders.revenue, a measure, which has no mask, asks for privacy")
    assert "rests on orders.status" in told(eve, "orders.both").because[0].text


def test_whoever_is_no_administrator_learns_nothing_of_labels(published: Dataset, eve: User) -> None:
    status, nothing = (
        repr(explain(actor_for_user(eve), as_query({"dataset": "Sales", "fields": [name]})))
        for name in ("orders.status", "orders.nothing")
    )
    assert status.replace("orders.status", "X") == nothing.replace("orders.nothing", "X")


LOOSER = {
    "the rule goes": (ACCESS, ""),
    "the mask weakens": ("keep_last: 3", "keep_last: 30"),
    "others pass": ("grants: [privacy]", "grants: [privacy|analyst]"),
    "the view opens": ("grants: [finance]}\n  personal", "grants: [finance|analyst]}\n  personal"),
}
ANALYST = "  analyst: {user_attribute: omni_user_groups, allowed_values: [Analysts]}\n"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("the rule goes", {
            "+ 1 person gains `orders.both`, `orders.last`, `orders.paid`, `orders.revenue`, `orders.status` in Sales",
            "+ 1 person gains `orders.email`, `orders.loud` in Sales in clear, masked until now",
        }),
        ("the mask weakens", {"+ 1 person sees `orders.email`, `orders.loud` in Sales through another mask (last letters 30)"}),
        ("others pass", {
            "+ 1 person gains `orders.last`, `orders.revenue` in Sales",
            "+ 1 person gains `orders.email`, `orders.loud` in Sales in clear, masked until now",
        }),
        ("the view opens", {"+ 1 person gains `orders.both`, `orders.paid`, `orders.status` in Sales"}),
    ],
)  # fmt: skip
def test_the_blast_radius_tells_of_rules_by_label(
    sales: Dataset, eve: User, now: datetime, change: str, expected: set[str]
) -> None:
    files = FILES | {"model.yaml": GRANTS + ANALYST + ACCESS}
    publish(sales, files, now)
    old, new = LOOSER[change]
    assert old in files["model.yaml"]
    looser = files | {"model.yaml": files["model.yaml"].replace(old, new)}

    def after(changed: dict[str, str]) -> set[str]:
        found = blast_radius(sales.data_model, candidate_of(changed, dialect="duckdb"), target="the draft")
        return {text for text in sentences(found) if "redact" not in text}

    assert after(looser) == expected
    publish(sales, looser, now)
    back = after(files)
    assert back
    # the mask that kept thirty letters and the one that keeps three: nobody can say which shows less
    assert {text[0] for text in back} == ({"+"} if change == "the mask weakens" else {"-"})


def test_a_label_that_changes_is_told_like_the_rules_that_it_brings(published: Dataset, eve: User) -> None:
    view = VIEW.replace("  status: {classification: confidential}", "  status: {}")
    files = FILES | {"orders.view.yaml": view}
    found = blast_radius(published.data_model, candidate_of(files, dialect="duckdb"), target="the draft")
    assert sentences(found) == ["+ 1 person gains `orders.both`, `orders.paid`, `orders.status` in Sales"]


def test_the_difference_of_two_versions_names_labels_and_their_rules() -> None:
    def meaning(files: dict[str, str]) -> list[tuple[str, str, str, tuple[str, ...]]]:
        old, new = read_model(FILES, dialect="duckdb"), read_model(files, dialect="duckdb")
        return [(item.kind, item.what, item.name, item.details) for item in compare_meaning(old, new)]

    opened = meaning(FILES | {"model.yaml": GRANTS + ACCESS.replace("[finance]", "[finance|privacy]")})
    assert opened == [("changed", "access by classification", "confidential", ("required grants",))]
    gone = meaning(
        FILES | {"model.yaml": GRANTS + ACCESS.replace("  confidential: {required_access_grants: [finance]}\n", "")}
    )
    assert gone == [("removed", "access by classification", "confidential", ())]
    default = meaning(
        FILES | {"orders.view.yaml": VIEW.replace("classification: internal\n", "classification: public\n")}
    )
    assert ("changed", "view", "orders", ("classification",)) in default
    assert ("changed", "field", "orders.region", ("classification",)) in default
    assert meaning(FILES | {"model.yaml": "# a line more\n" + FILES["model.yaml"]}) == []


def test_files_come_back_as_they_were(published: Dataset) -> None:
    assert files_of(ModelVersion.objects.get(data_model=published.data_model, is_current=True)) == FILES


def test_an_unclassified_view_closes_its_fields_until_somebody_says_what_they_hold(
    sales: Dataset, eve: User, now: datetime
) -> None:
    publish(
        sales,
        FILES | {"orders.view.yaml": VIEW.replace("classification: internal", "classification: unclassified")},
        now,
    )
    assert fields(eve, sales).keys() == {"orders.email", "orders.placed"}
    waiting = unclassified_fields(ModelVersion.objects.get(data_model=sales.data_model, is_current=True))
    assert {item.name for item in waiting} == {"region", "loud", "both", "count", "last", "paid"}
    publish(sales, FILES, now)
    assert fields(eve, sales).keys() >= OPEN


TESTS = """
people:
  anna: {attributes: {region: [EU]}}
  pia: {attributes: {region: [EU]}, groups: [Privacy]}
tests:
  - {name: it, person: PERSON, dataset: Sales, expect: {masked: [orders.email, orders.loud, orders.placed]}}
  - {name: it too, person: PERSON, dataset: Sales, expect: {fields: {excludes: [orders.revenue, orders.status]}}}
"""


def test_policy_tests_pin_labels(published: Dataset) -> None:
    for person, wanted in (("anna", [True, True]), ("pia", [False, False])):
        files = FILES | {"a.access_test.yaml": TESTS.replace("PERSON", person)}
        found = run_policy_tests(files, published.data_model.connection, now=datetime.now(UTC))
        assert [outcome.has_passed for outcome in found] == wanted
