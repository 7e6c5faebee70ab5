"""Policy tests: what they notice, how they are refused, and that they stand before every publication."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.access.selectors import actor_for_user
from apps.accounts.models import AttributeDefinition, User
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.datamodels.errors import PublishRefusedError
from apps.datamodels.folders import read_folder
from apps.datamodels.gates import gate_names
from apps.datamodels.models import Dataset, ModelVersion
from apps.datamodels.services import import_files, publish_version
from apps.governance.blast_radius.candidates import candidate_of
from apps.governance.policy_tests import rows
from apps.governance.policy_tests.checking import run_policy_tests
from apps.governance.policy_tests.reading import read_policy_tests
from apps.governance.policy_tests.running import actor_of
from apps.governance.policy_tests.types import Outcome
from apps.governance.selectors import governed
from apps.semantic.errors import ModelError
from apps.tenants.types import TenantRef
from tests.apps.governance.conftest import read_rows
from tests.apps.queries.conftest import MODEL, analysts, eve, max_, sales, source

__all__ = ["analysts", "eve", "max_", "sales", "source"]
TESTS = "Sales.access_test.yaml"
PEOPLE = """
people:
  eve: {attributes: {region: [EU]}}
  both: {attributes: {region: [EU, US]}}
  boss: {attributes: {region: [ALL]}, groups: [Finance]}
  nobody: {}
tests:
"""
GOOD = (
    PEOPLE
    + """
  - name: Europe sees Europe
    people: eve
    dataset: Sales
    expect:
      rows_only_where: {orders.region: [EU]}
      masked: [orders.email]
      fields: {includes: [orders.revenue], excludes: [orders.margin, orders.margin_share]}
  - {people: boss, dataset: Sales, expect: {unfiltered: true, masked: [], fields: {includes: [orders.margin_share]}}}
  - {person: nobody, dataset: Sales, expect: denied}
  - {people: [eve, both], dataset: Sales, query: {fields: [orders.margin]}, expect: {denied: true}}
  - {people: boss, dataset: Sales, query: {fields: [orders.margin]}, expect: allowed}
