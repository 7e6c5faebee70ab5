"""The commands, and the one line that they answer bad input with."""

from collections.abc import Callable
from datetime import datetime
from io import StringIO
from pathlib import Path

import duckdb
import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand

from apps.accounts.models import User
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.datamodels import services
from apps.datamodels.management.commands.publish_model import Command as PublishModel
from apps.datamodels.models import DataModel, ModelVersion
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.datamodels.conftest import FILES, Object, Publish

TOPIC = "Sales.topic.yaml"
Tell = Callable[..., str]


@pytest.fixture
def tell(acme: TenantRef) -> Tell:
    """Run a command on Acme's shop; return both its outputs."""

    def act(command: str | BaseCommand, *arguments: str, slug: str = "acme", model: str = "shop") -> str:
        output = StringIO()
        with unbound():
            call_command(command, slug, model, *arguments, stdout=output, stderr=output)
        return output.getvalue()

    return act


def test_versions_are_listed_with_their_state(tell: Tell, shop: DataModel, publish: Publish, now: datetime) -> None:
    publish({TOPIC: "base_view: orders\n"})
    services.open_draft(shop, by=SYSTEM, now=now)
    lines = tell("model_versions").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["v3", "v2", "v1"]
    assert [line.split("\t")[1].split()[0] for line in lines] == ["draft", "current", "published"]


def test_the_only_draft_is_published_and_an_older_version_rolls_back(
    tell: Tell, shop: DataModel, now: datetime
) -> None:
    with pytest.raises(CommandError, match="there is no draft"):
        tell("publish_model")
    services.open_draft(shop, by=SYSTEM, now=now)
    assert tell("publish_model") == "shop v2 answers queries now\n"
    assert tell("publish_model", "--version", "1") == "shop v1 answers queries now\n"
    assert ModelVersion.objects.get(is_current=True).number == 1


def test_publishing_asks_which_of_several_drafts(tell: Tell, shop: DataModel, ada: User, now: datetime) -> None:
    draft = services.open_draft(shop, by=SYSTEM, now=now)
    services.open_draft(shop, by=SYSTEM, now=now, origin=ModelVersion.Origin.REFRESH)
    with pytest.raises(CommandError, match="choose one of the drafts v3, v2 with --version"):
        tell("publish_model")
    tell("publish_model", f"--version={draft.number}")


def test_version_means_the_models_version_on_a_command_line_too() -> None:
    parser = PublishModel().create_parser("manage.py", "publish_model")
    assert parser.parse_args(["acme", "shop", "--version", "7"]).number == 7


def test_objections_and_problems_are_lines(tell: Tell, shop: DataModel, against: Object, now: datetime) -> None:
    draft = services.open_draft(shop, by=SYSTEM, now=now)
    against("Not on a Friday.")
    with pytest.raises(CommandError, match=r"not published:\n- Not on a Friday\."):
        tell("publish_model")
    services.save_draft_file(draft, path=TOPIC, content="base_view: x\n", digest=draft.digest, by=SYSTEM, now=now)
    with pytest.raises(CommandError, match=r"Sales\.topic\.yaml:1:"):
        tell("publish_model")


def test_two_versions_are_compared(tell: Tell, shop: DataModel, publish: Publish) -> None:
    publish({TOPIC: "base_view: orders\nlabel: Shop\n"})
    text = tell("diff_model", "1", "2")
    assert "changed data set Sales (label)" in text
    assert "  -label: Sales\n  +label: Shop" in text
    assert tell("diff_model", "1", "1") == "no differences\n"


def test_a_refresh_says_what_it_found(tell: Tell, shop: DataModel, database_file: Path) -> None:
    assert tell("refresh_schema") == "the source has nothing new\n"
    with duckdb.connect(str(database_file)) as database:
        database.execute("ALTER TABLE orders ADD COLUMN email VARCHAR")
        database.execute("ALTER TABLE orders DROP COLUMN country")
    text = tell("refresh_schema")
    assert "shop v2, a draft: 0 new views, 1 new columns, all of them unclassified" in text
    assert "orders.view.yaml:5:3: warning: “country” reads the column “country”" in text


