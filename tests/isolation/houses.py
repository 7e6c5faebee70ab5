"""Two customers with one of everything, and our staff. Acme is the one that others try to reach: its texts hold a canary."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import duckdb
import redis
from django.apps import apps
from django.conf import settings
from django.db import connections
from django.test import Client

from apps.access.models import AccessReview, Role, RoleAssignment, ViewSession
from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.accounts.last_claims import keep_claims
from apps.accounts.models import (
    ApiToken,
    AttributeDefinition,
    ClaimMapping,
    EmailDomain,
    GroupAttribute,
    GroupMembership,
    IdentityProvider,
    ServiceAccount,
    SpentAssertion,
    User,
    UserAttribute,
    UserGroup,
    UserSession,
)
from apps.accounts.recovering import issue_recovery_link
from apps.accounts.saml.metadata import plain_certificate
from apps.accounts.scim.tokens import issue_scim_token
from apps.accounts.services import create_service_account, issue_token, save_provider
from apps.accounts.sessions import CONFIRMED_KEY, RECOVERY_KEY, session_digest
from apps.audit.types import SYSTEM
from apps.connections.models import CatalogColumn, CatalogTable, Connection, ConnectionCheck
from apps.connections.services import save_connection
from apps.dashboards.models import Folder
from apps.dashboards.services import import_dashboard
from apps.datamodels.models import DataModel, Dataset, ModelVersion
from apps.datamodels.services import import_files, open_draft
from apps.governance.models import ApprovalRequest, PublishingPolicy
from apps.queries.downloads import begin
from apps.queries.models import CachedResult, DownloadLimit, KeepingLimit, PolicyReset, QueryRun
from apps.queries.services import answer
from apps.retention.models import ErasureOrder, PurgeRun
from apps.support import services as support
from apps.support.models import SupportRequest
from apps.tenants.binding import bound
from apps.tenants.models import Tenant, TenantOwnedModel
from apps.tenants.selectors import tenant_by_slug
from apps.tenants.services import create_tenant
from apps.tenants.types import TenantRef
from apps.vault.services import create_tenant_keys, ensure_worker_keys
from tests import databases
from tests.environment import WORKER
from tests.saml_keys import make_pair

CANARY = "canary9c41"
SCHEMAS = "urn:ietf:params:scim:schemas:core:2.0"
BACKEND = "apps.accounts.backends.IdentityBackend"
VIEW = """
table_name: orders
dimensions:
  id: {{primary_key: true, hidden: true}}
  status: {{label: "{mark} status"}}
measures:
  count: {{aggregate_type: count, label: "{mark} orders"}}
"""


@dataclass(repr=False)
class House:
    """A tenant, its people by name, and one of everything, by name: what specimens point at."""

    tenant: TenantRef
    mark: str
    now: datetime
    people: dict[str, User] = field(default_factory=dict)
    browsers: dict[str, Client] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    things: SimpleNamespace = field(default_factory=SimpleNamespace)
    chosen: dict[type[Any], Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.things, name)

    def browser(self, name: str) -> Client:
        """Return a new browser of a person who has just signed in; ``recovery`` is Ada's, by a recovery link."""
        client, person = Client(headers={"host": self.tenant.host}), self.people["ada" if name == "recovery" else name]
        with bound(self.tenant.id):
            person.refresh_from_db()  # a session that was ended has raised the person's version
            client.force_login(person, backend=BACKEND)
            session = client.session
            session[CONFIRMED_KEY], session[RECOVERY_KEY] = int(datetime.now(UTC).timestamp()), name == "recovery"
            session.save()
        return client

    def program(self, name: str) -> dict[str, str]:
        """Return the headers of a program that holds the token of this name."""
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    def row_of(self, label: str) -> Any:
        """Return the tenant's row of a model that is named by its label."""
        return self.row(apps.get_model(label))

    def row(self, model: type[Any]) -> Any:
        """Return the tenant's row of a model (the one in ``chosen``, where not every row is on its pages), or None."""
        if issubclass(model, Tenant):
            return model.objects.get(pk=self.tenant.id)
        with bound(self.tenant.id):
            if model is User:  # a program's page is another one
                return User.objects.filter(kind=User.Kind.PERSON).order_by("pk").first()
            return self.chosen.get(model) or model.objects.order_by("pk").first()


@dataclass(repr=False)
class World:
    """Both customers and the platform."""

    acme: House
    globex: House
    platform: House