"""
)


@pytest.fixture
def connection(acme: TenantRef) -> Connection:
    return Connection(name="orders", dialect="duckdb", database="acme.duckdb")


@pytest.fixture
def reader() -> Iterator[None]:
    """Rows can be read, as in a worker."""
    rows.register_row_reader(read_rows)
    yield
    rows._readers.clear()


def outcomes(connection: Connection, content: str, files: dict[str, str] = MODEL) -> tuple[Outcome, ...]:
    return run_policy_tests(files | {TESTS: content}, connection, now=datetime.now(UTC), reader=rows.row_reader())


def said(found: tuple[Outcome, ...]) -> list[str]:
    return [f"{failure.expectation}: {failure.actual}" for outcome in found for failure in outcome.failures]


def test_true_expectations_pass_for_each_person(connection: Connection) -> None:
    found = outcomes(connection, GOOD)
    assert said(found) == []
    assert {outcome.note for outcome in found} == {""}  # no test says that rows are to be read
    assert [outcome.person for outcome in found] == ["eve", "boss", "nobody", "eve", "both", "boss"]


@pytest.mark.parametrize(
    ("test", "says"),
    [
        ("{people: eve, dataset: Sales, expect: denied}", "the data set is open, with 7 fields"),
        ("{people: eve, dataset: Sales, query: {fields: [orders.count]}, expect: denied}", "the question is answered"),
        ("{people: nobody, dataset: Sales, expect: allowed}", "the user attribute “region”, which decides the rows, is not set"),
        ("{people: nobody, dataset: Sales, expect: {masked: []}}", "the user attribute “region”"),
        ("{people: eve, dataset: Sales, expect: {unfiltered: true}}", "unfiltered: row policies on orders.region"),
        ("{people: eve, dataset: Sales, expect: {rows_only_where: {orders.region: [US]}}}", "rows where orders.region is EU"),
        ("{people: both, dataset: Sales, expect: {rows_only_where: {orders.region: [US]}}}", "is EU, US"),
        ("{people: boss, dataset: Sales, expect: {rows_only_where: {orders.region: [US]}}}", "no row policy on orders.region governs this"),
        ("{people: eve, dataset: Sales, expect: {rows_only_where: {orders.status: [paid]}}}", "no row policy on orders.status"),
        ("{people: eve, dataset: Sales, expect: {masked: []}}", "masked: orders.email too many"),
        ("{people: boss, dataset: Sales, expect: {masked: [orders.email]}}", "masked: orders.email missing"),
        ("{people: eve, dataset: Sales, expect: {fields: {includes: [orders.margin]}}}", "fields: orders.margin missing"),
        ("{people: boss, dataset: Sales, expect: {fields: {excludes: [orders.margin]}}}", "orders.margin too many"),
        ("{people: boss, dataset: Sales, query: {fields: [orders.count, orders.email]}, expect: {fields: [orders.count]}}", "orders.email too many"),
        ("{people: eve, dataset: Sales, query: {fields: [orders.margin]}, expect: allowed}", "allowed: denied:"),
    ],
)  # fmt: skip
def test_a_false_expectation_fails_and_says_what_is(connection: Connection, test: str, says: str) -> None:
    (found,) = outcomes(connection, f"{PEOPLE}  - {test}\n")
    assert not found.has_passed
    assert says in said((found,))[0]
    assert found.failures[0].source.file == TESTS
    assert found.failures[0].source.line == 8


ONE = "dataset: Sales, expect: denied}"


@pytest.mark.parametrize(
    ("content", "place", "says"),
    [
        ("people: {}\ntests: []\n", "1:1", "there is no test in this file"),
        ("people: {}\n", "1:1", "there is no test in this file"),
        (f"{PEOPLE}  - {{people: bos, {ONE}\n", "8:14", "this file has no person “bos”. Did you mean “boss”?"),
        (f"{PEOPLE}  - {{{ONE}\n", "8:5", "say who asks"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sale, expect: denied}}\n", "8:28", "Did you mean “Sales”?"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{masked: [orders.mail]}}}}\n", "8:44", "Did you mean “orders.email”?"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{fields: {{exactly: [a.b]}}}}}}\n", "8:53", "no field “a.b”"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{fields: {{exactly: [], includes: []}}}}}}\n", "8:44", "has either"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{rows_only_where: {{orders.count: [1]}}}}}}\n", "8:62", "no dimension"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{rows_only_where: {{orders.region: []}}}}}}\n", "8:62", "none may be empty"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expects: denied}}\n", "8:44", "Did you mean “expect”?"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales}}\n", "8:5", "needs an expectation"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{denied: false}}}}\n", "8:52", "can only be true"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{denied: true, masked: []}}}}\n", "8:52", "gets nothing else"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{unfiltered: true, rows_only_where: {{orders.region: [EU]}}}}}}\n", "8:56", "unfiltered or only some"),
        (f"{PEOPLE}  - {{people: eve, query: {{fields: [orders.cuont]}}, {ONE}\n", "8:19", "Did you mean “orders.count”?"),
        (f"{PEOPLE}  - {{people: eve, query: {{fields: ['orders.placed[year]']}}, {ONE}\n", "8:19", "no field “orders.placed[year]”"),
        (f"{PEOPLE}  - {{people: eve, query: {{fields: [orders.count], limt: 3}}, {ONE}\n", "8:19", "the query is malformed"),
        (f"{PEOPLE}  - {{person: eve, people: boss, {ONE}\n", "8:14", "say who asks"),
        (f"{PEOPLE}  - {{people: eve, query: {{dataset: Sales, fields: [orders.count]}}, {ONE}\n", "8:19", "without its data set"),
        (f"{PEOPLE}  - {{people: eve, query: [orders.count], {ONE}\n", "8:19", "a query is a map"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{}}}}\n", "8:35", "needs an expectation"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: perhaps}}\n", "8:43", "needs an expectation"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{fields: {{}}}}}}\n", "8:44", "has either"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{rows_only_where: {{orders.region: [null]}}}}}}\n", "8:62", "none may be empty"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{rows_only_where: {{orders.region: [[EU]]}}}}}}\n", "8:62", "none may be empty"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{rows_only_where: {{orders.region: [EU, '']}}}}}}\n", "8:62", "none may be empty"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{masked: [1]}}}}\n", "8:44", "a name or a list of names"),
        (f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{masked: ['']}}}}\n", "8:44", "a name or a list of names"),
        (f"{PEOPLE}  - {{people: [eve, eve], {ONE}\n", "8:6", "says a name twice"),
        (f"{PEOPLE}  - {{people: eve, expect: denied}}\n", "8:5", "“dataset” is needed"),
        (f"{PEOPLE}  - {{people: eve, dataset: 3, expect: denied}}\n", "8:28", "“dataset” is needed"),
        (f"{PEOPLE}  - {{name: ' ', people: eve, {ONE}\n", "8:12", "“name” is needed"),
        (f"{PEOPLE}  - {{people: eve, run: 1, {ONE}\n", "8:24", "must be true or false"),
        (f"{PEOPLE}  - eve\n", "8:5", "a test must be a map"),
        (f"{PEOPLE}  -\n", "8:4", "a test must be a map"),
        ("people: [eve]\ntests: []\n", "1:1", "“people” must be a map"),
        ("people: {}\ntests: {}\n", "2:1", "“tests” must be a list"),
        (f"{PEOPLE}  - {{people: eve, run: true, {ONE}\n", "8:5", "“run” reads rows"),
        ("people:\n  eve: {attributes: {regoin: EU}}\ntests:\n", "2:30", "Did you mean “region”?"),
        ("people:\n  eve: {attributes: {region: [EU, 1]}}\ntests:\n", "2:22", "of one type"),
        ("people:\n  eve: {attributes: {omni_user_groups: [Finance]}}\ntests:\n", "2:22", "give “groups” to the person"),
        ("people:\n  eve: {group: [Finance]}\ntests:\n", "2:9", "“group” means nothing in a person. Did you mean “groups”?"),
        ("a: &b [*b]\n", "1:4", "aliases"),
        ("- a\n", "1:1", "must be a map"),
    ],
)  # fmt: skip
def test_a_test_that_cannot_be_read_says_where(connection: Connection, content: str, place: str, says: str) -> None:
    with pytest.raises(ModelError) as error:
        outcomes(connection, content)
    assert any(
        str(problem).startswith(f"{TESTS}:{place}: ") and says in str(problem) for problem in error.value.problems
    ), [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    "expect",
    [
        "{fields: {exactly: [orders.count]}, masked: {exactly: []}}", "{fields: {includes: [], excludes: [orders.margin]}}",
        "{rows_only_where: {orders.region: [EU]}}",
    ],
)  # fmt: skip
def test_what_says_something_is_read(connection: Connection, expect: str) -> None:
    content = PEOPLE.replace("{region: [EU]}", "{region: EU, rate: 1.5, is_new: true}")
    content += f"  - {{people: eve, dataset: Sales, query: {{fields: [orders.count]}}, run: false, expect: {expect}}}\n"
    for name in ("rate", "is_new"):
        AttributeDefinition.objects.create(name=name, label=name)
    assert said(outcomes(connection, content)) == []


@pytest.mark.parametrize("query", ["", "query: {fields: [orders.count]}, "])
def test_a_data_set_that_grants_close_is_denied(connection: Connection, query: str) -> None:
    files = MODEL | {"Sales.topic.yaml": MODEL["Sales.topic.yaml"] + "required_access_grants: [finance]\n"}
    asks = f"{PEOPLE}  - {{people: [both, boss], dataset: Sales, {query}expect: "
    both, boss = outcomes(connection, f"{asks}denied}}\n", files)
    assert (both.has_passed, boss.has_passed) == (True, False)
    both, boss = outcomes(connection, f"{asks}allowed}}\n", files)
    assert said((both, boss)) == ["allowed: denied: the data set is closed by its grants"]


def test_two_tests_of_one_name_are_a_problem(connection: Connection) -> None:
    twice = f"  - {{name: a, people: eve, {ONE}\n" * 2
    with pytest.raises(ModelError, match="two tests “a”"):
        outcomes(connection, PEOPLE + twice)


def test_an_attribute_of_the_tenant_may_be_named_though_no_rule_does(connection: Connection) -> None:
    content = PEOPLE.replace("nobody: {}", "nobody: {attributes: {floor: 3}}") + f"  - {{people: nobody, {ONE}\n"
    with pytest.raises(ModelError, match="no user attribute “floor”"):
        outcomes(connection, content)
    AttributeDefinition.objects.create(name="floor", label="Floor")
    assert said(outcomes(connection, content)) == []


def test_invented_people_get_exactly_what_real_ones_get(
    sales: Dataset, eve: User, max_: User, connection: Connection
) -> None:
    content = f"people:\n  a: {{attributes: {{region: [EU]}}, groups: [Analysts]}}\ntests:\n  - {{people: a, {ONE}\n"
    candidate = candidate_of(MODEL, dialect="duckdb")
    (test,) = read_policy_tests({TESTS: content}, candidate)
    invented, real = governed_like(actor_of(test.people[0]), sales), governed(actor_for_user(eve), sales).scope
    assert (invented.fields, invented.masked, invented.row_policies) == (real.fields, real.masked, real.row_policies)
    assert governed(actor_for_user(max_), sales).scope.row_policies != real.row_policies


def governed_like(actor: object, dataset: Dataset) -> object:
    from apps.governance.selectors import governed_version

    return governed_version(actor, dataset).scope  # type: ignore[arg-type]  # looser than the type on purpose


def test_real_rows_are_read_where_a_test_says_so(sales: Dataset, reader: None) -> None:
    """The values of the model's rule and those that exist are two things; both are looked at."""
    connection = sales.data_model.connection
    run = "people: both, dataset: Sales, run: true, expect: {rows_only_where: {orders.region: [EU, US]}}"
    (found,) = outcomes(connection, f"{PEOPLE}  - {{{run}}}\n")
    assert (found.has_passed, found.note) == (True, "")
    lying = MODEL["orders.view.yaml"].replace("region: {}", "region: {sql: region || '!'}\n  plain: {sql: region}")
    lying = lying.replace("field: region,", "field: plain,")
    wrong = (
        "people: eve, dataset: Sales, run: true, expect: {rows_only_where: {orders.plain: [EU], orders.region: [EU]}}"
    )
    (found,) = outcomes(connection, f"{PEOPLE}  - {{{wrong}}}\n", MODEL | {"orders.view.yaml": lying})
    assert "no row policy on orders.region" in said((found,))[0]


