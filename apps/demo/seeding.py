"""Fill an empty installation with the demo's tenants, through the same commands that users use."""

import io
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import yaml
from django.conf import settings
from django.core.management import call_command

from apps.audit.types import SYSTEM
from apps.dashboards.services import import_dashboard
from apps.demo import sources
from apps.demo.people import BRICKYARD, IDP_PORT, SKYLINE, STAFF, TENANTS, DemoTenant
from apps.tenants.binding import bound
from apps.tenants.models import Tenant
from apps.tenants.selectors import tenant_by_slug
from apps.tenants.services import create_tenant
from apps.vault.services import create_tenant_keys

HERE = Path(__file__).resolve().parent
ISSUER = f"http://localhost:{IDP_PORT}"


def run(name: str, *arguments: str, stdin: str = "") -> str:
    """Run a management command and return what it printed."""
    output, keyboard = io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(stdin)
    try:
        call_command(name, *arguments, stdout=output)
    finally:
        sys.stdin = keyboard
    return output.getvalue()


def seed(say: Callable[[str], None]) -> None:
    """Create the platform and the two tenants with their data, models, dashboards and people."""
    seed_platform()
    say("Building Skyline's flights (336,776 rows, DuckDB) …")
    sources.build_skyline(settings.OMNI_DATA_DIR / "skyline")
    say("Building Brickyard's orders (TPC-H 0.1, PostgreSQL) …")
    brickyard = sources.build_brickyard(os.environ["OMNI_DATABASE_ADMIN_URL"])
    for tenant in TENANTS:
        say(f"Setting up {tenant.name} …")
        seed_tenant(tenant)
    run("add_connection", "skyline", "flights", "--dialect", "duckdb", "--database", "skyline.duckdb")
    run(
        "add_connection", "brickyard", "orders", "--dialect", "postgres", "--host", brickyard.host,
        "--database", brickyard.database, "--username", brickyard.username, "--password-stdin",
        stdin=brickyard.password,
    )  # fmt: skip
    seed_model(SKYLINE, "flights")
    seed_model(BRICKYARD, "orders")


def seed_platform() -> None:
    host = str(settings.OMNI_BASE_DOMAIN)
    tenant = create_tenant(slug="platform", name="Omni", kind=Tenant.Kind.PLATFORM, host=host)
    with bound(tenant.id):
        create_tenant_keys(now=datetime.now(UTC))
    run("create_user", "platform", STAFF.email, "--name", STAFF.name, "--admin")
    add_provider("platform", "Omni staff", "--required-amr", "mfa")


def seed_tenant(tenant: DemoTenant) -> None:
    admin = next(person for person in tenant.people if person.is_admin)
    run("create_tenant", tenant.slug, "--name", tenant.name, "--admin-email", admin.email)
    run("create_group", tenant.slug, "Analysts", "--description", "May open the dashboards")
    run("create_group", tenant.slug, "Finance", "--description", "May see money")
    run("create_group", tenant.slug, "Operations", "--description", "May see registrations and contact data in clear")
    run("define_attribute", tenant.slug, tenant.attribute, "--label", tenant.attribute_label, "--list")
    for person in tenant.people:
        groups = [part for name in person.groups() for part in ("--group", name)]
        values = [
            part for value in person.values(tenant.attribute) for part in ("--attribute", f"{tenant.attribute}={value}")
        ]
        run("create_user", tenant.slug, person.email, "--name", person.name, *groups, *values)
    add_provider(
        tenant.slug,
        f"{tenant.name} sign-in",
        "--map",
        f"{tenant.attribute}={tenant.attribute}",
        "--groups-claim",
        "groups",
    )


def add_provider(slug: str, name: str, *options: str) -> None:
    run(
        "add_identity_provider", slug, name, "--issuer", ISSUER, "--client-id", f"omni-{slug}", "--client-secret-stdin",
        *options, stdin=f"demo-client-secret-{slug}",
    )  # fmt: skip


def seed_model(tenant: DemoTenant, connection: str) -> None:
    run("import_model", tenant.slug, connection, str(HERE / tenant.slug / "model"), "--name", connection, "--publish")
    run("grant", tenant.slug, "--group", "Analysts", "query_dataset", tenant.data_set)
    with bound(tenant_by_slug(tenant.slug).id):
        definition = yaml.safe_load((HERE / tenant.slug / "dashboard.yaml").read_text())
        dashboard = import_dashboard(definition, by=SYSTEM, now=datetime.now(UTC))
    run("grant", tenant.slug, "--group", "Analysts", "view_dashboard", dashboard.slug)
