"""What a scope permits SQL to read, worked out from the model alone."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from threading import Lock

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import (
    Dimension,
    FieldFilter,
    Measure,
    QuerySource,
    Scalar,
    SemanticModel,
    Topic,
    TopicJoin,
)
from apps.semantic.scope import AccessScope, RowPolicy, rights_key
from apps.semantic.verify.asked import Asked, Asker
from apps.semantic.verify.conditions import HoleRule, filter_rule
from apps.semantic.verify.fences import Doubts
from apps.semantic.verify.groups import group_rules
from apps.semantic.verify.labels import Label
from apps.semantic.verify.places import Places
from apps.semantic.verify.ruled import compared_masks
from apps.semantic.verify.telling import telling_of
from apps.semantic.verify.trees import Expected, Rule, columns_of, folded, sameness, schema_of

KEPT = 512
GUESSING = frozenset(("duckdb", "mysql", "spark"))
"""dialects that turn texts into numbers, or into yes and no, to compare them with such a value"""
Columns = frozenset[tuple[str, str]]

_kept: OrderedDict[object, "Permit"] = OrderedDict()
_lock = Lock()


OF_OTHER_TYPES = ("truncate_date", "bucket")
"""masks that are no texts"""


class Permit:
    """One scope over one topic of a model, in one dialect.

    Attributes:
        offered: ids of the fields that may be asked for.
        telling: aggregates that give single values away and that an offered measure is made with.
        labels: by view, how far each column that may leave its table may go; names: those columns, as told apart.
        policies: by view, the trees and values that its subquery's WHERE consists of.
        topic_policies: the trees and values that the outer WHERE holds.
        always: rules of the topic that the outer WHERE holds, whoever asks.
        filters: for each of the topic's own filters, the columns that its condition reads, and the condition itself;
            of dates it says the form.
        groups: conditions of the topic on the groups of an answer.
        masks: by view, the trees of its masked dimensions; sure_masks: those that are texts of what cannot fail.
        on: by joined view, its join condition; where_sql: what holds once it is joined.
        places: what stands for its fields; tops: the rankings that the model gives them.
        compared: the rules that would compare masks.
    """

    def __init__(self, model: SemanticModel, scope: AccessScope, dialect: str, topic: Topic) -> None:
        self.model, self.scope, self.dialect, self.topic = model, scope, dialect, topic
        self.parser = Dialect.get_or_raise(dialect)
        self.offered = topic.fields & scope.fields
        self.joins: dict[str, TopicJoin] = {join.view: join for join in topic.joins}
        self.expected = Expected(model, dialect, self._parse, scope)
        self._nested: dict[str, Permit] = {}
        self._asked: dict[str, Asked] = {}
        self.compared = compared_masks(topic, model, scope)
        self.places = Places(model, scope.masked, self.expected)
        named = [item.id for view in topic.views for item in model.views[view].dimensions.values()]
        self.tops = [top for name in named if (top := self.places.top(name)) is not None]
        self._permit_rules(topic)
        self._label(topic)

    def nested(self, topic_name: str) -> "Permit":
        """Return the permit of a topic that a query view rests on."""
        found = self._nested.get(topic_name)
        scope = self.scope.nested.get(topic_name)
        if found is None:
            model = self.model.of_topic(topic_name)
            topic = model.topics.get(topic_name)
            if scope is None or topic is None or scope.topic != topic_name:
                raise UnprovenSqlError("A query view rests on a topic that the scope does not open.")
            found = self._nested[topic_name] = Permit(model, scope, self.dialect, topic)
        return found

    def asked(self, view: str, source: QuerySource) -> Asked:
        """Return what the question of a query view demands of its SELECT."""
        found = self._asked.get(view)
        if found is None:
            inner = self.nested(source.topic)
            asker = Asker(source, inner.model, inner.scope, inner.expected, inner.groups)
            keys = inner.keys(inner.topic)
            found = self._asked[view] = asker.asked(self.model, self.scope.masked, keys)
        return found

    def table(self, view: str) -> tuple[str, str, str]:
        """Return catalogue, schema and name of a view's table, empty where the model says nothing."""
        found = self.model.views[view]
        return found.catalog or "", schema_of(self.model, self.scope, view), found.table_name

    def policies_of(self, view: str) -> list[tuple[exp.Expr, RowPolicy]]:
        """Return the row policies of a view, whether or not the topic joins it."""
        return [self._policy(item, is_qualified=False) for item in self.scope.row_policies.get(view, ())]

    def _permit_rules(self, topic: Topic) -> None:
        scope, expected = self.scope, self.expected
        self.policies = {view: self.policies_of(view) for view in topic.views}
        self.topic_policies = [self._policy(item, is_qualified=True) for item in scope.topic_policies]
        masked = [self._dimension(name) for name in scope.masked]
        # A mask over several tables has no place inside one of them: it is not offered, so never proven.
        local = [item for item in masked if is_local(item, self.model)]
        self.masks = {view: [expected.mask(item) for item in local if item.view == view] for view in topic.views}
        texts = [item for item in local if item.mask.kind not in OF_OTHER_TYPES]
        self.text_masks = {view: [expected.mask(item) for item in texts if item.view == view] for view in topic.views}
        sure = [item for item in texts if not Doubts({}).may_fail(expected.inside(item))]
        self.sure_masks = {view: [expected.mask(item) for item in sure if item.view == view] for view in topic.views}
        self.on = {
            join.view: expected.rule(join.relationship.on_sql)
            for join in topic.joins
            if join.relationship.join_type != "cross"
        }
        self.where_sql: dict[str, Rule] = {
            join.view: expected.rule(join.relationship.where_sql)
            for join in topic.joins
            if join.relationship.where_sql is not None
        }
        self.always = [expected.rule(sql) for sql in topic.always_where]
        self.filters = [self._filter(item) for item in topic.always_where_filters]
        self.groups = group_rules(topic, self.model, expected)

    def _filter(self, item: FieldFilter) -> tuple[Columns, HoleRule]:
        dimension = self._dimension(item.field)
        columns = self._raw_columns([dimension])
        return columns, filter_rule(item, dimension, columns, self.expected)

    def _label(self, topic: Topic) -> None:
        ruled = [self._dimension(item.field) for item in self.scope.topic_policies]
        rules = [*self.on.values(), *self.where_sql.values(), *self.always]
        named = {(node.table, node.name) for rule in rules for node in rule.tree.find_all(exp.Column)}
        rule_columns = self._raw_columns(ruled).union(named, *(columns for columns, _ in self.filters))
        labels: dict[str, dict[str, Label]] = {view: {} for view in topic.views}
        counted, opened = self._field_columns(topic)
        graded = (
            (rule_columns, Label.RULE), (self.keys(topic), Label.KEY), (counted, Label.COUNTED), (opened, Label.OPEN),
        )  # fmt: skip
        for columns, label in graded:
            for view, column in columns:
                if view in labels:
                    labels[view][column] = label
        # A column is as free as it is by the freest of its spellings.
        for columns_of_view in labels.values():
            freest: dict[str, Label] = {}
            for column, label in columns_of_view.items():
                same = sameness(column, self.dialect)
                freest[same] = min(label, freest.get(same, label))
            columns_of_view.update({column: freest[sameness(column, self.dialect)] for column in columns_of_view})
        self.labels = labels
        self.names = {
            view: frozenset(sameness(column, self.dialect) for column in columns) for view, columns in labels.items()
        }

    def _field_columns(self, topic: Topic) -> tuple[Columns, Columns]:
        """Return the columns that may only be aggregated, and those that may stand anywhere."""
        fields = [self.model.dimension(name) or self.model.measure(name) for name in self.offered]
        dimensions = [field for field in fields if isinstance(field, Dimension)]
        details = [field for field in dimensions if field.level_of_detail is not None]
        plain = [field for field in dimensions if field.level_of_detail is None]
        measures: list[Dimension | Measure] = [field for field in fields if isinstance(field, Measure)]
        having = [self.model.measure(name) for name in self._grouped(topic)]
        measures += [item for item in having if item is not None]
        ranked = [self.model.measure(field.top_n.by) for field in plain if field.top_n is not None]
        measures += [item for item in ranked if item is not None]
        counted = self._columns([*measures, *details])
        self.telling = telling_of([*measures, *details], self.model)
        grains = [
            self._dimension(name)
            for field in (*details, *measures)
            if field.level_of_detail is not None
            for name in field.level_of_detail.grain
        ]
        sorted_by = [self._dimension(item.order_by_field) for item in plain if item.order_by_field in self.offered]
        return counted, self._columns([*plain, *grains, *sorted_by])

    def _grouped(self, topic: Topic) -> list[str]:
        written = [node.name for sql in topic.always_having for node in sql.find_all(exp.Placeholder)]
        return [item.field for item in topic.always_having_filters] + written

    def keys(self, topic: Topic) -> Columns:
        """Return the primary keys of the topic's views: rows are told apart by them."""
        found: set[tuple[str, str]] = set()
        for name in topic.views:
            view = self.model.views[name]
            keys = [item for item in view.dimensions.values() if item.is_primary_key]
            found |= self._raw_columns(keys)
            for tree in view.primary_key:
                found |= {(name, folded(node, self.dialect)) for node in tree.find_all(exp.Column)}
                found |= self._raw_columns([self._dimension(node.name) for node in tree.find_all(exp.Placeholder)])
        return frozenset(found)

    def _columns(self, fields: Iterable[Dimension | Measure]) -> Columns:
        found = (columns_of(field, self.model, self.scope.masked, self.dialect) for field in fields)
        return frozenset(column for columns in found for column in columns)

    def _raw_columns(self, fields: Iterable[Dimension]) -> Columns:
        found = (columns_of(field, self.model, frozenset(), self.dialect) for field in fields)
        return frozenset(column for columns in found for column in columns)

    def _policy(self, policy: RowPolicy, *, is_qualified: bool) -> tuple[exp.Expr, RowPolicy]:
        """Return what a row policy compares, and the policy with its values as they must be bound."""
        dimension = self._dimension(policy.field)
        is_spelt = (
            dimension.type == "unknown"
            and self.dialect in GUESSING
            and not all(isinstance(value, str) for value in policy.values)
        )
        if is_spelt:
            policy = replace(policy, values=tuple(_spelt(value, self.dialect) for value in policy.values))
        is_text = dimension.type in ("string", "unknown") and any(isinstance(value, str) for value in policy.values)
        tree = self.expected.ruled(dimension, is_qualified=is_qualified, is_text=is_text, is_spelt=is_spelt)
        return tree, policy

    def _dimension(self, name: str) -> Dimension:
        found = self.model.dimension(name.partition("[")[0])
        if found is None:
            raise UnprovenSqlError(f"The scope has a rule on {name}, which the model does not have.")
        return found

    def _parse(self, text: str) -> exp.Expr:
        found = self.parser.parse(text)[0]
        if found is None:
            raise UnprovenSqlError("A rule of the scope has no expression.")
        return found


