"""What a view as another person may do: both their rights together, in queued runs and tasks too."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.conf import settings

from apps.access.models import ViewSession
from apps.access.selectors import actor_for_user, actor_from_reference, permitted
from apps.access.services import end_view, grant_permission
from apps.access.types import Actor
from apps.accounts.models import GroupMembership, User, UserAttribute, UserGroup
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset
from apps.governance.explain import may_know_all
from apps.governance.selectors import governed, governed_by_name
from apps.governance.view_as import combined
from apps.queries.models import QueryRun
from apps.queries.running import execute
from apps.queries.services import answer, own_run
from apps.queries.types import Pending
from apps.semantic.errors import UnknownDatasetError
from apps.semantic.scope import AccessScope, RowPolicy
from tests.apps.governance.test_view_as import REGIONS, as_eve, browse, seen, view
from tests.apps.queries.conftest import Ask, analysts, ask, eve, max_, nil, sales, source

__all__ = ["analysts", "as_eve", "ask", "browse", "eve", "max_", "nil", "sales", "source", "view"]


def lesser(view: ViewSession, viewer: User, now: datetime) -> Actor:
    """Return the view as somebody has it who is no full administrator: their own rights limit it."""
    actor = seen(view, now)
    assert actor.viewing is not None
    assert actor.viewing.limits is None
    return replace(actor, viewing=replace(actor.viewing, limits=actor_for_user(viewer)))


def test_a_queued_question_of_a_view_runs_with_the_persons_rights_and_only_while_it_lasts(
    view: ViewSession, ada: User, eve: User, now: datetime
) -> None:
    from celery import current_app

    actor = seen(view, now)
    current_app.conf.task_always_eager = False
    try:
        first = answer(actor, REGIONS, now=now, wait_s=0)
        second = answer(actor, REGIONS | {"limit": 7}, now=now, wait_s=0)
    finally:
        current_app.conf.task_always_eager = True
    assert isinstance(first, Pending)
    assert isinstance(second, Pending)
    execute(first.run_id, now=now)
    run = QueryRun.objects.get(pk=first.run_id)
    assert (run.state, run.row_count) == ("done", 1)
    assert run.view_session_id == view.pk
    assert own_run(actor, first.run_id, now=now) == run
    for other in (actor_for_user(ada), actor_for_user(eve)):
        with pytest.raises(LookupError):
            own_run(other, first.run_id, now=now)
    end_view(view.pk, why="test", by=actor, now=now)
    execute(second.run_id, now=now)
    assert QueryRun.objects.get(pk=second.run_id).error_code == "forbidden"


def test_a_task_derives_the_view_again(view: ViewSession, ada: User, eve: User, now: datetime) -> None:
    def derive(at: datetime, viewer: User = ada) -> Actor | None:
        return actor_from_reference(
            "person", user_id=viewer.pk, token_id=None, support_session_id=None, view_session_id=view.pk, now=at
        )

    assert derive(now) == seen(view, now)
    assert derive(now + timedelta(minutes=31)) is None
    assert derive(now, eve) is None


def test_the_actor_says_who_is_there_and_whose_rights_count(
    view: ViewSession, ada: User, eve: User, now: datetime
) -> None:
    actor = seen(view, now)
    own = actor_for_user(eve)
    assert (actor.user_id, actor.label, actor.subject_id) == (ada.pk, "Ada", eve.pk)
    assert (actor.attributes, actor.group_ids, actor.is_tenant_admin) == (own.attributes, own.group_ids, False)
    assert str(eve.pk) in actor.on_behalf_of
    assert may_know_all(actor)
    with pytest.raises(AttributeError):
        actor.user_id = eve.pk  # type: ignore[misc]  # wrong on purpose


def test_equal_rights_equal_fingerprint(view: ViewSession, eve: User, sales: Dataset, now: datetime) -> None:
    assert governed(seen(view, now), sales).scope == governed(actor_for_user(eve), sales).scope


def test_a_lesser_viewer_sees_what_both_may_see(
    view: ViewSession, ada: User, eve: User, analysts: UserGroup, sales: Dataset, ask: Ask, now: datetime
) -> None:
    actor = lesser(view, ada, now)
    assert not may_know_all(actor)
    assert not permitted(actor, Dataset, "query_dataset").exists()
    with pytest.raises(UnknownDatasetError):
        governed(actor, sales)
    assert governed_by_name(seen(view, now), "Sales").scope == governed(seen(view, now), sales).scope
    with pytest.raises(UnknownDatasetError):
        governed_by_name(actor, "Sales")
    GroupMembership.objects.create(user=ada, group=analysts)
    definition = UserAttribute.objects.get(user=eve).definition
    held = UserAttribute.objects.create(user=ada, definition=definition, values=["US"])
    both = governed(lesser(view, ada, now), sales)
    assert [rule.values for rule in both.scope.row_policies["orders"]] == [("EU",), ("US",)]
    assert both.scope.fingerprint not in ("", governed(actor_for_user(eve), sales).scope.fingerprint)
    held.values = ["ALL"]
    held.save()
    assert [rule.values for rule in governed(lesser(view, ada, now), sales).scope.row_policies["orders"]] == [("EU",)]


def test_two_scopes_together_give_what_both_give() -> None:
    rows = RowPolicy("a.x", ("1",), "x", "a:1")
    more = RowPolicy("a.y", ("2",), "y", "a:2")
    inner = AccessScope("t", frozenset({"b.x", "b.y"}))
    mine = AccessScope(
        "t", frozenset({"a.x", "a.y"}), frozenset({"a.x"}), {"a": (rows,)}, (rows,), {"x": ("1",), "y": ("2",)},
        {"n": inner, "m": inner}, 10, "key", "f",
    )  # fmt: skip
    theirs = AccessScope(
        "t", frozenset({"a.y", "a.z"}), frozenset({"a.y"}), {"a": (more,), "b": (more,)}, (more,), {"x": ("1",), "y": ("3",)},
        {"n": AccessScope("t", frozenset({"b.y"}))}, 5,
    )  # fmt: skip
    both = combined(mine, theirs)
    assert both.fields == {"a.y"}
    assert both.masked == {"a.x", "a.y"}
    assert both.row_policies == {"a": (rows, more), "b": (more,)}
    assert both.topic_policies == (rows, more)
    assert both.attributes == {"x": ("1",)}
    assert both.nested.keys() == {"n"}
    assert both.nested["n"].fields == {"b.y"}
    assert (both.max_rows, both.mask_key, both.fingerprint) == (5, "key", "")
    turned = combined(theirs, mine)
    assert (turned.masked, turned.max_rows, turned.mask_key) == (both.masked, 5, "key")


def test_the_middleware_stands_behind_the_one_of_support() -> None:
    order = settings.MIDDLEWARE
    view_as = order.index("apps.access.middleware.ViewAsMiddleware")
    assert order.index("apps.access.middleware.ActorMiddleware") < view_as
    assert order.index("apps.support.middleware.SupportSessionMiddleware") < view_as
    assert view_as < order.index("apps.access.middleware.SignInRequiredMiddleware")


def test_permission_to_query_is_the_persons(
    view: ViewSession, max_: User, sales: Dataset, ada: User, now: datetime
) -> None:
    GroupMembership.objects.filter(user=view.person).delete()
    with pytest.raises(UnknownDatasetError):
        governed(seen(view, now), sales)
    grant_permission(user=ada, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    with pytest.raises(UnknownDatasetError):
        governed(seen(view, now), sales)
    grant_permission(user=view.person, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    assert governed(seen(view, now), sales)
