"""Drafts: edited file by file, never overwritten unseen, merged with what was published since."""

from collections.abc import Callable
from datetime import datetime

import pytest

from apps.access.selectors import actor_for_user
from apps.accounts.models import User
from apps.audit.models import AuditEvent
from apps.datamodels import services
from apps.datamodels.errors import (
    DraftChangedError,
    FileRefusedError,
    NotADraftError,
    RebaseConflictError,
    StaleDraftError,
    UnknownFileError,
)
from apps.datamodels.models import DataModel, ModelFile, ModelVersion
from apps.datamodels.selectors import current_version, files_of
from apps.datamodels.services.rebasing import merged
from apps.semantic.errors import ModelError
from tests.apps.datamodels.conftest import FILES, ORDERS, Publish

TOPIC = "Sales.topic.yaml"
LABELLED = "base_view: orders\nlabel: Shop sales\n"


@pytest.fixture
def draft(shop: DataModel, ada: User, now: datetime) -> ModelVersion:
    """Ada's draft over version 1."""
    return services.open_draft(shop, by=actor_for_user(ada), now=now)


@pytest.fixture
def save(ada: User, now: datetime) -> Callable[..., ModelVersion]:
    def act(draft: ModelVersion, path: str, content: str, digest: str = "") -> ModelVersion:
        return services.save_draft_file(
            draft, path=path, content=content, digest=digest or draft.digest, by=actor_for_user(ada), now=now
        )

    return act


Save = Callable[..., ModelVersion]


def test_a_draft_begins_with_the_current_version_and_changes_nothing(shop: DataModel, draft: ModelVersion) -> None:
    assert (draft.number, draft.base_number, draft.is_draft) == (2, 1, True)
    assert files_of(draft) == FILES
    current = current_version(shop)
    assert current is not None
    assert current.number == 1


def test_an_author_comes_back_to_their_draft_and_others_have_their_own(
    shop: DataModel, draft: ModelVersion, ada: User, bob: User, now: datetime
) -> None:
    assert services.open_draft(shop, by=actor_for_user(ada), now=now) == draft
    assert services.open_draft(shop, by=actor_for_user(bob), now=now).number == 3


def test_files_are_added_changed_renamed_and_removed(draft: ModelVersion, save: Save, ada: User, now: datetime) -> None:
    by = {"by": actor_for_user(ada), "now": now}
    draft = save(draft, TOPIC, LABELLED)
    draft = save(draft, "shop/Extra.topic.yaml", "base_view: orders\n")
    draft = services.rename_file(
        draft, path="shop/Extra.topic.yaml", new_path="Second.topic.yaml", digest=draft.digest, **by
    )
    draft = services.remove_file(draft, path="relationships.yaml", digest=draft.digest, **by)
    expected = {path: text for path, text in FILES.items() if path != "relationships.yaml"}
    assert files_of(draft) == expected | {TOPIC: LABELLED, "Second.topic.yaml": "base_view: orders\n"}
    assert draft.digest == services.digest_of(files_of(draft))
    saved = AuditEvent.objects.filter(verb="datamodels.draft_saved").order_by("sequence")
    assert [event.facts["kind"] for event in saved] == ["changed", "added", "renamed", "removed"]


def test_an_edit_of_a_state_that_has_changed_is_refused_and_overwrites_nothing(
    draft: ModelVersion, save: Save, bob: User, now: datetime
) -> None:
    seen = draft.digest
    save(draft, TOPIC, LABELLED)
    with pytest.raises(DraftChangedError, match="changed by Ada"):
        services.save_draft_file(
            draft, path=TOPIC, content="base_view: orders\n", digest=seen, by=actor_for_user(bob), now=now
        )
    for act, arguments in (
        (services.remove_file, {"path": TOPIC}),
        (services.rename_file, {"path": TOPIC, "new_path": "X.topic.yaml"}),
        (services.rebase_draft, {}),
    ):
        with pytest.raises(DraftChangedError):
            act(draft, digest=seen, by=actor_for_user(bob), now=now, **arguments)
    assert files_of(draft)[TOPIC] == LABELLED


def test_publishing_what_was_not_seen_is_refused(draft: ModelVersion, save: Save, ada: User, now: datetime) -> None:
    seen = draft.digest
    draft = save(draft, TOPIC, LABELLED)
    with pytest.raises(DraftChangedError):
        services.publish_version(draft, digest=seen, by=actor_for_user(ada), now=now)
    services.publish_version(draft, digest=draft.digest, by=actor_for_user(ada), now=now)
    assert ModelVersion.objects.get(is_current=True).number == 2


@pytest.mark.parametrize(
    "path",
    [
        "../x.view.yaml",
        "/etc/x.view.yaml",
        "a//b.view.yaml",
        "orders.view.sql",
        "",
        "x\n.yaml",
        "é.yaml",
        "x" * 260 + ".yaml",
    ],
)
def test_a_file_of_a_wrong_name_is_refused(draft: ModelVersion, save: Save, path: str) -> None:
    with pytest.raises(FileRefusedError):
        save(draft, path, "x: 1\n")
    assert files_of(draft) == FILES
    assert "ok.view.yaml" in files_of(save(draft, "ok.view.yaml", "x: 1\n"))


