"""What is dangerous asks for a fresh proof of who is there: a sign-in at the provider within the last minutes.

``required`` goes first in the view of a dangerous action. A protocol plugs in by asking its provider for a fresh
sign-in (OpenID Connect: ``prompt=login`` and ``max_age``; SAML: ``ForceAuthn``) and by handing the time that the
provider states, with ``is_fresh`` checked, to ``enter`` as ``confirmed_at``.
"""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.accounts.errors import SignInError
from apps.accounts.sessions import CONFIRMED_KEY, RECOVERY_KEY

SKEW = timedelta(seconds=60)
SOMEBODY_ELSE = "You signed in as somebody else than the person whose session this is. Nothing was changed."
NOT_FRESH = (
    "Your identity provider did not confirm that you have just signed in (OpenID Connect: claim auth_time; SAML: AuthnInstant). Nothing was changed. "
    "Your administrator can have the provider send it."
)


def required(request: HttpRequest, *, back_to: str | None = None, needs: str = "") -> HttpResponse | None:
    """Return None when the person has proven who they are lately, else the way to do so and back to this page.

    ``back_to`` is where to go on when the request itself cannot be repeated by a link; nothing has been changed.
    ``needs`` tells somebody who had filled in a form already that it has to be sent once more.
    """
    if is_confirmed(request, now=timezone.now()):
        return None
    return led_away(request, back_to=back_to, needs=needs)


def led_away(request: HttpRequest, *, back_to: str | None = None, needs: str = "") -> HttpResponse:
    """Return the way to prove who one is, and back; for who was found not to have done so lately."""
    if needs:
        messages.warning(request, needs)
    target = back_to or (request.get_full_path() if request.method == "GET" else request.path)
    return HttpResponseRedirect(f"{reverse('accounts:confirm')}?{urlencode({'next': target})}")


def offer(request: HttpRequest) -> SafeString:
    """Return a sentence for a form that may need a fresh sign-in, with the way to it and back: what is filled in later stays."""
    address = f"{reverse('accounts:confirm')}?{urlencode({'next': request.get_full_path()})}"
    return format_html(
        'Giving somebody more than today needs a fresh sign-in, and yours is not. <a class="underline" href="{}">Sign in '
        "first</a>, so that nothing is lost that you fill in here. Taking away needs none.",
        address,
    )


def is_confirmed(request: HttpRequest, *, now: datetime) -> bool:
    """Say whether the session's person signed in at the provider lately; a recovery session is short itself."""
    if request.session.get(RECOVERY_KEY):
        return True
    stated = request.session.get(CONFIRMED_KEY, 0)
    within = timedelta(minutes=request.tenant.limits.confirm_within_min)  # type: ignore[attr-defined]  # bound by the middleware
    return is_fresh(_moment(stated), within=within, now=now)


def check_confirmation(
    request: HttpRequest, wanted: str | None, user_id: str, confirmed_at: datetime | None, *, now: datetime
) -> None:
    """Where the person was sent to prove who they are (``wanted`` is their id): see that it was them, and just now.

    Raises:
        SignInError: it was somebody else, or the provider does not say that it was just now.
    """
    if not wanted:
        return
    if wanted != user_id:
        raise SignInError("somebody_else", SOMEBODY_ELSE)
    within = timedelta(minutes=request.tenant.limits.confirm_within_min)  # type: ignore[attr-defined]  # bound by the middleware
    if not is_fresh(confirmed_at, within=within, now=now):
        raise SignInError("not_fresh", NOT_FRESH)


def is_fresh(confirmed_at: datetime | None, *, within: timedelta, now: datetime) -> bool:
    """Say whether a stated time lies within the last minutes; one in the future, beyond the skew of clocks, does not."""
    return confirmed_at is not None and now - within < confirmed_at <= now + SKEW


def stated_time(auth_time: object) -> datetime | None:
    """Return the time that a provider states (seconds since 1970), or None when it states none."""
    is_number = isinstance(auth_time, int | float) and not isinstance(auth_time, bool)
    return _moment(auth_time) if is_number else None


def _moment(seconds: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(seconds), tz=timezone.get_default_timezone()) if seconds else None  # type: ignore[arg-type]  # a number, or the text of one
    except (ValueError, OverflowError, OSError):
        return None
