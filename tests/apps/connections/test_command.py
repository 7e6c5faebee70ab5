"""``add_connection``: what it stores, and one clear line for everything it refuses."""

import io
import sys

import pytest
from django.core.management import CommandError, call_command

from apps.connections.models import Connection
from apps.tenants.types import TenantRef
from apps.warehouses.types import Target
from tests.warehouses.samples import PASSWORD


@pytest.fixture
def add(acme: TenantRef, target: Target, monkeypatch: pytest.MonkeyPatch) -> "type[str]":
    """Run the command as an operator would, with the password on standard input."""

    def run(*options: str, slug: str = "acme", password: str = PASSWORD, **parts: str) -> str:
        values = {"host": target.host, "database": target.database, "username": target.username} | parts
        arguments = [item for name, value in values.items() for item in (f"--{name}", value)]
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
        output = io.StringIO()
        call_command(
            "add_connection", slug, "mill", "--dialect", "postgres", *arguments, "--password-stdin", *options, stdout=output
        )  # fmt: skip
        return output.getvalue()

    return run  # type: ignore[return-value]  # a fixture that returns a function


def test_it_stores_a_tested_connection(add, target: Target) -> None:  # type: ignore[no-untyped-def]  # a fixture that returns a function
    assert add("--option", "connect_timeout=3") == "mill: 1 tables\n"
    found = Connection.objects.get(name="mill")
    assert (found.health, found.options, found.username) == ("ok", {"connect_timeout": "3"}, target.username)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"slug": "nobody"}, "no tenant 'nobody'"),
        (
            {"database": "no_such_database"},
            "mill was not added: The database cannot be reached. There is no database of that name.",
        ),
        ({"username": "nobody_here"}, "mill was not added: The database refused the user name or password."),
        ({"host": "10.0.0.1"}, "mill was not added: Private and local addresses are not allowed by the operator."),
        ({"host": "127.0.0.1,8.8.8.8"}, "mill was not added: The host is not a plain host name or address."),
        ({"password": ""}, "there is no password on standard input"),
        ({"host": ""}, "PostgreSQL needs it."),
    ],
)
def test_a_refusal_is_one_line_and_stores_nothing(add, arguments: dict[str, str], line: str) -> None:  # type: ignore[no-untyped-def]  # a fixture that returns a function
    with pytest.raises(CommandError) as caught:
        add(**arguments)
    assert str(caught.value) == line
    assert not Connection.objects.filter(name="mill").exists()


@pytest.mark.parametrize("option", ["password=hunter2-canary", "sslmode=hunter2-canary", "hunter2-canary"])
def test_a_refused_option_is_not_echoed(add, option: str) -> None:  # type: ignore[no-untyped-def]  # a fixture that returns a function
    with pytest.raises(CommandError) as caught:
        add("--option", option)
    assert "hunter2" not in str(caught.value)
    assert not Connection.objects.exists()


def test_a_name_that_is_taken_is_said_so(add) -> None:  # type: ignore[no-untyped-def]  # a fixture that returns a function
    add()
    with pytest.raises(CommandError, match="already"):
        add()
    assert Connection.objects.count() == 1


def test_a_dialect_without_an_adapter_is_refused(acme: TenantRef) -> None:
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("add_connection", "acme", "mill", "--dialect", "oracle", "--database", "x")
