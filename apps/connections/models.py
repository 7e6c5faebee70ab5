"""Where a tenant's data lives."""

from django.core.exceptions import ValidationError
from django.db import models

from apps.access.models import TenantGroupPermission, TenantUserPermission
from apps.tenants.models import TenantOwnedModel
from apps.warehouses.errors import WarehouseError
from apps.warehouses.opening import SERVERS
from apps.warehouses.options import check_options

CEILINGS = {
    "port": 65_535,
    "max_rows": 1_000_000,
    "max_bytes": 1024**3,
    "timeout_s": 900,
    "max_running": 64,
    "refresh_every_h": 24 * 31,
}
KEPT_CHECKS = 200
"""checks of a connection that are remembered; the oldest go"""


class Connection(TenantOwnedModel):
    """A customer's database. The credential is sealed to the worker's key and bound to the target below."""

    class Dialect(models.TextChoices):
        DUCKDB = "duckdb", "DuckDB"
        POSTGRES = "postgres", "PostgreSQL"
        MYSQL = "mysql", "MariaDB (MySQL's protocol)"
        SPARK = "spark", "Spark (Spark Connect)"

    class Health(models.TextChoices):
        UNKNOWN = "unknown", "not checked yet"
        OK = "ok", "reachable"
        FAILED = "failed", "not reachable"

    name = models.SlugField(max_length=60)
    dialect = models.CharField(max_length=20, choices=Dialect.choices)
    host = models.CharField(max_length=253, blank=True)
    port = models.PositiveIntegerField(null=True, blank=True)
    database = models.CharField(
        max_length=400,
        help_text="database name; for DuckDB the file's name under the operator's data folder; for Spark catalog.schema",
    )
    username = models.CharField(max_length=120, blank=True)
    options = models.JSONField(default=dict, blank=True, help_text="driver options from the allow-list")
    sealed_credential = models.BinaryField(null=True, editable=False)
    pending_credential = models.BinaryField(
        null=True,
        editable=False,
        help_text="another credential for the same target, until a worker has signed in with it",
    )
    max_rows = models.PositiveIntegerField(default=50_000)
    max_bytes = models.PositiveBigIntegerField(default=256 * 1024 * 1024)
    timeout_s = models.PositiveIntegerField(default=60)
    max_running = models.PositiveIntegerField(
        "queries at once", default=4, help_text="further ones wait for their turn; other connections go on meanwhile"
    )
    refresh_every_h = models.PositiveIntegerField(
        "read the schema every … hours", null=True, blank=True, help_text="empty: only when somebody asks for it"
    )
    refresh_due_at = models.DateTimeField(null=True, editable=False)
    health = models.CharField(max_length=10, choices=Health.choices, default=Health.UNKNOWN, editable=False)
    health_text = models.CharField(max_length=300, blank=True, editable=False)
    checked_at = models.DateTimeField(null=True, editable=False)
    stored_digest = models.CharField(
        max_length=32,
        default="",
        editable=False,
        help_text="of which tables are stored, as last read: what questions are made of depends on it",
    )
    excess_rights = models.JSONField(
        default=list, editable=False, help_text="what the database user may do that a reader need not, in words"
    )
    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="raised by every change; part of cache keys"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        default_permissions = ()
        permissions = (("manage_connection", "Can change and check the connection"),)
        constraints = (models.UniqueConstraint(fields=("tenant", "name"), name="connections_connection_name"),)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what no adapter takes, before anything is stored: an option may be a password in the wrong place."""
        problems = {
            field: f"From 1 to {ceiling:,}."
            for field, ceiling in CEILINGS.items()
            if (value := getattr(self, field)) is not None and not 1 <= value <= ceiling
        }
        is_server = self.dialect in SERVERS
        for field in ("host", "username"):
            if is_server != bool(getattr(self, field)):
                problems[field] = f"{self.get_dialect_display()} needs it." if is_server else "A DuckDB file has none."
        if problem := self._options_problem():
            problems["options"] = problem
        if problems:
            raise ValidationError(problems)

    @property
    def tls_mode(self) -> str:
        """Return the mode of TLS that was chosen, or nothing where the default holds."""
        return str(self.options.get("sslmode", "")) if isinstance(self.options, dict) else ""

    @property
    def is_tls_relaxed(self) -> bool:
        """Say whether somebody chose that the server's certificate and name are not both verified."""
        return self.tls_mode not in ("", "verify-full")

    def _options_problem(self) -> str:
        options = self.options
        if not isinstance(options, dict) or not all(type(value) in (str, int) for value in options.values()):
            return "Options are names with texts or numbers."
        try:
            check_options(self.dialect, options)
        except WarehouseError as error:
            return error.message
        return ""


class ConnectionCheck(TenantOwnedModel):
    """How a connection was at one time. Bounded: the last ``KEPT_CHECKS`` of each connection."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="checks")
    checked_at = models.DateTimeField()
    health = models.CharField(max_length=10, choices=Connection.Health.choices)
    text = models.CharField("what was found", max_length=300, blank=True)
    took_ms = models.PositiveIntegerField(
        "took (ms)", help_text="until the source had answered and its schema was read"
    )
    tables_count = models.PositiveIntegerField("tables", default=0)

    class Meta:
        ordering = ("-checked_at",)
        verbose_name = "check"
        indexes = (models.Index(fields=("connection", "-checked_at")),)

    def __str__(self) -> str:
        return f"{self.get_health_display()}, {self.checked_at:%Y-%m-%d %H:%M}"


class CatalogTable(TenantOwnedModel):
    """A table or view that introspection found."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="tables")
    schema = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    seen_at = models.DateTimeField()
    digest = models.CharField(
        max_length=32,
        default="",
        editable=False,
        help_text="of its columns: a table that is as it was is not written anew",
    )
    is_stored = models.BooleanField(
        "stored",
        default=False,
        help_text="all its columns hold what was written into them; those of a view may be worked out, and fail, when they are read",
    )

    class Meta:
        ordering = ("schema", "name")
        verbose_name = "catalogue table"
        constraints = (models.UniqueConstraint(fields=("connection", "schema", "name"), name="connections_table_once"),)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


class CatalogColumn(TenantOwnedModel):
    """A column that introspection found."""

    table = models.ForeignKey(CatalogTable, on_delete=models.CASCADE, related_name="columns")
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=200)
    position = models.PositiveIntegerField()
    is_nullable = models.BooleanField(default=True)

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=("table", "name"), name="connections_column_once"),)

    def __str__(self) -> str:
        return self.name


class ConnectionUserPermission(TenantUserPermission):
    content_object = models.ForeignKey(Connection, on_delete=models.CASCADE)


class ConnectionGroupPermission(TenantGroupPermission):
    content_object = models.ForeignKey(Connection, on_delete=models.CASCADE)
