"""Definitions: read strictly, stored whole or not at all, brought up to date without changing ids."""

from copy import deepcopy
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.dashboards.controls import CONTROLS
from apps.dashboards.errors import DashboardDefinitionError
from apps.dashboards.models import Dashboard
from apps.dashboards.services import import_dashboard, read_definition
from apps.datamodels.models import Dataset
from apps.semantic.query.reading import parse_query
from tests.apps.dashboards.conftest import DEFINITION

DEMO = Path(__file__).parent.parent.parent.parent / "apps" / "demo"


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    """Return the definition with one place changed."""
    copy = deepcopy(DEFINITION)
    place: Any = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return copy


def test_a_definition_becomes_a_dashboard(dashboard: Dashboard) -> None:
    assert [tile.title for tile in dashboard.tiles.all()] == [tile["title"] for tile in DEFINITION["tiles"]]
    assert [item.key for item in dashboard.filters.all()] == ["status", "dates"]
    event = AuditEvent.objects.get(verb="dashboards.dashboard_imported")
    assert event.facts == {"slug": "sales", "tiles": 5, "filters": 2, "is_new": True}


def test_importing_again_keeps_ids_and_takes_away_what_is_gone(dashboard: Dashboard, now: datetime) -> None:
    before = list(dashboard.tiles.values_list("pk", flat=True))
    shorter = changed("tiles", to=DEFINITION["tiles"][:2]) | {"filters": DEFINITION["filters"][:1], "title": "New"}
    again = import_dashboard(shorter, by=SYSTEM, now=now)
    assert again.pk == dashboard.pk
    assert again.title == "New"
    assert list(again.tiles.values_list("pk", flat=True)) == before[:2]
    assert [item.key for item in again.filters.all()] == ["status"]


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (None, "object"),
        ([], "object"),
        (changed("surprise", to=1), "surprise"),
        (changed("slug", to="Not a slug"), "slug"),
        (changed("tiles", to=[]), "tiles"),
        (changed("tiles", 0, "chart", to="pie"), "chart"),
        (changed("tiles", 0, "width", to=99), "width"),
        (changed("tiles", 0, "width", to="3"), "width"),
        (changed("tiles", 0, "query", to={"fields": []}), "tiles.0"),
        (changed("tiles", 0, "query", to={"fields": ["orders.count"], "sql": "SELECT 1"}), "query.sql"),
        (changed("tiles", 0, "query", to={"fields": ["orders.nothing"]}), "no field “orders.nothing”"),
        (changed("tiles", 0, "query", to={"dataset": "Sales", "fields": ["orders.count"]}), "beside the query"),
        (changed("tiles", 0, "dataset", to="Nowhere"), "no data set “Nowhere”"),
        (changed("tiles", 0, "encoding", to={"y": "orders.revenue"}), "encoding.y"),
        (changed("filters", 0, "field", to="orders.nothing"), "filters.0"),
        (changed("filters", 1, "key", to="status"), "twice"),
    ],
)
def test_a_faulty_definition_is_named_with_its_place_and_stores_nothing(
    sales: Dataset, now: datetime, definition: object, words: str
) -> None:
    with pytest.raises(DashboardDefinitionError) as caught:
        import_dashboard(definition, by=SYSTEM, now=now)
    assert words in "\n".join(caught.value.problems)
    assert not Dashboard.objects.exists()


def test_the_command_reads_a_file(sales: Dataset, tmp_path: Path) -> None:
    path, output = tmp_path / "sales.yaml", StringIO()
    path.write_text(yaml.safe_dump(DEFINITION))
    call_command("import_dashboard", "acme", str(path), stdout=output)
    assert output.getvalue() == "/dashboards/sales/ has 5 tiles\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [", "this is not YAML"),
        ("title: x", "slug"),
        ("!!python/object/apply:os.system [true]", "this is not YAML"),
    ],
)
def test_the_command_answers_a_faulty_file_in_clear_words(
    sales: Dataset, tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(CommandError, match=words):
        call_command("import_dashboard", "acme", str(path))


@pytest.mark.parametrize(("tenant", "file"), [("nobody", "sales.yaml"), ("acme", "missing.yaml")])
def test_the_command_names_what_is_missing(sales: Dataset, tmp_path: Path, tenant: str, file: str) -> None:
    (tmp_path / "sales.yaml").write_text(yaml.safe_dump(DEFINITION))
    with pytest.raises(CommandError):
        call_command("import_dashboard", tenant, str(tmp_path / file))


@pytest.mark.parametrize("tenant", ["skyline", "brickyard"])
def test_the_demos_dashboards_are_well_formed(tenant: str) -> None:
    wanted = read_definition(yaml.safe_load((DEMO / tenant / "dashboard.yaml").read_text()))
    assert len(wanted.tiles) >= 8
    assert len(wanted.filters) >= 3
    assert {"kpi", "line", "bar", "table", "heat_map"} <= {tile.chart for tile in wanted.tiles}
    for tile in wanted.tiles:
        parse_query({**tile.query, "dataset": tile.dataset})


def test_the_promises_of_this_app_hold(dashboard: Dashboard) -> None:
    assert [(control.id, control.check().figure) for control in CONTROLS if not control.check().holds] == []