def test_a_row_that_exists_although_it_may_not_is_found(sales: Dataset, reader: None) -> None:
    """The rule says EU; the source compares without regard to case, so that another value comes through."""
    connection = sales.data_model.connection
    odd = MODEL | {"orders.view.yaml": MODEL["orders.view.yaml"].replace("region: {}", "region: {sql: UPPER(region)}")}
    right = "people: eve, dataset: Sales, run: true, expect: {rows_only_where: {orders.region: EU}}"
    (found,) = outcomes(connection, f"{PEOPLE}  - {{{right}}}\n", odd)
    assert (said((found,)), found.note) == ([], "")

    def reads_too_much(*args: object, **kwargs: object) -> list[tuple[str]]:
        return [("EU",), ("eu",)]

    rows.register_row_reader(reads_too_much)  # type: ignore[arg-type]  # looser than the type on purpose
    (found,) = outcomes(connection, f"{PEOPLE}  - {{{right}}}\n", odd)
    assert said((found,)) == ["rows_only_where orders.region: rows that exist where orders.region is EU, eu"]


def test_rows_that_cannot_be_read_are_said_to_be_unread(sales: Dataset, reader: None, source: Path) -> None:
    connection = sales.data_model.connection
    run = (
        f"{PEOPLE}  - {{people: eve, dataset: Sales, run: true, expect: {{rows_only_where: {{orders.region: EU}}}}}}\n"
    )
    source.unlink()
    (found,) = outcomes(connection, run)
    assert (found.has_passed, found.note) == (True, "rows were not read: the source does not answer")
    rows._readers.clear()
    (found,) = outcomes(connection, run)
    assert (found.has_passed, found.note) == (True, "rows were not read: this process does not ask sources")