@contextmanager
def world() -> Iterator[World]:
    """Build everything once; leave the database and Redis empty."""
    now = datetime.now(UTC)
    ensure_worker_keys()
    try:
        platform = _house("platform", "staff", now, kind=Tenant.Kind.PLATFORM, host="localhost")
        with bound(platform.tenant.id):
            platform.people["sam"] = _person("sam@omni.example", is_tenant_admin=True)
            platform.people["eli"] = _person("eli@omni.example")
        made = World(_house("acme", CANARY, now), _house("globex", "plain", now), platform)
        for house in (made.acme, made.globex):
            with bound(house.tenant.id):
                _people(house)
                _data(house)
                _administration(house)
            _support(house, platform)
            _identity(house)
            _unnamed(house)
        yield made
    finally:
        connections.close_all()
        databases.remove_rows(WORKER)
        with redis.Redis.from_url(settings.OMNI_REDIS_URL) as client:
            client.flushdb()
        for slug in ("acme", "globex"):  # the folders are shared by all processes of a run
            (Path(settings.OMNI_DATA_DIR) / slug / f"{slug}-{WORKER}.duckdb").unlink(missing_ok=True)


def _house(slug: str, mark: str, now: datetime, *, kind: Any = Tenant.Kind.CUSTOMER, host: str = "") -> House:
    tenant = create_tenant(slug=slug, name=slug.capitalize(), kind=kind, host=host)
    with bound(tenant.id):
        create_tenant_keys(now=now)
    return House(tenant_by_slug(slug), mark, now)


def _person(email: str, **fields: Any) -> User:
    return User.objects.create(email=email, issuer="https://idp.example", subject=email, **fields)


def _people(house: House) -> None:
    """Ada administers, Ann may see everything, May may see nothing, Dis was shut out after signing in."""
    for name in ("ada", "ann", "may", "dis"):
        email = f"{name}@{house.tenant.slug}.example"
        house.people[name] = _person(email, name=f"{house.mark} {name}", is_tenant_admin=name == "ada")
        house.tokens[name] = issue_token(
            user=house.people[name], name=f"{house.mark} {name}", days=1, by=SYSTEM, now=house.now
        )
    group = UserGroup.objects.create(name=f"{house.mark} analysts")
    GroupMembership.objects.create(user=house.people["ann"], group=group)
    region = AttributeDefinition.objects.create(name="region", label=f"{house.mark} region")
    UserAttribute.objects.create(user=house.people["ann"], definition=region, values=[house.mark])
    provider = IdentityProvider(
        slug=f"{house.tenant.slug}-idp", name=f"{house.mark} sign-in", issuer="https://127.0.0.1:1", client_id=house.mark
    )  # fmt: skip
    save_provider(provider, client_secret=house.mark, by=SYSTEM, now=house.now)
    ClaimMapping.objects.create(provider=provider, claim="region", definition=region)
    house.things.saml_provider = save_provider(
        IdentityProvider(
            slug=f"{house.tenant.slug}-saml",
            name=f"{house.mark} SAML",
            protocol=IdentityProvider.Protocol.SAML,
            issuer=f"urn:{house.tenant.slug}",
            sso_url="https://127.0.0.1:1/sso",
            certificates=[plain_certificate(make_pair(house.tenant.slug)[1].decode())],
        ),
        client_secret=None, by=SYSTEM, now=house.now,
    )  # fmt: skip
    saml = house.things.saml_provider
    EmailDomain.objects.create(provider=saml, domain=f"{house.tenant.slug}.example")
    SpentAssertion.objects.create(provider=saml, digest=house.mark.encode(), expires_at=house.now + timedelta(hours=1))
    role = Role.objects.create(name=f"{house.mark} role", capabilities=["query"])
    RoleAssignment.objects.create(user=house.people["ann"], role=role)
    house.things.group, house.things.provider, house.things.role, house.things.region = group, provider, role, region
    house.things.person, house.things.admin = house.people["ann"], house.people["ada"]
    house.things.token = ApiToken.objects.get(user=house.people["ann"])


