"""What is done is what the page before has shown, or nothing.

A page that asks for confirmation carries a digest of what it says will happen. Whoever presses the button sends it
along; when it would be something else by then, nothing is done and the page is shown anew.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.utils import NestedObjects
from django.db import DEFAULT_DB_ALIAS, models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.crypto import constant_time_compare

FIELD = "shown"
CHANGED = "What this does has changed since the page was made. Nothing was done; look at it again here."


def digest_of(*facts: object) -> str:
    """Return the digest of what a page says will happen, for the field ``shown`` of its form."""
    return hashlib.sha256(json.dumps(facts, default=str, sort_keys=True).encode()).hexdigest()


def refusal(request: HttpRequest, digest: str) -> HttpResponse | None:
    """Return None when the page that was confirmed has shown just this, else the way to the page as it is now."""
    if constant_time_compare(request.POST.get(FIELD, ""), digest):
        return None
    messages.error(request, CHANGED)
    return HttpResponseRedirect(request.get_full_path())


def deletion_digest(objs: Iterable[models.Model], *, is_locking: bool) -> str:
    """Return the digest of a deletion: the rows, what they are called, and every row that goes with them.

    ``is_locking`` keeps others from adding to them until the transaction ends.
    """
    rows = list(objs)
    if is_locking:
        lock(rows)
    collector = NestedObjects(using=DEFAULT_DB_ALIAS)
    collector.collect(rows)
    together: dict[type[models.Model], set[models.Model]] = collector.model_objs  # type: ignore[assignment]  # the stubs say less than it holds
    along = {model._meta.label: sorted(str(row.pk) for row in found) for model, found in together.items()}
    return digest_of(sorted((str(row.pk), str(row)) for row in rows), along)


def lock(rows: Iterable[models.Model]) -> None:
    """Keep rows of one table from being changed, or added to, by others until the transaction ends."""
    found = list(rows)
    if found:
        table: Any = type(found[0])._default_manager
        list(table.select_for_update().filter(pk__in=[row.pk for row in found]).order_by("pk").values_list("pk"))


def delete_as_shown(modeladmin: Any, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
    """Delete the selected rows after a page that lists them and what goes with them: those and no others."""
    is_confirmed = bool(request.POST.get("post"))
    digest = deletion_digest(queryset, is_locking=is_confirmed)
    away = refusal(request, digest) if is_confirmed else None
    if away is not None:
        return away
    page: Any = delete_selected(modeladmin, request, queryset)
    if page is not None:
        page.context_data[FIELD] = digest
    found: HttpResponse | None = page
    return found
