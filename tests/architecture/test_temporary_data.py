"""Everything that ends by itself is named in docs/temporary-data.md, and nothing in Redis lives for ever."""

import re
from pathlib import Path

import pytest
import redis
from django.apps import apps
from django.conf import settings

from apps.accounts.models import User
from apps.retention.services import TEMPORARY
from tests.apps.conftest import acme, ann, bob, database, make_person, make_tenant, now
from tests.apps.queries.conftest import Ask, analysts, ask, eve, sales, source

__all__ = [
    "acme", "analysts", "ann", "ask", "bob", "database", "eve", "make_person", "make_tenant", "now", "sales", "source",
]  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "temporary-data.md").read_text()
ENDS = {"expires_at", "expire_date", "slot_end"}
BROKER = ("_kombu", "unacked", "celery")
"""names of the broker's own structures, which hold messages"""


def sources() -> dict[str, str]:
    files = [path for folder in ("apps", "omni") for path in (ROOT / folder).rglob("*.py")]
    return {str(path.relative_to(ROOT)): path.read_text() for path in files if "migrations" not in path.parts}


def test_every_table_with_an_end_is_named() -> None:
    tables = {
        f"{model._meta.app_label}.{model._meta.object_name}"
        for model in apps.get_models()
        if model.__module__.startswith("apps.") and ENDS & {field.name for field in model._meta.local_fields}
    }
    assert {"queries.CachedResult", "vault.TimedKey"} <= tables
    assert [table for table in sorted(tables) if f"`{table}`" not in PAGE] == []


def test_what_the_page_says_is_swept_is_swept() -> None:
    swept = {f"{found.model._meta.app_label}.{found.model._meta.object_name}" for found in TEMPORARY}
    said = {
        name for line in PAGE.splitlines() if "swept by the purge" in line for name in re.findall(r"`(\w+\.\w+)`", line)
    }
    assert said == swept


def test_every_name_in_redis_is_named() -> None:
    found = {
        match for text in sources().values() for match in re.findall(r"""f["']((?:omni:|[a-z-]+:)[a-z-]*:?)\{""", text)
    }
    names = {name for name in found if name.startswith("omni:") or name == "support-ticket:"}
    assert "omni:flight:" in names
    assert [name for name in sorted(names) if name not in PAGE] == []


def test_every_module_that_makes_temporary_files_is_known() -> None:
    users = {path.split("/")[1] for path, text in sources().items() if "import tempfile" in text}
    assert users == {"demo", "embedded"}


@pytest.mark.usefixtures("sales")
def test_nothing_of_ours_in_redis_lives_for_ever(ask: Ask, eve: User) -> None:
    ask(eve, "orders.revenue")
    with redis.Redis.from_url(settings.OMNI_REDIS_URL, decode_responses=True) as client:
        client.set("omni:control", 1)
        lasting = [name for name in client.scan_iter() if client.ttl(name) == -1]
        client.delete("omni:control")
    assert "omni:control" in lasting  # the search finds what has no end
    assert [name for name in lasting if name != "omni:control" and not name.startswith(BROKER)] == []
