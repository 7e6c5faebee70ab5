"""From a question to the plan of its download: the same rights and the same proof, with a row limit of its own."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings

from apps.access.types import Actor
from apps.datamodels.models import Dataset
from apps.governance.selectors import fingerprint, governed_by_name
from apps.queries.errors import NoDownloadError
from apps.queries.models import DownloadLimit
from apps.queries.planning import QueryPlan, as_query, plan_governed
from apps.semantic.errors import MalformedQueryError
from apps.semantic.query.types import SemanticQuery
from apps.vault.services import keyed_hash


def as_download(question: dict[str, Any]) -> tuple[SemanticQuery, int | None]:
    """Return the strict form of a download's question, and the rows it is limited to by itself.

    Raises:
        MalformedQueryError: as a question, but the limit may be any; or it has parts that only a page shows.
    """
    if not isinstance(question, dict):
        return as_query(question), None
    limit = question.get("limit")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise MalformedQueryError("The limit must be a whole number from 1.", "limit")
    for part in ("totals", "subtotals", "pivots"):
        if question.get(part):
            raise MalformedQueryError("A download has rows only.", part)
    return as_query({name: value for name, value in question.items() if name != "limit"}), limit


def plan_download(actor: Actor, question: dict[str, Any], *, now: datetime) -> QueryPlan:
    """Read the actor's rights, compile and prove with the data set's row limit for downloads, and name the result.

    Raises:
        QueryError: as :func:`apps.queries.planning.plan_query`; the data set may not be offered for download.
    """
    query, wanted = as_download(question)
    found = governed_by_name(actor, query.dataset)
    most = most_rows(found.dataset)
    if most < 1:
        raise NoDownloadError
    scope = replace(found.scope, max_rows=most)
    rights = fingerprint(scope, found.dataset, str(found.version.pk), hides_values=found.hides_values)
    found = replace(found, scope=replace(scope, fingerprint=rights))
    plan = plan_governed(found, replace(query, limit=min(wanted or most, most)), now=now)
    return replace(plan, cache_key=keyed_hash("download", plan.cache_key.encode()))


def most_rows(dataset: Dataset) -> int:
    """Return how many rows of a data set may be downloaded at once."""
    own = DownloadLimit.objects.filter(dataset=dataset).values_list("max_rows", flat=True).first()
    most: int = settings.OMNI_DOWNLOAD_MAX_ROWS
    return most if own is None else min(own, most)