def permit_of(model: SemanticModel, scope: AccessScope, dialect: str) -> Permit:
    """Return the permit of a scope; equal scopes over one model share it. The fingerprint is not trusted for this."""
    key = scope_key(model, scope, dialect)
    permit = _kept.get(key)
    own = model.of_topic(scope.topic)
    if permit is not None and permit.model is own:
        return permit
    topic = own.topics.get(scope.topic)
    if topic is None:
        raise UnprovenSqlError("The scope is for a data set that the model does not have.")
    permit = Permit(own, scope, dialect, topic)
    with _lock:
        _kept[key] = permit
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return permit


def scope_key(model: SemanticModel, scope: AccessScope, dialect: str) -> tuple[object, ...]:
    """Return what makes two scopes permit the same SQL; whoever keeps something under it keeps the scope."""
    return id(model), dialect, *rights_key(scope)


def _spelt(value: Scalar, dialect: str) -> str:
    """Return a value as the text that a column of unknown type is compared with."""
    if isinstance(value, bool) and dialect == "duckdb":
        return "true" if value else "false"
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UnprovenSqlError("A row policy compares a value with a column that may spell it in another way.")
    return str(value)


def is_local(dimension: Dimension, model: SemanticModel) -> bool:
    """Say whether a dimension reads nothing but its own table."""
    for node in dimension.sql.find_all(exp.Placeholder):
        found = model.dimension(node.name.partition("[")[0])
        if found is None or found.view != dimension.view or not is_local(found, model):
            return False
    return True