def _data(house: House) -> None:
    """A file with one row, a published model with a draft, a dashboard, an answer that is kept, a run."""
    slug, now, ann = house.tenant.slug, house.now, house.people["ann"]
    path = Path(settings.OMNI_DATA_DIR) / slug / f"{slug}-{WORKER}.duckdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE TABLE orders (id INT, status VARCHAR)")
        database.execute("INSERT INTO orders VALUES (1, $mark)", {"mark": house.mark})
    connection = Connection(name=f"{house.mark}-shop", dialect="duckdb", database=path.name)
    save_connection(connection, secret=None, by=SYSTEM, now=now)
    table = CatalogTable.objects.create(connection=connection, schema="main", name=house.mark, seen_at=now)
    CatalogColumn.objects.create(table=table, name=house.mark, type="int", position=1)
    files = {"orders.view.yaml": VIEW.format(mark=house.mark), "relationships.yaml": "[]\n"}
    files[f"{slug}_sales.topic.yaml"] = f"base_view: orders\nlabel: {house.mark} sales\n"
    import_files(connection=connection, name=f"{house.mark}-shop", files=files, publish=True, by=SYSTEM, now=now)
    things = house.things
    things.connection, things.data_model, things.dataset = connection, DataModel.objects.get(), Dataset.objects.get()
    things.draft = open_draft(things.data_model, by=actor_for_user(house.people["ada"]), now=now)
    things.version = ModelVersion.objects.order_by("number").first()
    grant_permission(user=ann, permission="query_dataset", obj=things.dataset, by=SYSTEM, now=now)
    grant_permission(group=things.group, permission="query_dataset", obj=things.dataset, by=SYSTEM, now=now)
    things.question = {"dataset": things.dataset.name, "fields": ["orders.status", "orders.count"]}
    things.folder = Folder.objects.create(name=f"{house.mark} folder")
    things.dashboard = import_dashboard(_dashboard(house), by=SYSTEM, now=now)
    things.dashboard.folder = things.folder
    things.dashboard.save()
    for codename, obj in (("view_dashboard", things.dashboard), ("view_folder", things.folder)):
        grant_permission(user=ann, permission=codename, obj=obj, by=SYSTEM, now=now)
        grant_permission(group=things.group, permission=codename, obj=obj, by=SYSTEM, now=now)
    things.tile, things.filter = things.dashboard.tiles.get(), things.dashboard.filters.get()
    answer(actor_for_user(ann), things.question, now=now, wait_s=5)
    assert CachedResult.objects.exists()
    things.run = QueryRun.objects.get()
    KeepingLimit.objects.create(max_age_s=3600, changed_at=now)
    DownloadLimit.objects.create(dataset=things.dataset, max_rows=1000)
    things.download_id = begin(actor_for_user(ann), things.question, now=now)
    PolicyReset.objects.create(data_model=things.data_model, policy=house.mark, reset_at=now - timedelta(days=1))
    ConnectionCheck.objects.create(connection=connection, checked_at=now, health="ok", text=house.mark, took_ms=1)


def _dashboard(house: House) -> dict[str, Any]:
    dataset = house.things.dataset.name
    query = {"fields": house.things.question["fields"]}
    return {
        "slug": f"{house.tenant.slug}-board", "title": f"{house.mark} board", "description": house.mark,
        "filters": [{"key": "status", "label": house.mark, "field": "orders.status", "dataset": dataset}],
        "tiles": [{"title": f"{house.mark} tile", "dataset": dataset, "chart": "bar", "query": query}],
    }  # fmt: skip


def _administration(house: House) -> None:
    """What administrators leave behind."""
    now, ada, ann, things = house.now, house.people["ada"], house.people["ann"], house.things
    soon = now + timedelta(hours=1)
    ViewSession.objects.create(viewer=ada, person=ann, started_at=now, expires_at=soon)
    AccessReview.objects.create(
        subject_kind="dataset", subject_id=things.dataset.pk, subject_label=house.mark, digest="0" * 64, entries=1,
        note=house.mark, reviewed_by=ada, reviewed_by_label=str(ada), reviewed_at=now,
    )  # fmt: skip
    PublishingPolicy.objects.create(changed_at=now)
    things.approval = ApprovalRequest.objects.create(
        kind="publish", data_model=things.data_model, version=things.draft, digest="0" * 64, note=house.mark,
        requested_by=ann, requested_at=now, expires_at=soon,
    )  # fmt: skip
    PurgeRun.objects.create(started_at=now, finished_at=now)
    ErasureOrder.objects.create(requested_by=ada, requested_at=now, reason=house.mark, wait_days=14, confirm_by=now)
    for name in house.people:
        house.browsers[name] = house.browser(name)
    User.objects.filter(pk=house.people["dis"].pk).update(is_active=False)


