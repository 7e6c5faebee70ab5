"""Runs of queries and their temporary results."""

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models

from apps.datamodels.models import DataModel, Dataset, ModelVersion
from apps.tenants.models import TenantOwnedModel


class QueryRun(TenantOwnedModel):
    """One governed query on its way through the worker. Temporary: swept after its lifetime."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="+")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+")
    user_id = models.UUIDField(null=True)
    token_id = models.UUIDField(null=True)
    support_session_id = models.UUIDField(null=True)
    view_session_id = models.UUIDField(null=True)
    leader_id = models.UUIDField(null=True, help_text="the run of the same governed query that this one waits for")
    actor_label = models.CharField(max_length=200)
    cache_key = models.CharField(max_length=64)
    policy_fingerprint = models.CharField(max_length=64)
    SEALED: ClassVar[dict[str, str]] = {"sealed_query": "sealed_query"}
    sealed_query = models.BinaryField(help_text="the request, sealed under the timed key: it can hold values")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    error_code = models.CharField(max_length=40, blank=True)
    error_text = models.CharField(max_length=300, blank=True)
    row_count = models.PositiveIntegerField(null=True)
    priority = models.PositiveSmallIntegerField(default=0, help_text="0 interactive, 1 background")
    is_download = models.BooleanField(default=False, help_text="its answer is kept in chunks, to be fetched as a file")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="how often a worker has begun it")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name, verbose_name_plural = "running query", "running queries"
        indexes = (
            models.Index(fields=("tenant", "expires_at")),
            models.Index(fields=("tenant", "state", "-created_at")),
        )

    def __str__(self) -> str:
        return f"{self.state} {self.pk}"


class CachedResult(TenantOwnedModel):
    """A sealed result. UNLOGGED table: never in the write-ahead log, a replica or a backup."""

    cache_key = models.CharField(max_length=64)
    dataset_id = models.UUIDField()
    model_version_id = models.UUIDField()
    data_model_id = models.UUIDField()
    cache_policy = models.CharField(max_length=120, blank=True, help_text="the model's policy it is kept under")
    is_handover = models.BooleanField(default=False, help_text="not kept: only for those who wait for it")
    policy_fingerprint = models.CharField(max_length=64)
    timed_key_id = models.UUIDField()
    sealed = models.BinaryField()
    row_count = models.PositiveIntegerField()
    is_truncated = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "cache_key"), name="queries_cache_key"),)
        indexes = (models.Index(fields=("tenant", "expires_at")),)


class Download(TenantOwnedModel):
    """A large answer that is whole: what its chunks are. UNLOGGED table. Written last, so that no half is ever given out."""

    cache_key = models.CharField(max_length=64)
    series = models.UUIDField(help_text="the chunks that belong to it, and to nothing else")
    dataset_id = models.UUIDField()
    data_model_id = models.UUIDField()
    cache_policy = models.CharField(max_length=120, blank=True)
    is_handover = models.BooleanField(default=False, help_text="not kept: only for those who wait for it")
    policy_fingerprint = models.CharField(max_length=64)
    timed_key_id = models.UUIDField()
    chunks = models.PositiveIntegerField()
    row_count = models.PositiveBigIntegerField()
    is_truncated = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "cache_key"), name="queries_download_key"),)
        indexes = (models.Index(fields=("tenant", "expires_at")),)

    def __str__(self) -> str:
        return f"{self.row_count} rows"


class DownloadChunk(TenantOwnedModel):
    """A part of a large answer, about a megabyte of Arrow, sealed to its place. UNLOGGED table."""

    series = models.UUIDField()
    number = models.PositiveIntegerField()
    sealed = models.BinaryField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "series", "number"), name="queries_chunk_place"),)
        indexes = (models.Index(fields=("tenant", "expires_at")),)

    def __str__(self) -> str:
        return str(self.number)


class DownloadLimit(TenantOwnedModel):
    """How many rows of a data set may be downloaded at once, where that is fewer than everywhere."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="+")
    max_rows = models.PositiveIntegerField("rows at most", help_text="0: this data set is not offered for download")

    class Meta:
        verbose_name = "limit of downloads"
        verbose_name_plural = "limits of downloads"
        constraints = (models.UniqueConstraint(fields=("tenant", "dataset"), name="queries_one_download_limit"),)

    def __str__(self) -> str:
        return f"{self.dataset}: {self.max_rows} rows"


def _ceiling_s() -> int:
    return int(settings.OMNI_CACHE_CEILING_S)


class KeepingLimit(TenantOwnedModel):
    """How long answers may be kept at most, for the whole tenant; the shorter of this and the model's policy holds."""

    max_age_s = models.PositiveIntegerField(
        "longest time, in seconds",
        validators=(MaxValueValidator(_ceiling_s, "At most 30 days (2,592,000 seconds)."),),
        help_text="0 keeps nothing: every question goes to its source. At most 2,592,000 (30 days).",
    )
    changed_at = models.DateTimeField(editable=False)

    class Meta:
        verbose_name, verbose_name_plural = "longest time", "kept answers"
        constraints = (models.UniqueConstraint(fields=("tenant",), name="queries_one_keeping_limit"),)

    def __str__(self) -> str:
        return f"{self.max_age_s} s"


class PolicyReset(TenantOwnedModel):
    """When the answers under one cache policy of a model were last forgotten."""

    data_model = models.ForeignKey(DataModel, on_delete=models.CASCADE, related_name="+")
    policy = models.CharField(max_length=120, blank=True)
    reset_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("data_model", "policy"), name="queries_one_reset_per_policy"),)
