"""The values that a filter of a page offers: those of the reader's own rows, in the words that the model has for them."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.urls import reverse

from apps.access.types import Actor
from apps.dashboards.formats import format_value
from apps.dashboards.models import DashboardFilter
from apps.dashboards.tiles import ask
from apps.dashboards.types import Choice, Option, Options, Rows
from apps.governance.offering import dataset_fields
from apps.governance.selectors import governed
from apps.governance.types import FieldInfo
from apps.queries.errors import QueryFailedError
from apps.queries.types import Pending
from apps.semantic.errors import MissingAttributeError, QueryError

MAX_OPTIONS = 200
NO_OPTIONS = "There is nothing to choose from."


def options_of(
    actor: Actor, choice: Choice, query: str, *, now: datetime, wait_s: float, run_id: UUID | None = None
) -> Options:
    """Return the values of a filter's field that the reader may see, through the same doorway as any question.

    ``suggestion_list`` puts them in its order and its words and leaves out others; it adds none, since a value that
    stands in no row of the reader's is not theirs to learn. A filter-only field has no rows: its list is all there is,
    unless another field's values are suggested for it.
    """
    item = choice.filter
    address = reverse("dashboards:filter_options", args=(item.dashboard.slug, item.key))
    url = f"{address}?{query}" if query else address
    try:
        info = _field(actor, item)
        if info is not None and info.kind == "filter" and (info.suggested or not info.suggests_from):
            return _offered(choice, url, dict(info.suggested))
        asked = info.suggests_from if info is not None and info.suggests_from else item.field
        suggested = dict(info.suggested) if info is not None else {}
        wanted = suggested if info is not None and info.type == "string" and asked == item.field else {}
        answer = ask(actor, _question(item, asked, wanted), now=now, wait_s=wait_s, run_id=run_id)
    except (MissingAttributeError, QueryFailedError) as error:
        return Options(choice, url, message=error.message)
    except QueryError:
        return Options(choice, url, message=NO_OPTIONS)
    if isinstance(answer, Pending):
        return Options(choice, url, run_id=answer.run_id)
    values = _values(asked, answer.rows)
    if suggested:
        there = {_spelt(value): value for value in values}
        values = {there[_spelt(value)]: label for value, label in suggested.items() if _spelt(value) in there}
    return _offered(choice, url, values, is_truncated=answer.is_truncated)


def _field(actor: Actor, item: DashboardFilter) -> FieldInfo | None:
    """Return the field as the reader may use it; None where they see no values at all."""
    found = governed(actor, item.dataset)
    name = item.field.partition("[")[0]
    fields = () if found.hides_values else dataset_fields(found)
    return next((info for info in fields if info.name == name), None)


def _question(item: DashboardFilter, asked: str, suggested: dict[str, str]) -> dict[str, object]:
    wanted = {"filters": {asked: {"is": list(suggested)}}} if suggested else {}
    sorts = [{"field": asked}]
    return {"dataset": item.dataset.name, "fields": [asked], "sorts": sorts, "limit": MAX_OPTIONS, **wanted}


def _values(name: str, rows: Rows) -> dict[str, str]:
    return {str(row[0]): format_value(row[0], name=name) for row in rows if row[0] is not None}


def _spelt(value: str) -> str:
    """Return a value as it is told from others: 100 is 100.00, and true is True."""
    try:
        return str(Decimal(value).normalize())
    except InvalidOperation:
        return value.lower() if value.lower() in ("true", "false") else value


def _offered(choice: Choice, url: str, values: dict[str, str], *, is_truncated: bool = False) -> Options:
    """Offer what was found, and keep what is chosen although it was not."""
    kept = {value: value for value in choice.values if value not in values}
    items = tuple(Option(value, label, is_chosen=value in choice.values) for value, label in (kept | values).items())
    return Options(choice, url, items, message="" if items else NO_OPTIONS, is_truncated=is_truncated)
