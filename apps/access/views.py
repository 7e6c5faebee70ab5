"""A person's own sessions and tokens, and where a recovery link leads."""

from base64 import b64encode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.access.forms import SHORT_DAYS, TokenForm
from apps.access.middleware import ActorRequest
from apps.accounts import confirming, ending, services
from apps.accounts.models import ApiToken, User, UserSession
from apps.accounts.selectors import running_sessions, session_lines, token_state

TOKEN_NEEDS = (
    "A token that administers, or lives for more than {days} days, needs a fresh sign-in. Nothing was made yet; fill in "
    "the form again."
)


def _person_or_404(request: ActorRequest) -> User:
    """Return who is there, in person, as themselves: nobody looks at or changes this for somebody else."""
    actor = request.actor
    if actor.kind != "person" or actor.viewing is not None:
        raise Http404
    return get_object_or_404(User, pk=actor.user_id)


@require_GET
def session_list(request: ActorRequest) -> HttpResponse:
    user, now, limits = _person_or_404(request), timezone.now(), request.tenant.limits
    rows = running_sessions(limits, now=now).filter(user=user)
    lines = session_lines(rows, limits, this=request.session.row_id, now=now)  # type: ignore[attr-defined]  # of our own kind of session
    return render(request, "accounts/session_list.html", {"lines": lines, "limits": limits})


@require_GET
def session_ending(request: ActorRequest) -> HttpResponse:
    """Say when the session ends, and with which key the person's own tab seals what is not sent yet.

    The key is the same for one person and nobody else's; the server keeps nothing that it opens.
    """
    user, now = _person_or_404(request), timezone.now()
    key = salted_hmac("apps.access.drafts", f"{request.tenant.id}:{user.pk}", algorithm="sha256").digest()
    session = request.session
    times = {"unused_s": session.unused_until, "ends_s": session.ends_at}  # type: ignore[attr-defined]  # of our own kind of session
    left = {name: max(0, int((until - now).total_seconds())) if until else 0 for name, until in times.items()}
    return JsonResponse({**left, "key": b64encode(key).decode()})


@require_POST
def session_end(request: ActorRequest, session_id: UUID) -> HttpResponse:
    """End one of one's own sessions; ending the one that asks is signing out."""
    user = _person_or_404(request)
    session = get_object_or_404(UserSession, pk=session_id, user=user)
    if session.pk == request.session.row_id:  # type: ignore[attr-defined]  # of our own kind of session
        return _signed_out(request)
    ending.end_session(session, by=request.actor, now=timezone.now())
    messages.success(request, "That session is over.")
    return HttpResponseRedirect(reverse("access:session_list"))


@require_POST
def session_end_all(request: ActorRequest) -> HttpResponse:
    """End all of one's sessions, this one too when that is wished."""
    user, now = _person_or_404(request), timezone.now()
    if request.POST.get("which") == "all":
        ending.end_sessions_of([user.pk], why="chosen", by=request.actor, now=now)
        return _signed_out(request)
    count = ending.end_other_sessions(user.pk, but=request.session.row_id, by=request.actor, now=now)  # type: ignore[attr-defined]  # of our own kind of session
    messages.success(request, f"{count} other session{'' if count == 1 else 's'} ended. Only this one goes on.")
    return HttpResponseRedirect(reverse("access:session_list"))


def _signed_out(request: ActorRequest) -> HttpResponse:
    logout(request)
    return HttpResponseRedirect("/accounts/sign-in/", headers={"Clear-Site-Data": '"cache", "storage"'})


@require_http_methods(["GET", "POST"])
def token_list(request: ActorRequest) -> HttpResponse:
    """Show one's tokens; POST makes one and shows it, this once."""
    user = _person_or_404(request)
    if request.tenant.is_platform and request.method == "POST":
        raise Http404
    form = TokenForm(user, request.tenant.limits.token_max_days, request.POST or None)
    if request.method == "GET" or not form.is_valid():
        return _token_page(request, user, form, status=200 if request.method == "GET" else 422)
    wanted, now = form.cleaned_data, timezone.now()
    is_strong = wanted["scope"] == ApiToken.Scope.ADMIN or wanted["days"] > SHORT_DAYS
    if is_strong and (away := confirming.required(request, needs=TOKEN_NEEDS.format(days=SHORT_DAYS))):
        return away
    try:
        token = services.issue_token(
            user=user, name=wanted["name"], days=wanted["days"], scope=wanted["scope"], by=request.actor, now=now
        )
    except ValidationError as error:
        form.add_error(None, error)
        return _token_page(request, user, form, status=422)
    fresh = TokenForm(user, request.tenant.limits.token_max_days)
    return _token_page(request, user, fresh, shown=token, shown_name=wanted["name"])


def _token_page(request: ActorRequest, user: User, form: TokenForm, status: int = 200, **more: str) -> HttpResponse:
    now = timezone.now()
    rows = [
        (token, token_state(token, now=now))
        for token in ApiToken.objects.filter(user=user).select_related("user__owner")[:200]
    ]
    context = {
        "rows": rows,
        "form": form,
        "is_fresh": confirming.is_confirmed(request, now=now),
        "short_days": SHORT_DAYS,
    }
    return render(request, "accounts/token_list.html", {**context, **more}, status=status)


@require_POST
def token_revoke(request: ActorRequest, token_id: UUID) -> HttpResponse:
    user = _person_or_404(request)
    token = get_object_or_404(ApiToken, pk=token_id, user=user)
    services.revoke_token(token, by=request.actor, now=timezone.now())
    messages.success(request, f"The token “{token.name}” is revoked. Whatever still uses it is refused from now on.")
    return HttpResponseRedirect(reverse("access:token_list"))


@require_GET
def recovery_home(request: ActorRequest) -> HttpResponse:
    """Say what this session is, until when, and what can be done in it."""
    if request.actor.kind != "recovery":
        raise Http404
    return render(request, "accounts/recovery_home.html", {"ends_at": request.session.ends_at})  # type: ignore[attr-defined]  # of our own kind of session
