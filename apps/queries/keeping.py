"""How long an answer is kept: the model's cache policies under the tenant's own maximum; and how to forget at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from apps.audit.services import record
from apps.audit.types import AuditActor
from apps.datamodels.models import DataModel
from apps.datamodels.selectors import current_version, semantic_model
from apps.governance.types import Governed
from apps.queries.errors import UnknownCachePolicyError
from apps.queries.models import CachedResult, Download, DownloadChunk, KeepingLimit, PolicyReset
from apps.queries.statements import KEEPING, row_of
from apps.semantic.model.types import CachePolicy, SemanticModel
from apps.tenants.binding import bound_tenant_id
from apps.vault.services import HeldKeys, destroy_all_timed_keys, held_keys, hold_key, slot_end

DEFAULT = ""
"""the name under which answers are kept that no policy of the model speaks of"""


@dataclass(frozen=True, slots=True)
class Keeping:
    """What holds for one answer. ``max_age_s`` 0: it is handed to those who wait for it and to nobody else."""

    policy: str
    max_age_s: int

    @property
    def is_kept(self) -> bool:
        return self.max_age_s > 0

    def expires_at(self, now: datetime) -> datetime:
        """Return when it becomes unreadable."""
        return now + timedelta(seconds=self.max_age_s or settings.OMNI_HANDOVER_S)


def keeping_of(found: Governed) -> Keeping:
    """Return what holds for answers from a data set: the shorter of its policy's time and the tenant's maximum."""
    name, wanted_s = _wanted(found)
    return Keeping(name, min(wanted_s, longest_kept_s()))


def keeping_since(found: Governed, asked_at: datetime, *, now: datetime) -> tuple[Keeping, HeldKeys]:
    """As :func:`keeping_of`, for an answer whose source began then: not kept when its policy was reset since.

    One statement; it has read the timed keys that come into question as well, and inside of
    :func:`~apps.vault.services.key_at_hand` the tenant's key.
    """
    name, wanted_s = _wanted(found)
    likely_s = {min(wanted_s, settings.OMNI_CACHE_MAX_AGE_S), 0}
    ends = [slot_end(Keeping(name, age_s).expires_at(now), now=now) for age_s in likely_s]
    params = {"tenant": bound_tenant_id(), "data_model": found.version.data_model_id, "policy": name, "ends": ends}
    longest_s, reset_at, key, keys = row_of(KEEPING, params) or (None, None, None, None)
    hold_key(key)
    held = held_keys(keys)
    if reset_at is not None and reset_at >= asked_at:
        return Keeping(name, 0), held
    return Keeping(name, min(wanted_s, settings.OMNI_CACHE_MAX_AGE_S if longest_s is None else longest_s)), held


def _wanted(found: Governed) -> tuple[str, int]:
    policy = policy_of(found.model, found.dataset.name)
    return (DEFAULT, settings.OMNI_CACHE_DEFAULT_AGE_S) if policy is None else (policy.name, policy.max_age_s)


def policy_of(model: SemanticModel, name: str) -> CachePolicy | None:
    """Return a data set's cache policy: its own, else the model's. A composite has the strictest of its topics'."""
    composite = model.composites.get(name)
    if composite is not None:
        found = [policy for topic in composite.topics if (policy := policy_of(model, topic)) is not None]
        return min(found, key=lambda policy: policy.max_age_s, default=None)
    topic = model.topics.get(name)
    named = (topic.cache_policy if topic is not None else None) or model.default_cache_policy
    return model.cache_policies.get(named) if named else None


def longest_kept_s() -> int:
    """Return the bound tenant's maximum in seconds: 24 hours where none was chosen."""
    chosen = KeepingLimit.objects.values_list("max_age_s", flat=True).first()
    return settings.OMNI_CACHE_MAX_AGE_S if chosen is None else chosen


@transaction.atomic
def set_longest_kept(max_age_s: int, *, by: AuditActor, now: datetime) -> None:
    """Choose the bound tenant's maximum. A shorter one forgets everything at once: what is kept was promised for longer.

    Raises:
        ValidationError: not between 0 and 30 days.
    """
    before = longest_kept_s()
    limit = KeepingLimit.objects.first() or KeepingLimit()
    limit.max_age_s, limit.changed_at = max_age_s, now
    limit.full_clean()
    limit.save()
    facts = {"seconds_before": before, "seconds_now": max_age_s}
    record("queries.longest_kept_changed", limit, by=by, now=now, facts=facts)
    if max_age_s < before:
        forget_everything(by=by, now=now)


@transaction.atomic
def forget_everything(*, by: AuditActor, now: datetime) -> int:
    """Destroy the keys of everything that the bound tenant has kept, and remove it; return how many answers.

    Answers that are on their way meanwhile are sealed under new keys, which is what their askers wait for.
    """
    keys = destroy_all_timed_keys()
    removed, _ = CachedResult.objects.all().delete()
    removed += Download.objects.all().delete()[0]
    DownloadChunk.objects.all().delete()
    record("queries.answers_forgotten", None, by=by, now=now, facts={"answers": removed, "keys": keys})
    return removed


@transaction.atomic
def reset_policy(data_model: DataModel, policy: str, *, by: AuditActor, now: datetime) -> int:
    """Forget what is kept under one policy of a model, and what is on its way since before; return how many answers.

    Raises:
        UnknownCachePolicyError: no answer could be kept under this name.
    """
    if policy not in policies_of(data_model):
        raise UnknownCachePolicyError(policy)
    PolicyReset.objects.update_or_create(data_model=data_model, policy=policy, defaults={"reset_at": now})
    removed, _ = CachedResult.objects.filter(data_model_id=data_model.pk, cache_policy=policy).delete()
    large = Download.objects.filter(data_model_id=data_model.pk, cache_policy=policy)
    DownloadChunk.objects.filter(series__in=large.values("series")).delete()
    removed += large.delete()[0]
    record(
        "queries.policy_reset", data_model, by=by, now=now, facts={"policy": policy or "default", "answers": removed}
    )
    return removed


def policies_of(data_model: DataModel) -> tuple[str, ...]:
    """Return the names of a model's policies in its current version, and that of answers without one."""
    version = current_version(data_model)
    named = semantic_model(version).cache_policies if version is not None else {}
    return (DEFAULT, *named)


def was_reset(found: Governed, policy: str, *, since: datetime) -> bool:
    """Say whether the policy was reset after the source was asked."""
    resets = PolicyReset.objects.filter(data_model_id=found.version.data_model_id, policy=policy, reset_at__gte=since)
    return resets.exists()