@pytest.mark.parametrize("content", ["a: 1\nb: \x00\n", "x" * 1_000_001, "a: \x1b[0m"])
def test_a_file_that_cannot_be_kept_is_refused(draft: ModelVersion, save: Save, content: str) -> None:
    with pytest.raises(FileRefusedError):
        save(draft, TOPIC, content)
    assert files_of(draft) == FILES


def test_a_draft_keeps_its_problems_and_cannot_be_published_with_them(
    shop: DataModel, draft: ModelVersion, save: Save, ada: User, now: datetime
) -> None:
    draft = save(draft, TOPIC, "base_view: no_such_view\n")
    with pytest.raises(ModelError):
        services.publish_version(draft, by=actor_for_user(ada), now=now)
    assert ModelVersion.objects.get(is_current=True).number == 1
    draft = save(draft, TOPIC, LABELLED)
    services.publish_version(draft, by=actor_for_user(ada), now=now)
    assert ModelVersion.objects.get(is_current=True).number == 2


def test_a_discarded_draft_is_gone_and_its_number_stays_taken(
    shop: DataModel, draft: ModelVersion, save: Save, ada: User, now: datetime
) -> None:
    by = {"by": actor_for_user(ada), "now": now}
    services.discard_draft(draft, **by)
    assert not ModelFile.objects.filter(version=draft).exists()
    for act in (services.discard_draft, services.publish_version):
        with pytest.raises(NotADraftError):
            act(draft, **by)
    with pytest.raises(NotADraftError):
        save(draft, TOPIC, LABELLED)
    assert services.open_draft(shop, **by).number == 3
    assert AuditEvent.objects.filter(verb="datamodels.draft_discarded").count() == 1


def test_a_published_version_is_edited_by_nobody(shop: DataModel, save: Save) -> None:
    current = current_version(shop)
    assert current is not None
    with pytest.raises(NotADraftError):
        save(current, TOPIC, LABELLED)


def test_a_missing_file_is_neither_removed_nor_renamed(draft: ModelVersion, ada: User, now: datetime) -> None:
    by = {"by": actor_for_user(ada), "now": now, "digest": draft.digest}
    with pytest.raises(UnknownFileError):
        services.remove_file(draft, path="none.view.yaml", **by)
    with pytest.raises(UnknownFileError):
        services.rename_file(draft, path="none.view.yaml", new_path="some.view.yaml", **by)
    with pytest.raises(FileRefusedError, match="already"):
        services.rename_file(draft, path=TOPIC, new_path="model.yaml", **by)


def test_a_draft_behind_the_current_version_merges_what_only_one_side_touched(
    draft: ModelVersion, save: Save, publish: Publish, ada: User, now: datetime
) -> None:
    by = {"by": actor_for_user(ada), "now": now}
    draft = save(draft, TOPIC, LABELLED)
    publish({"orders.view.yaml": ORDERS + "tags: [shop]\n", "Extra.topic.yaml": "base_view: orders\n"})
    with pytest.raises(StaleDraftError, match="began with v1, and v3 answers"):
        services.publish_version(draft, **by)
    draft = services.rebase_draft(draft, digest=draft.digest, **by)
    assert draft.base_number == 3
    assert files_of(draft)[TOPIC] == LABELLED
    assert files_of(draft)["orders.view.yaml"].endswith("tags: [shop]\n")
    assert "Extra.topic.yaml" in files_of(draft)
    services.publish_version(draft, **by)
    assert ModelVersion.objects.get(is_current=True).number == 2


def test_a_file_that_both_sides_changed_is_a_conflict_until_somebody_chooses(
    draft: ModelVersion, save: Save, publish: Publish, ada: User, now: datetime
) -> None:
    by = {"by": actor_for_user(ada), "now": now}
    draft = save(draft, TOPIC, LABELLED)
    publish({TOPIC: "base_view: orders\nlabel: Other\n"})
    with pytest.raises(RebaseConflictError) as caught:
        services.rebase_draft(draft, digest=draft.digest, **by)
    assert caught.value.paths == (TOPIC,)
    assert ModelVersion.objects.get(pk=draft.pk).base_number == 1
    draft = services.rebase_draft(draft, digest=draft.digest, choices={TOPIC: "draft"}, **by)
    assert files_of(draft)[TOPIC] == LABELLED
    services.publish_version(draft, **by)


def test_three_ways_meet_file_by_file() -> None:
    base = {"same": "1", "ours": "1", "theirs": "1", "both": "1", "alike": "1", "gone": "1", "fought": "1"}
    ours = {"same": "1", "ours": "2", "theirs": "1", "both": "2", "alike": "2", "gone": "1", "new": "1"}
    theirs = {"same": "1", "ours": "1", "theirs": "2", "both": "3", "alike": "2", "fought": "2", "added": "1"}
    files, conflicts = merged(base, ours, theirs)
    assert files == {"same": "1", "ours": "2", "theirs": "2", "alike": "2", "new": "1", "added": "1"}
    assert conflicts == ["both", "fought"]
