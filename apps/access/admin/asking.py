"""Actions of lists that show first what they will do: to which rows, what happens then, and which stay as they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from apps.access.admin import shown

MOST_NAMED = 50


@dataclass(frozen=True, slots=True)
class Effect:
    """What an action will do.

    Attributes:
        rows: what changes, each with how the page names it.
        sentences: what happens to them.
        because: why others of the chosen stay as they are; told only when there are some.
    """

    rows: Sequence[tuple[Any, str]]
    sentences: tuple[str, ...]
    because: str


Tell = Callable[[Any, HttpRequest, Sequence[Any]], Effect]
Act = Callable[[Any, HttpRequest, list[Any]], None]
Action = Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]


def after_page(tell: Tell) -> Callable[[Act], Action]:
    """Have an action run only after a page that tells its effect, on the rows named there and no others.

    ``tell`` takes the admin page, the request and the chosen rows. When the effect is another one by the time that the
    button is pressed, nothing is done.
    """

    def decorate(act: Act) -> Action:
        @wraps(act)
        def action(page: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
            is_confirmed = bool(request.POST.get("post"))
            if is_confirmed:
                shown.lock(queryset)
            chosen = list(queryset.all())
            effect = tell(page, request, chosen)
            left = len(chosen) - len(effect.rows)
            if not effect.rows:
                messages.warning(request, f"Nothing to do: {effect.because}.")
                return None
            digest = _digest(effect, left)
            if not is_confirmed:
                return _page(page, request, act.__name__, effect, left, digest)
            away = shown.refusal(request, digest)
            if away is None:
                act(page, request, [row for row, _ in effect.rows])
            return away

        return action

    return decorate


def _digest(effect: Effect, left: int) -> str:
    rows: list[tuple[str, str]] = sorted((str(_key(row)), name) for row, name in effect.rows)
    return shown.digest_of(rows, effect.sentences, left)


def _key(row: Model) -> object:
    return row.pk


def _page(page: Any, request: HttpRequest, name: str, effect: Effect, left: int, digest: str) -> HttpResponse:
    opts = page.model._meta
    number = len(effect.rows)
    context = {
        **page.admin_site.each_context(request), "opts": opts, "title": page.get_action(name)[2], "action": name,
        "count": f"{number} {opts.verbose_name if number == 1 else opts.verbose_name_plural}",
        "names": [text for _, text in effect.rows[:MOST_NAMED]], "more": max(0, number - MOST_NAMED),
        "sentences": effect.sentences, "left": left, "because": effect.because, "shown": digest,
        "checkbox": ACTION_CHECKBOX_NAME, "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "select_across": request.POST.get("select_across", "0"),
    }  # fmt: skip
    return TemplateResponse(request, "admin/access/action_confirm.html", context)
