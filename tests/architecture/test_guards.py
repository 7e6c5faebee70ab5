"""What code that is written next year may not do without saying why: read from the source, file by file.

Each rule has a list of the places that may break it, with the reason. A new place fails the suite until it is named here,
where a reviewer sees it; a place that is named and gone fails as well.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Task

from apps.tenants.tasks import TenantTask
from omni.celery import app

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = {
    str(path.relative_to(ROOT)): ast.parse(path.read_text())
    for folder in ("apps", "omni")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "migrations" not in path.parts
}
Rule = Callable[[ast.AST], bool]
OF_NO_TENANT = {
    "retention.purge_expired": "the beat's purge: its service binds one tenant at a time",
    "retention.finish_rotations": "the beat's end of rotations: its service binds one tenant at a time",
    "audit.place_notes": "the beat's places for notes: it binds one tenant at a time",
    "queries.run_next": "a worker that is free: the line says whose run it is, and that run's task binds its tenant",
    "queries.look_after_runs": "the beat's look at lost runs: it binds one tenant at a time",
    "connections.refresh_schemas": "the beat's queueing of checks: one task per tenant and connection",
}
"""Tasks that bind nobody."""


def is_user_of_request(node: ast.AST) -> bool:
    """``request.user``: who is signed in, before support sessions, views as another person and tokens were looked at."""
    return isinstance(node, ast.Attribute) and node.attr == "user" and named(node.value) in ("request", "self.request")


def is_kept_in_process(node: ast.AST) -> bool:
    """A cache, or a container at the top of a module: it outlives the request, and serves all tenants."""
    if isinstance(node, ast.FunctionDef):
        names = {named(item.func if isinstance(item, ast.Call) else item) for item in node.decorator_list}
        return bool(names & {"lru_cache", "cache", "functools.lru_cache", "functools.cache"})
    if isinstance(node, ast.Module):
        return any(is_container(item) for item in node.body)
    return False


def is_container(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    target = named(node.targets[0] if isinstance(node, ast.Assign) else node.target) if value is not None else ""  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    if not target or target.isupper() or target in ("urlpatterns", "operations", "dependencies"):
        return False
    is_empty = isinstance(value, ast.Dict | ast.List | ast.Set) and not ast.unparse(value).strip("{}[]")
    return is_empty or (isinstance(value, ast.Call) and named(value.func).rpartition(".")[2] in MUTABLE)


MUTABLE = {
    "dict",
    "list",
    "set",
    "OrderedDict",
    "defaultdict",
    "deque",
    "WeakValueDictionary",
    "WeakKeyDictionary",
    "local",
}


def is_shared_cache(node: ast.AST) -> bool:
    """Django's cache: one Redis for all tenants."""
    return isinstance(node, ast.ImportFrom) and node.module == "django.core.cache"


def is_raw_sql(node: ast.AST) -> bool:
    """Raw SQL, other connections, other managers, or managers without a tenant."""
    if isinstance(node, ast.Attribute):
        return (
            node.attr in ("cursor", "prepared_cursor", "_base_manager", "using", "extra", "scopes_disabled")
            and named(node) != "self.cursor"
        )
    return isinstance(node, ast.Name) and node.id in ("RawSQL", "scopes_disabled", "connections")


def is_session_setting(node: ast.AST) -> bool:
    """The setting that says whose a transaction is."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and "omni.tenant_id" in node.value


def is_thread(node: ast.AST) -> bool:
    """A thread, pool or event loop of one's own: nothing binds a tenant there."""
    return isinstance(node, ast.Attribute | ast.Name) and named(node).rpartition(".")[2] in (
        "Thread", "Timer", "Alarm", "ThreadPoolExecutor", "ProcessPoolExecutor", "create_task", "sync_to_async", "async_to_sync", "Process",
    )  # fmt: skip


def is_binding(node: ast.AST) -> bool:
    """Bind another tenant than the request's, or nobody."""
    return isinstance(node, ast.Call) and named(node.func) in ("bound", "unbound", "binding.bound", "binding.unbound")


