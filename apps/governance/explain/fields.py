"""What becomes of the fields of a question."""

from collections.abc import Iterator
from dataclasses import dataclass

from apps.governance.deciding import GrantVerdict
from apps.governance.explain.attributes import Attributes
from apps.governance.explain.rules import grant_rule
from apps.governance.explain.types import Because, FieldExplained
from apps.governance.fields import field_verdict, rules_of
from apps.semantic.compile.inner_masks import masked_within, standing_in
from apps.semantic.compile.masks import Standing, masks_beneath
from apps.semantic.compile.names import split_field
from apps.semantic.compile.ruled import Spared, closed_views
from apps.semantic.model.types import Dimension, FieldFilter, GrantRule, Measure, SemanticModel, Topic
from apps.semantic.query.types import FilterGroup, SemanticQuery
from apps.semantic.scope import AccessScope

UNAVAILABLE = "There is no such field here, or it is not for you."
"""the one text for missing and for closed"""
WHY_MASKED = "Its values are replaced; your account does not have what shows them."
OVER_MASKED = "Shown; it is worked out of masked values."


@dataclass(frozen=True, slots=True)
class Fields:
    """A data set's fields as its model gives them to one person.

    ``rights`` are what grants alone give: fields that can be asked for, and masks; ``spared`` the row policies that do not hold for
    them.
    """

    model: SemanticModel
    topic: Topic
    grants: dict[str, GrantVerdict]
    attributes: Attributes
    rights: AccessScope
    spared: Spared

    @property
    def is_complete(self) -> bool:
        return self.attributes.is_complete

    @property
    def passed(self) -> frozenset[str]:
        return frozenset(name for name, verdict in self.grants.items() if verdict.has_passed)

    def field(self, field_id: str) -> Dimension | Measure | None:
        return self.model.dimension(field_id) or self.model.measure(field_id)

    def standing(self, asked: str) -> Standing:
        """Return what an answer does with a field that grants open: the word of what compiles answers."""
        return standing_in(asked, self.model, self.rights)

    def is_masked(self, name: str) -> bool:
        return self.standing(name) == "masked"

    @property
    def open(self) -> frozenset[str]:
        return self.rights.fields

    def _has_frame(self, asked: str) -> bool:
        """Say whether a field has the timeframe by which it is asked for, if it is by one."""
        name, frame = split_field(asked)
        dimension = self.model.dimension(name)
        return frame is None or (dimension is not None and frame in dimension.timeframes)

    def explained(self, asked: str) -> FieldExplained:
        """Explain one field, under the name that it was asked by."""
        name = asked.partition("[")[0]
        standing = self.standing(asked) if name in self.open and self._has_frame(asked) else "refused"
        if standing == "refused":
            return self._unavailable(asked, name)
        field = self.field(name)
        label = (field.label or field.name) if field else name
        because = (*self._open_because(name), *(self._masks_because(name) if self.is_complete else ()))
        if standing != "masked":
            text = "Shown." if standing == "clear" else OVER_MASKED
            return FieldExplained(asked, label, "open", text, because)
        text = "Masked: its values are replaced." if self.is_complete else WHY_MASKED
        return FieldExplained(asked, label, "masked", text, because)

    def _unavailable(self, asked: str, name: str) -> FieldExplained:
        """Refuse; only an administrator learns whether there is such a field, and what closes it."""
        if not self.is_complete:
            return FieldExplained(asked, asked, "unavailable", UNAVAILABLE)
        field = self.field(name)
        if field is None:
            return FieldExplained(asked, asked, "unavailable", "The model has no such field.")
        because = tuple(self._closed_because(asked, name))
        return FieldExplained(asked, field.label or field.name, "unavailable", "Closed.", because)

    def _closed_because(self, asked: str, name: str) -> Iterator[Because]:
        verdict = field_verdict(self.model, name, self.passed)
        if name not in self.topic.fields:
            text = f"The data set {self.topic.name} does not offer it"
            yield Because("model", text, holds=False, place=f"{self.topic.source.file}:{self.topic.source.line}")
        if len(verdict.via) > 1:
            yield Because("model", f"It rests on {' → '.join(verdict.via[1:])}", holds=False)
        if verdict.rule is not None:
            yield from grant_rule(verdict.rule, self.grants, self.attributes, what=verdict.owner)
        elif not verdict.is_open:
            text = verdict.owner or f"{verdict.via[-1]} does not exist, or refers to itself"
            yield Because("model", text, holds=False)
        elif self.standing(asked) == "refused":
            yield Because("mask", "It cannot be worked out of masked values", holds=False)
            yield from self._masks_because(name)
        elif not self._has_frame(asked):
            yield Because("model", f"{name} has no such timeframe", holds=False)
        elif name in self.topic.fields and closed_views(self.model, self.rights, self.spared):
            text = "A rule or an SQL view that it comes with rests on values that are masked"
            yield Because("mask", text, holds=False)
        elif name in self.topic.fields:
            text = "It rests on a view that the data set does not join, or on a query view that asks what masks refuse"
            yield Because("model", text, holds=False)

    def _open_because(self, name: str) -> tuple[Because, ...]:
        field = self.field(name)
        if not self.is_complete or field is None:
            return ()
        found: list[Because] = []
        for rule, owner in rules_of(field, self.model):
            found += grant_rule(rule, self.grants, self.attributes, what=owner)
        return tuple(found)

    def _masks_because(self, name: str) -> Iterator[Because]:
        """Tell the rule of each mask that the field is made of, its own or that of what it rests on."""
        met = [(self.topic.name, inner) for inner in masks_beneath(name, self.model, self.rights.masked)]
        for topic, inner in sorted({*met, *masked_within(name, self.model, self.rights)}):
            dimension = self.model.of_topic(topic).dimension(inner)
            if dimension is None or dimension.mask_unless_access_grants is None:
                continue
            if (topic, inner) != (self.topic.name, name):
                where = f" in {topic}" if topic != self.topic.name else ""
                yield Because("mask", f"It rests on {inner}{where}, which is masked", holds=False)
            yield from self._mask_rules(dimension, dimension.mask_unless_access_grants)

    def _mask_rules(self, dimension: Dimension, rule: GrantRule) -> Iterator[Because]:
        what = f"Showing {dimension.id} unmasked"
        label = self.model.classification_access.get(dimension.classification)
        by_label = label.mask_unless_access_grants if label is not None else None
        if rule != by_label:
            yield from grant_rule(rule, self.grants, self.attributes, what=what, kind="mask")
        if by_label is not None:
            what = f"{what}, classified {dimension.classification},"
            yield from grant_rule(by_label, self.grants, self.attributes, what=what, kind="mask")


def asked_fields(query: SemanticQuery) -> tuple[str, ...]:
    """Return every field that the question names in any clause, once each, selected ones first."""
    names = [*query.fields, *query.pivots, *(sort.field for sort in query.sorts)]
    names += [item.field for item in query.filters]
    for group in query.groups:
        names += _of_group(group)
    if query.top is not None:
        names += [query.top.field, query.top.by]
    if query.compare is not None:
        names.append(query.compare.field)
    return tuple(dict.fromkeys(names))


def _of_group(group: FilterGroup) -> Iterator[str]:
    for child in group.children:
        if isinstance(child, FieldFilter):
            yield child.field
        else:
            yield from _of_group(child)