def _identity(house: House) -> None:
    """A program with its account and token, what SCIM has made over HTTP, a session of Ann's, a way in for Ada."""
    now, things, ada, ann = house.now, house.things, house.people["ada"], house.people["ann"]
    with bound(house.tenant.id):
        things.account = create_service_account(name=f"{house.mark} export", owner=ada, by=SYSTEM, now=now)
        house.tokens["program"] = issue_token(
            user=things.account, name=house.mark, days=1, scope=ApiToken.Scope.ADMIN, by=SYSTEM, now=now
        )
        house.tokens["scim"] = issue_scim_token(name=house.mark, days=1, by=SYSTEM, now=now)
        GroupAttribute.objects.create(group=things.group, definition=things.region, values=[house.mark])
        keep_claims(ann, things.provider, {"region": house.mark}, now=now)
        link = issue_recovery_link(house.tenant, email=ada.email, by=SYSTEM, now=now)
    things.recovery = link.rstrip("/").rpartition("/")[2]
    client = Client(headers={"host": house.tenant.host} | house.program("scim"))
    made = []
    joe = {"userName": f"joe@{house.tenant.slug}.example", "displayName": f"{house.mark} joe"}
    for kind, body in (("User", joe), ("Group", {"displayName": f"{house.mark} sellers"})):
        sent = {"schemas": [f"{SCHEMAS}:{kind}"], **body}
        answer = client.post(f"/scim/v2/{kind}s", sent, content_type="application/scim+json")
        assert answer.status_code == 201, answer.content
        made.append(answer.json()["id"])
    spare, running = house.browser("ann"), house.browser("may")
    with bound(house.tenant.id):
        things.joe, things.sellers = User.objects.get(pk=made[0]), UserGroup.objects.get(pk=made[1])
        things.session = UserSession.objects.get(digest=session_digest(spare.cookies["omni_session"].value))
        things.running = UserSession.objects.get(digest=session_digest(running.cookies["omni_session"].value))
    things.new_group = {"schemas": [f"{SCHEMAS}:Group"], "displayName": "mine", "members": [{"value": str(ann.pk)}]}
    things.joe_anew = joe | {"schemas": [f"{SCHEMAS}:User"], "displayName": "mine"}
    things.sellers_anew = {"schemas": [f"{SCHEMAS}:Group"], "displayName": "mine too"}
    things.renamed = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "displayName", "value": "renamed"}],
    }
    things.everyone = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "count": 5}
    house.chosen |= {ServiceAccount: things.account, UserSession: things.session}


def _support(house: House, platform: House) -> None:
    """Sam was let in, and is in; another wish of his waits."""
    with bound(platform.tenant.id):
        sam = actor_for_user(platform.people["sam"], is_platform=True)
    for name in ("support_request", "waiting_request"):
        with bound(platform.tenant.id):
            asked = support.request_access(
                tenant_slug=house.tenant.slug, reason="incident", reason_text=house.mark, minutes=60, by=sam, now=house.now
            )  # fmt: skip
        with bound(house.tenant.id):
            setattr(house.things, name, SupportRequest.objects.get(pk=asked.request_id))
    with bound(house.tenant.id):
        support.approve_request(
            house.things.support_request, minutes=30, dataset_ids=[house.things.dataset.pk], grants_values=False,
            by=actor_for_user(house.people["ada"]), now=house.now,
        )  # fmt: skip
    visitor = Client(headers={"host": house.tenant.host})
    assert visitor.post(f"/support/enter/{ticket(house, platform)}/").status_code == 302
    house.browsers["visitor"] = visitor
    platform.browsers["sam"] = platform.browser("sam")
    house.things.ticket = ticket(house, platform)


def ticket(house: House, platform: House) -> str:
    """Return a ticket with which Sam enters the customer."""
    with bound(platform.tenant.id):
        sam = actor_for_user(platform.people["sam"], is_platform=True)
        return support.issue_ticket(house.things.support_request.pk, by=sam, now=house.now)[1]


def _unnamed(house: House) -> None:
    """Every model of a tenant has a row in the house, so that a digest of it says something."""
    owned = [model for model in apps.get_models() if issubclass(model, TenantOwnedModel)]
    bare = [model._meta.label for model in owned if house.row(model) is None]
    assert set(bare) <= {"support.StaffRequestReference"}, f"give {bare} a row in tests/isolation/houses.py"


def nothing() -> str:
    """Return an id of nothing."""
    return str(uuid4())