def publish(sales: Dataset, content: str, now: datetime, **more: str) -> ModelVersion:
    files = MODEL | {TESTS: content} | more
    return import_files(
        connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now
    )


def test_a_failing_policy_test_stands_against_publishing(sales: Dataset, now: datetime) -> None:
    before = ModelVersion.objects.get(is_current=True).pk
    wrong = PEOPLE + "  - {name: Eve sees all, people: eve, dataset: Sales, expect: {unfiltered: true}}\n"
    with pytest.raises(PublishRefusedError) as error:
        publish(sales, wrong, now)
    assert error.value.objections == (
        "Policy test “Eve sees all” fails for “eve” (Sales.access_test.yaml:8): unfiltered: expected every row; "
        "found row policies on orders.region.",
    )
    assert ModelVersion.objects.get(is_current=True).pk == before
    assert publish(sales, GOOD, now).pk != before


def test_an_opened_policy_is_noticed_before_it_is_published(sales: Dataset, now: datetime) -> None:
    opened = MODEL["orders.view.yaml"].replace("values_for_unfiltered: [ALL]", "values_for_unfiltered: [ALL, EU]")
    with pytest.raises(PublishRefusedError, match="Europe sees Europe"):
        publish(sales, GOOD, now, **{"orders.view.yaml": opened})