@pytest.mark.parametrize(
    ("command", "arguments"),
    [("model_versions", ()), ("publish_model", ()), ("diff_model", ("1", "1")), ("refresh_schema", ())],
)
def test_a_name_that_is_not_there_gives_one_line(
    tell: Tell, shop: DataModel, globex: TenantRef, command: str, arguments: tuple[str, ...]
) -> None:
    for wrong, line in (
        ({"slug": "nobody"}, "no tenant 'nobody'"),
        ({"model": "none"}, "no model 'none'"),
        ({"slug": "globex"}, "no model 'shop'"),
    ):
        with pytest.raises(CommandError) as caught:
            tell(command, *arguments, **wrong)
        assert str(caught.value) == line


@pytest.mark.parametrize("number", ["9", "0"])
def test_a_version_that_is_not_there_gives_one_line(tell: Tell, shop: DataModel, number: str) -> None:
    for command, arguments in (("diff_model", ("1", number)), ("publish_model", ("--version", number))):
        with pytest.raises(CommandError, match=f"shop has no version {number}"):
            tell(command, *arguments)


def test_a_discarded_draft_is_no_version(tell: Tell, shop: DataModel, acme: TenantRef, now: datetime) -> None:
    draft = services.open_draft(shop, by=SYSTEM, now=now)
    services.discard_draft(draft, by=SYSTEM, now=now)
    with bound(acme.id), pytest.raises(CommandError, match="no version 2"):
        tell("publish_model", "--version", "2")
    assert "discarded" in tell("model_versions")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shop's files, written by an editor that marks the beginning of a text and ends lines in two letters."""
    for path, content in FILES.items():
        (tmp_path / "in" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / path).write_bytes(b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode())
    return tmp_path / "in"


def test_what_is_imported_is_exported_byte_for_byte_and_imports_as_the_same(
    source: Connection, folder: Path, tmp_path: Path
) -> None:
    def tell(command: str, *arguments: str) -> str:
        output = StringIO()
        with unbound():
            call_command(command, "acme", *arguments, stdout=output, stderr=output)
        return output.getvalue()

    assert "shop v1 answers queries" in tell("import_model", "shop", str(folder), "--publish")
    tell("export_model", "shop", str(tmp_path / "out"))
    for path in FILES:
        assert (tmp_path / "out" / path).read_bytes() == (folder / path).read_bytes()
    assert "shop v1 answers queries" in tell("import_model", "shop", str(tmp_path / "out"), "--publish")


@pytest.mark.parametrize(
    ("path", "content", "options", "says"),
    [
        ("Sales.topic.yaml", b"base_view: nothing\n", (), r"^Sales\.topic\.yaml:1:12: there is no view"),
        ("Sales.topic.yaml", b"label: \xff\n", (), r"^Sales\.topic\.yaml:1:1: not UTF-8 text$"),
        ("Sales.topic.yaml", b"base_view: orders\x00\n", (), r"Sales\.topic\.yaml: Line 1 holds a control character\.$"),
        ("who.access_test.yaml", b"people: {}\n# \x00\n", (), r"who\.access_test\.yaml: Line 2 holds a control character"),
        ("who.access_test.yaml", b"tests: [\n", ("--publish",), r"^not published:\n- A policy test cannot be read"),
        ("a" * 130 + "/" + "b" * 130 + ".access_test.yaml", b"", (), r"A file's name has letters"),
        ("notes.yaml", b"hello\n", (), r"^notes\.yaml:1:1: not a model file"),
        ("Big.topic.yaml", b"# " + b"x" * 1_000_001, (), r"^Big\.topic\.yaml: too many files, or a file over"),
        ("x.view.yaml", b"access_filters: [{field: a, user_attribute: nobody}]\ndimensions: {a: {}}\n", ("--publish",), r"no user attribute “nobody”"),
        ("x.view.yaml", b"", ("--name", "Not a name!"), r"valid “slug”|valid 'slug'"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_imported_is_one_message_and_stores_nothing(
    source: Connection, folder: Path, path: str, content: bytes, options: tuple[str, ...], says: str
) -> None:
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_bytes(content)
    with unbound(), pytest.raises(CommandError, match=says):
        call_command("import_model", "acme", "shop", str(folder), *options, stdout=StringIO(), stderr=StringIO())
    assert not DataModel.objects.exists()
    assert not ModelVersion.objects.exists()