def is_free_of_csrf(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and named(node).rpartition(".")[2] in (
        "csrf_exempt",
        "_dont_enforce_csrf_checks",
        "csrf_protect",
    )


def is_next(node: ast.AST) -> bool:
    """Where to go next, from a query string or form: a redirect that somebody else chose."""
    is_read = isinstance(node, ast.Call) and named(node.func).endswith(("GET.get", "POST.get", "get_request_param"))
    return is_read and any(
        isinstance(item, ast.Constant) and item.value in ("next", "url", "return_to", "RelayState")
        for item in node.args
    )  # type: ignore[attr-defined]  # the fixture's type says less than it returns


def named(node: ast.AST) -> str:
    """Return a dotted name, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{named(node.value)}.{node.attr}"
    return ""


IN_CONTROLS = "reads the catalogue; a control runs with its tenant bound"
RULES: tuple[tuple[Rule, dict[str, str]], ...] = (
    (
        is_user_of_request,
        {
            "apps/access/middleware.py": "makes the actor of it",
            "apps/access/guards.py": "takes it away from who comes from outside of the networks",
            "apps/support/middleware.py": "takes it away when a visit is over",
            "apps/accounts/views.py": "sign-in, before there is an actor to speak of",
        },
    ),
    (
        is_kept_in_process,
        {
            "apps/access/reviewing.py": "kinds of objects, registered at import",
            "apps/access/rules.py": "rules of permissions, registered at import, and keys of permissions, which are all tenants'",
            "apps/access/selectors.py": "the support app's resolver, registered at import",
            "apps/access/statements.py": "texts of statements, by rule; people, objects and tenants are parameters",
            "apps/accounts/rates.py": "parsed limits, and the client of Redis; what it counts is keyed by tenant",
            "apps/accounts/scim/schemas.py": "schemas of SCIM, by the very definitions they are made of",
            "apps/accounts/usage.py": "who uses attributes, registered at import",
            "apps/semantic/model/yaml_nodes.py": "pure readings of text",
            "apps/tenants/addresses.py": "parsed networks, by their text",
            "apps/tenants/tombstones.py": "ids of erased tenants, by the file's own state; it is read again when it has changed",
            "apps/dashboards/number_patterns.py": "readings of patterns, by their text; no value of a row is in them",
            "apps/dashboards/themes.py": "the chart library, loaded once",
            "apps/datamodels/gates.py": "gates of publishing, registered at import",
            "apps/datamodels/panels.py": "panels of publishing, registered at import",
            "apps/datamodels/selectors.py": "parsed models, by tenant, version and digest",
            "apps/embedded/services.py": "folders of servers that this process joined",
            "apps/governance/blast_radius/definitions.py": "by candidate, which holds its own parsed model",
            "apps/governance/fields.py": "open fields, by tenant and version",
            "apps/governance/reading.py": "the text of one statement; people, names and tenants are parameters",
            "apps/governance/selectors.py": "fingerprints and limits in words, by tenant, data set, version and rights",
            "apps/governance/policy_tests/rows.py": "the reader of rows, registered at import",
            "apps/governance/scopes.py": "attributes that a topic names, by version",
            "apps/queries/flights.py": "the client of Redis, and its steps by their text",
            "apps/queries/hands.py": "the hand of this process, which serves the tenants in turn",
            "apps/queries/line.py": "steps of Redis by their text; tenants are parameters",
            "apps/warehouses/alarms.py": "what is due in this process, called off by whoever set it",
            "apps/semantic/compile/facts.py": "facts of a model, by that very model",
            "apps/semantic/compile/names.py": "spellings of names; pure",
            "apps/semantic/compile/render.py": "what writes a dialect, by thread; it keeps nothing of what it wrote",
            "apps/semantic/compile/shapes.py": "compiled shapes, by that very model, rights and mask key",
            "apps/semantic/query/reading.py": "spellings of fields; pure",
            "apps/semantic/verify/permits.py": "permits, by that very model and scope",
            "apps/semantic/verify/proof.py": "proofs, by that very model and scope",
            "apps/trust/services.py": "findings of controls, by tenant",
            "apps/vault/master.py": "the cipher of the master key",
            "apps/vault/tenant_keys.py": "unwrapped keys, by tenant, version and wrapped key",
            "apps/vault/worker_keys.py": "the installation's pair of keys",
        },
    ),
    (is_shared_cache, {"apps/support/tickets.py": "by the hash of 256 random bits; the tenant is in the value and compared"}),
    (
        is_raw_sql,
        {
            "apps/access/controls.py": IN_CONTROLS,
            "apps/access/deciding.py": "permissions; row-level security shows the bound tenant's alone",
            "apps/access/identity.py": "sessions, tokens and rights of the bound tenant, whom the statements name",
            "apps/access/statements.py": "makes lists of the same texts as single decisions",
            "apps/tenants/selectors.py": "whose a host is, before any tenant is bound",
            "apps/accounts/controls.py": IN_CONTROLS,
            "apps/audit/controls.py": IN_CONTROLS,
            "apps/queries/controls.py": IN_CONTROLS,
            "apps/retention/controls.py": IN_CONTROLS,
            "apps/tenants/controls.py": IN_CONTROLS,
            "apps/audit/services.py": "locks the tenant's chain",
            "apps/audit/notes.py": "gives the bound tenant's notes their places; the policies hold",
            "apps/governance/reading.py": "a data set and its model, by the bound tenant, whom the statement names",
            "apps/queries/statements.py": "runs and kept answers, by the bound tenant, whom each statement names",
            "apps/connections/checking.py": "adds a table's columns in one statement, with the tenant in every row; the policies hold",
            "apps/network/fetching.py": "no SQL: urllib3 calls so the number of its pools",
            "apps/retention/erasure/catalogue.py": "reads the catalogue: tables, keys and triggers, no row",
            "apps/retention/erasure/deleting.py": "deletes rows of one tenant, bound for each statement; the policies hold for the owner too",
            "apps/retention/erasure/erasing.py": "stops and removes a tenant as the owner, from the command line or after a restore",
            "apps/retention/erasure/ordered.py": "reads and marks one tenant's own request as the owner, with that tenant bound",
            "apps/retention/erasure/restored.py": "writes tombstones and requests as the owner, after a restore",
            "apps/retention/erasure/tidying.py": "vacuums, as the owner; reads no row",
            "apps/retention/sweeping.py": "deletes what has expired, with the tenant bound; gives space back, which no tenant owns",
            "apps/tenants/binding.py": "tells open transactions whose they are",
            "apps/tenants/isolation.py": "writes the locks, as the owner",
            "apps/tenants/management/commands/migrate.py": "migrates, as the owner",
            "apps/tenants/postgresql/base.py": "tells transactions whose they are",
            "apps/warehouses/mysql.py": "a customer's database, in the worker",
            "apps/warehouses/postgres.py": "a customer's database, in the worker",
            "apps/demo/sources.py": "loads the demo's sources",
            "apps/demo/management/commands/demo.py": "closes connections before it starts processes",
            "apps/queries/hands.py": "no SQL: closes the connections of its thread when that ends",
            "omni/serving.py": "no SQL: closes connections before workers are forked",
        },
    ),
    (
        is_session_setting,
        {
            "apps/retention/sweeping.py": "reads it, to look once for the bound tenant's expired rows",
            "apps/tenants/controls.py": "compares the policies with it",
            "apps/tenants/isolation.py": "writes the policies with it",
            "apps/tenants/postgresql/base.py": "sets it, for one transaction at a time",
        },
    ),
    (is_thread, {"apps/queries/hands.py": "takes runs in a worker; it binds the tenant of each, as the line names it, and reads nothing before",
            "apps/warehouses/alarms.py": "waits for what is due; knows no database",
            "apps/queries/watching.py": "watches for a wish to cancel; it asks Redis by the run's id and no database",
            "apps/network/fetching.py": "cuts the sockets of one request when its time is over; reads nothing",
            "apps/warehouses/duckdb_child.py": "ends this child when its parent is gone; the child knows no database of ours",
            "apps/warehouses/mysql_line.py": "cuts one socket when its time is over; reads nothing",
            "apps/warehouses/stopping.py": "stops a statement at a customer's database when its time is over",
            "apps/embedded/users.py": "asks whether processes that use a server still run; starts none",}),
    (is_free_of_csrf, {"apps/access/middleware.py": "a request with a bearer token under /api/ or /scim/: browsers add none by themselves",
            "apps/accounts/saml/views.py": "the provider's page posts there; the answer's signature is believed, no cookie",}),
    (
        is_next,
        {
            "apps/accounts/saml/views.py": "RelayState, only where answers that nobody asked for are allowed; enter takes it through safe_next",
            "apps/accounts/views.py": "through safe_next: a path on this host",
            "apps/dashboards/view_as.py": "through dashboard_path: a dashboard's own address",
        },
    ),
)  # fmt: skip


def places(rule: Rule) -> set[str]:
    return {name for name, tree in FILES.items() if any(rule(node) for node in ast.walk(tree))}


@pytest.mark.parametrize(("rule", "allowed"), RULES, ids=[rule.__name__ for rule, _ in RULES])
def test_only_places_that_are_named_with_a_reason(rule: Rule, allowed: dict[str, str]) -> None:
    found = places(rule)
    assert not found - allowed.keys(), (
        f"{rule.__doc__} Name {sorted(found - allowed.keys())} with the reason, or do without."
    )
    assert not allowed.keys() - found, f"{sorted(allowed.keys() - found)} no longer need a reason"
    assert all(len(reason) > 10 for reason in allowed.values())


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (is_user_of_request, "def view(request):\n    return request.user.email"),
        (is_kept_in_process, "_seen = {}"),
        (is_kept_in_process, "from functools import lru_cache\n@lru_cache\ndef rows(): ..."),
        (is_kept_in_process, "kept: dict[str, str] = defaultdict(list)"),
        (is_shared_cache, "from django.core.cache import cache"),
        (is_raw_sql, "with connection.cursor() as c: pass"),
        (is_raw_sql, "User._base_manager.all()"),
        (is_session_setting, "x = \"SET omni.tenant_id = 'x'\""),
        (is_thread, "threading.Thread(target=work).start()"),
        (is_free_of_csrf, "@csrf_exempt\ndef view(request): ..."),
        (is_next, "redirect(request.GET.get('next'))"),
    ],
)
def test_a_rule_sees_what_it_is_about(rule: Rule, source: str) -> None:
    assert any(rule(node) for node in ast.walk(ast.parse(source)))


def test_a_view_takes_its_actor_from_the_request_and_from_nowhere_else() -> None:
    """Only the middlewares, the tasks' derivation and commands build actors; a view that builds one skips them all."""
    builders = {"actor_for_user", "actor_for_token", "actor_for_view", "actor_from_reference", "Actor"}
    for name, tree in FILES.items():
        if Path(name).name in ("views.py", "admin.py", "urls.py") or "/admin/" in name or "/views/" in name:
            used = {named(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
            assert not used & builders, name


def tasks() -> Iterator[Task]:
    app.loader.import_default_modules()
    yield from (task for name, task in app.tasks.items() if not name.startswith(("celery.", "tests.", "soak.")))


def test_every_task_binds_a_tenant_or_is_named_with_its_reason() -> None:
    found = {task.name: task for task in tasks()}
    assert len(found) >= 3
    for name, task in found.items():
        assert isinstance(task, TenantTask) != (name in OF_NO_TENANT), (
            f"{name}: base=TenantTask, or name it with a reason"
        )
    assert OF_NO_TENANT.keys() <= found.keys()


def test_every_task_is_in_a_file_named_tasks() -> None:
    for name, tree in FILES.items():
        decorators = [
            named(item.func if isinstance(item, ast.Call) else item)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            for item in node.decorator_list
        ]
        assert not {"shared_task", "app.task"} & {*decorators} or Path(name).name == "tasks.py", name
