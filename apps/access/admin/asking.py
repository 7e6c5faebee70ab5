"""Actions of lists that show first what they will do: to which rows, what happens then, and which stay as they are."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from apps.access.admin import shown
from apps.accounts import confirming

MOST_NAMED = 50


@dataclass(frozen=True, slots=True)
class Effect:
    """What an action will do.

    Attributes:
        rows: what changes.
        names: how the page names these rows, in their order.
        left: names of the chosen that stay as they are, each with the reason.
        sentences: what happens to the rows.
    """

    rows: Sequence[Any]
    names: tuple[str, ...]
    left: tuple[str, ...]
    sentences: tuple[str, ...]

    @classmethod
    def on(
        cls, chosen: Iterable[Any], *sentences: str, named: Callable[[Any], str], stays: Callable[[Any], str]
    ) -> "Effect":
        """Return the effect on the chosen rows; ``stays`` says why one of them stays as it is, or nothing."""
        told = [(row, named(row), stays(row)) for row in chosen]
        return cls(
            [row for row, _, why in told if not why],
            tuple(name for _, name, why in told if not why),
            tuple(f"{name}: {why}" for _, name, why in told if why),
            sentences,
        )


Tell = Callable[[Any, HttpRequest, Sequence[Any]], Effect]
Act = Callable[[Any, HttpRequest, list[Any]], None]
Action = Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]


def after_page(tell: Tell, *, needs: str = "") -> Callable[[Act], Action]:
    """Have an action run only after a page that tells its effect, on the rows named there and no others.

    ``tell`` takes the admin page, the request and the chosen rows. When the effect is another one by the time that the
    button is pressed, nothing is done. ``needs`` says to who has not signed in lately why they have to first; what only
    takes away asks for nothing.
    """

    def decorate(act: Act) -> Action:
        @wraps(act)
        def action(page: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
            if needs and (away := confirming.required(request, back_to=request.get_full_path(), needs=needs)):
                return away
            is_confirmed = bool(request.POST.get("post"))
            if is_confirmed:
                shown.lock(queryset)
            chosen = list(queryset.all())
            effect = tell(page, request, chosen)
            if not effect.rows:
                messages.warning(request, "Nothing to do. " + "; ".join(effect.left[:MOST_NAMED]))
                return None
            keys = sorted(str(row.pk) for row in effect.rows)
            digest = shown.digest_of(keys, sorted(effect.names), sorted(effect.left), effect.sentences)
            if not is_confirmed:
                return _page(page, request, act.__name__, effect, digest)
            away = shown.refusal(request, digest)
            if away is None:
                act(page, request, list(effect.rows))
            return away

        return action

    return decorate


def _page(page: Any, request: HttpRequest, name: str, effect: Effect, digest: str) -> HttpResponse:
    opts = page.model._meta
    number = len(effect.rows)
    context = {
        **page.admin_site.each_context(request), "opts": opts, "title": page.get_action(name)[2], "action": name,
        "count": f"{number} {opts.verbose_name if number == 1 else opts.verbose_name_plural}",
        "names": effect.names[:MOST_NAMED], "more": max(0, number - MOST_NAMED), "sentences": effect.sentences,
        "left": effect.left[:MOST_NAMED], "more_left": max(0, len(effect.left) - MOST_NAMED), "shown": digest,
        "checkbox": ACTION_CHECKBOX_NAME, "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "select_across": request.POST.get("select_across", "0"),
    }  # fmt: skip
    return TemplateResponse(request, "admin/access/action_confirm.html", context)