def test_a_test_that_cannot_be_read_stands_against_publishing(sales: Dataset, now: datetime) -> None:
    with pytest.raises(PublishRefusedError, match=r"cannot be read: Sales.access_test.yaml:8:14: .*“eva”"):
        publish(sales, f"{PEOPLE}  - {{people: eva, {ONE}\n", now)


def test_rolling_back_asks_the_gates_too(sales: Dataset, now: datetime) -> None:
    old = ModelVersion.objects.get(is_current=True)
    publish(sales, GOOD, now)
    publish_version(old, by=SYSTEM, now=now)
    assert ModelVersion.objects.get(is_current=True).pk == old.pk
    assert "policy tests" in gate_names()


def test_the_command_tells_each_test_and_fails_with_one_line(
    sales: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], now: datetime
) -> None:
    publish(sales, GOOD, now)
    call_command("policy_test", "acme")
    told = capsys.readouterr().out
    assert "ok     orders: Europe sees Europe: eve" in told
    assert "6 policy tests, 0 failed" in told
    folder = tmp_path / "model"
    folder.mkdir()
    for name, content in (MODEL | {TESTS: GOOD.replace("region: [EU]", "region: [US]", 1)}).items():
        (folder / name).write_text(content)
    with pytest.raises(CommandError, match="1 of 6 policy tests failed"):
        call_command("policy_test", "acme", str(folder))
    told = capsys.readouterr().out
    assert "FAILED orders: Europe sees Europe: eve" in told
    assert "Sales.access_test.yaml:13: rows_only_where orders.region" in told
    assert "expected: only rows where orders.region is EU" in told
    assert "actual:   rows where orders.region is US" in told
    with pytest.raises(CommandError):
        call_command("policy_test", "acme", str(folder), "--json", "--model", "orders")
    told_json = json.loads(capsys.readouterr().out)
    assert told_json["failed"] == 1
    assert told_json["tests"][0]["place"] == "Sales.access_test.yaml:9"


def test_the_command_answers_bad_input_with_one_line(sales: Dataset, globex: TenantRef, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no model 'nothing'"):
        call_command("policy_test", "acme", "--model", "nothing")
    with pytest.raises(CommandError, match="no model 'orders'"):
        call_command("policy_test", "globex", "--model", "orders")
    with pytest.raises(CommandError, match="is not a folder"):
        call_command("policy_test", "acme", str(tmp_path / "none"))
    (tmp_path / TESTS).write_text("tests: [")
    with pytest.raises(CommandError, match=r"Sales.access_test.yaml:2:1"):
        call_command("policy_test", "acme", str(tmp_path))


@pytest.mark.parametrize(("folder", "dialect"), [("skyline", "duckdb"), ("brickyard", "postgres")])
def test_the_demos_policies_pass_their_tests(acme: TenantRef, folder: str, dialect: str) -> None:
    files = read_folder(Path("apps/demo") / folder / "model")
    found = run_policy_tests(files, Connection(name="demo", dialect=dialect), now=datetime.now(UTC))
    assert said(found) == []
    assert len(found) >= 8


@pytest.mark.parametrize("names", ["{includes: []}", "{excludes: []}", "{includes: [], excludes: []}"])
@pytest.mark.parametrize("what", ["fields", "masked"])
def test_an_expectation_that_always_holds_is_a_problem(connection: Connection, what: str, names: str) -> None:
    with pytest.raises(ModelError, match="so it would always hold"):
        outcomes(connection, f"{PEOPLE}  - {{people: eve, dataset: Sales, expect: {{{what}: {names}}}}}\n")


def test_rows_that_nobody_can_trace_to_a_table_do_not_pass(connection: Connection) -> None:
    files = MODEL | {
        "facts.query.view": (
            "query: {topic: Sales, fields: {orders.status: status, orders.count: n}}\n"
            "dimensions: {status: {primary_key: true}}\nmeasures: {number: {aggregate_type: count}}\n"
        ),
        "Facts.topic": "base_view: facts\n",
        "Both.composite_topic": (
            "topics: [Facts, Sales]\nshared_dimensions: {status: {mappings: {Facts: facts.status, Sales: orders.status}}}\n"
        ),
    }
    asks = "{people: eve, dataset: Both, query: {fields: ['@Facts.facts.number']}, "
    (found,) = outcomes(
        connection, f"{PEOPLE}  - {asks}expect: {{rows_only_where: {{orders.region: [US]}}}}}}\n", files
    )
    assert not found.has_passed
