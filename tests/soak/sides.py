"""The two tenants of a soak: each an administrator, and groups and a data set whose names are the canary."""

from datetime import UTC, datetime

from django.test import Client

from apps.access.services import grant_permission
from apps.accounts.models import User, UserGroup
from apps.accounts.services import issue_token
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.dashboards.models import Dashboard
from apps.datamodels.models import DataModel, Dataset
from apps.tenants.binding import bound
from apps.tenants.services import create_tenant
from apps.vault.services import create_tenant_keys, ensure_worker_keys
from tests.soak.driving import Side


def make_side(slug: str) -> Side:
    """Create the tenant, and have its administrator sign in."""
    ensure_worker_keys()
    now, canary = datetime.now(UTC), f"canary-{slug}-7e1"
    tenant = create_tenant(slug=slug, name=canary)
    with bound(tenant.id):
        create_tenant_keys(now=now)
        user = User.objects.create(
            email=f"ada@{canary}.example",
            name=canary,
            issuer="https://idp.example",
            subject="ada",
            is_tenant_admin=True,
        )
        UserGroup.objects.create(name=canary)
        link = Connection.objects.create(name=canary, dialect="duckdb", database="x.duckdb")
        dataset = Dataset.objects.create(data_model=DataModel.objects.create(name=canary, connection=link), name=canary)
        board = Dashboard.objects.create(slug=canary, title=canary)
        grant_permission(user=user, permission="query_dataset", obj=dataset, by=SYSTEM, now=now)
        grant_permission(user=user, permission="view_dashboard", obj=board, by=SYSTEM, now=now)
        token = issue_token(user=user, name=canary, days=1, by=SYSTEM, now=now)
        client = Client(headers={"host": f"{slug}.localhost"})
        client.force_login(user, backend="apps.accounts.backends.IdentityBackend")
    return Side(str(tenant.id), f"{slug}.localhost", canary, client.cookies["omni_session"].value, token)
