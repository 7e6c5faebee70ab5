"""Tombstones, keys and files of each test's own: others share the state directory."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from apps.access.services import grant_permission
from apps.accounts.models import GroupMembership, User, UserGroup
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.dashboards.models import Folder
from apps.datamodels.models import DataModel, Dataset
from apps.datamodels.services import import_files
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef

FILES = {
    "orders.view.yaml": "table_name: orders\ndimensions:\n  id: {primary_key: true}\nmeasures:\n  count: {aggregate_type: count}\n",
    "relationships.yaml": "[]\n",
    "sales.topic.yaml": "base_view: orders\nlabel: Sales\n",
}
Furnish = Callable[[TenantRef], None]


@pytest.fixture
def own_folder(settings: Settings, tmp_path: Path) -> Path:
    settings.OMNI_TOMBSTONES = tmp_path / "tombstones"
    settings.OMNI_DATA_DIR = tmp_path / "data"
    settings.OMNI_CERTIFICATE_KEY_FILE = str(tmp_path / "certificate_key")
    settings.OMNI_CERTIFICATE_PUBLIC_KEY_FILE = str(tmp_path / "certificate_public_key")
    settings.OMNI_ERASURE_WAIT_S = 0.2
    return tmp_path


@pytest.fixture
def furnish(now: datetime, own_folder: Path) -> Furnish:
    """Give a tenant people, groups, folders within folders, a published model and permissions."""

    def act(tenant: TenantRef) -> None:
        with bound(tenant.id):
            ann = User.objects.create(email="ann@x.example", issuer="https://idp.example", subject="ann", name="Ann")
            group = UserGroup.objects.create(name="Analysts")
            GroupMembership.objects.create(user=ann, group=group)
            Folder.objects.create(name="Inner", parent=Folder.objects.create(name="Outer"))
            link = Connection.objects.create(name="shop", dialect="duckdb", database="shop.duckdb")
            import_files(connection=link, name="shop", files=FILES, publish=True, by=SYSTEM, now=now)
            for holder in ({"user": ann}, {"group": group}):
                grant: dict[str, Any] = {"permission": "query_dataset", "obj": Dataset.objects.get(), "by": SYSTEM}
                grant_permission(**grant, **holder, now=now)
            assert DataModel.objects.get()
        (own_folder / "data" / tenant.slug).mkdir(parents=True)
        (own_folder / "data" / tenant.slug / "shop.duckdb").write_text("rows")

    return act
