"""The permissions that there are on single objects, and what gives each. The apps that own the objects register them.

One rule is what single decisions, lists and reviews are all made from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Permission
from django.db import models
from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

from apps.access.errors import UnknownPermissionError
from apps.access.roles import Capability
from apps.access.types import Actor, SupportScope

Reached = Callable[[SupportScope], models.Q]


@dataclass(frozen=True, slots=True)
class Floor:
    """What an object lies in: a permission on a container, or on one above it, holds for the object too.

    ``column`` is the object's column that names its container, ``given_by`` the permissions on containers that count.
    """

    container: type[models.Model]
    column: str
    parent: str
    given_by: tuple[str, ...]

    @property
    def user_table(self) -> Any:
        return get_user_obj_perms_model(self.container)  # type: ignore[arg-type]  # a class will do

    @property
    def group_table(self) -> Any:
        return get_group_obj_perms_model(self.container)  # type: ignore[arg-type]  # a class will do


@dataclass(frozen=True, slots=True)
class PermissionRule:
    """A permission on objects of one model.

    ``stronger`` are permissions on the object that hold it as well: who may edit may view. ``capability`` is what
    makes it administrative: a role with it holds the permission on every object, and only a person in person uses
    it. A permission that opens data has none: no role opens data. ``reached`` says what a support visit reaches.
    """

    model: type[models.Model]
    codename: str
    label: str
    stronger: tuple[str, ...] = ()
    floor: Floor | None = None
    capability: Capability | None = None
    reached: Reached | None = None

    @property
    def given_by(self) -> tuple[str, ...]:
        return (self.codename, *self.stronger)

    @property
    def user_table(self) -> Any:
        return get_user_obj_perms_model(self.model)  # type: ignore[arg-type]  # a class will do

    @property
    def group_table(self) -> Any:
        return get_group_obj_perms_model(self.model)  # type: ignore[arg-type]  # a class will do

    def admits(self, actor: Actor) -> bool:
        """Say whether an actor of this kind can hold the permission by grants at all."""
        if self.capability is not None:
            return actor.kind == "person" and actor.viewing is None and actor.user_id is not None
        return actor.kind in ("person", "token") and actor.subject_id is not None

    def is_held_by_role(self, actor: Actor) -> bool:
        return self.capability is not None and actor.manages(self.capability)


_rules: dict[tuple[str, str], PermissionRule] = {}
_ids: dict[tuple[str, str], int] = {}


def register_rule(rule: PermissionRule) -> None:
    """Let a permission be asked for; a second rule of that permission takes its place."""
    _rules[rule.model._meta.label_lower, rule.codename] = rule


def rule_of(model: type[models.Model], codename: str) -> PermissionRule:
    """Return the rule of a permission.

    Raises:
        UnknownPermissionError: objects of this kind have no such permission.
    """
    found = _rules.get((model._meta.label_lower, codename))
    if found is None:
        raise UnknownPermissionError(codename)
    return found


def rules_of(model: type[models.Model]) -> tuple[PermissionRule, ...]:
    """Return all rules of a model in the order of their registration: weakest first."""
    return tuple(rule for (label, _), rule in _rules.items() if label == model._meta.label_lower)


def permission_ids(model: type[models.Model], codenames: tuple[str, ...]) -> tuple[int, ...]:
    """Return the keys of permissions; migrations write them and nothing changes them, so they are read once.

    Raises:
        UnknownPermissionError: the database does not know one of them.
    """
    label = model._meta.label_lower
    if any((label, codename) not in _ids for codename in codenames):
        _ids.update(_read_ids(model))
    try:
        return tuple(_ids[label, codename] for codename in codenames)
    except KeyError as error:
        raise UnknownPermissionError(str(error)) from None


def _read_ids(model: type[models.Model]) -> Mapping[tuple[str, str], int]:
    named = Permission.objects.filter(
        content_type__app_label=model._meta.app_label, content_type__model=model._meta.model_name
    )
    return {(model._meta.label_lower, codename): pk for codename, pk in named.values_list("codename", "pk")}
