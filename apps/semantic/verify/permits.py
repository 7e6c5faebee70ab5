"""What a scope permits SQL to read, worked out from the model alone."""

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Dimension, Measure, SemanticModel, Topic, TopicJoin, View
from apps.semantic.scope import AccessScope, RowPolicy
from apps.semantic.verify.trees import Expected, columns_of

KEPT = 512
Columns = frozenset[tuple[str, str]]

_kept: OrderedDict[object, "Permit"] = OrderedDict()
_lock = Lock()


class Permit:
    """One scope over one model, in one dialect.

    Attributes:
        offered: ids of the fields that may be asked for.
        open: ``(view, column)`` that may stand anywhere outside the tables' subqueries.
        counted: those that may stand only inside an aggregate.
        always: those that the topic's own filters may compare.
        policies: by view, the trees and values that its subquery's WHERE consists of.
        topic_policies: the trees and values that the outer WHERE holds.
        masks: by view, the trees of its masked dimensions.
        on: by joined view, the tree of its join condition.
        readable: by view, the columns that may leave its subquery raw.
    """

    def __init__(self, model: SemanticModel, scope: AccessScope, dialect: str) -> None:
        topic = model.topics.get(scope.topic)
        if topic is None:
            raise UnprovenSqlError("The scope is for a data set that the model does not have.")
        self.model, self.scope, self.dialect, self.topic = model, scope, dialect, topic
        self.parser = Dialect.get_or_raise(dialect)
        self.offered = topic.fields & scope.fields
        self.joins: dict[str, TopicJoin] = {join.view: join for join in topic.joins}
        self._expected = Expected(model, dialect, self._parse)
        self._permit_columns(topic)
        self._permit_rules(topic)

    def table(self, view: str) -> tuple[str, str, str]:
        """Return catalogue, schema and name of a view's table, empty where the model says nothing."""
        found: View = self.model.views[view]
        return found.catalog or "", found.schema or "", found.table_name

    def _permit_columns(self, topic: Topic) -> None:
        fields = [self.model.dimension(name) or self.model.measure(name) for name in self.offered]
        dimensions = [field for field in fields if isinstance(field, Dimension)]
        measures = [field for field in fields if isinstance(field, Measure)]
        self.open = self._columns(dimensions)
        self.counted = self._columns(measures) | self._columns(self._keys(topic))
        always = [self.model.dimension(item.field.partition("[")[0]) for item in topic.always_where_filters]
        self.always = self._raw_columns(always)

    def _permit_rules(self, topic: Topic) -> None:
        scope = self.scope
        self.policies = {
            view: [
                (self._policy_tree(item, is_qualified=False), item.values) for item in scope.row_policies.get(view, ())
            ]
            for view in topic.views
        }
        self.topic_policies = [
            (self._policy_tree(item, is_qualified=True), item.values) for item in scope.topic_policies
        ]
        masked = [self._dimension(name) for name in scope.masked]
        # A mask over several tables has no place inside one of them: it is not offered, so never proven.
        local = [item for item in masked if _is_local(item, self.model)]
        self.masks = {view: [self._expected.mask(item) for item in local if item.view == view] for view in topic.views}
        self.on = {join.view: self._expected.on(join.relationship.on_sql) for join in topic.joins}
        self.readable = self._readable()

    def _readable(self) -> dict[str, frozenset[str]]:
        ruled = [self._dimension(item.field) for item in self.scope.topic_policies]
        keys = {
            (node.table, node.name) for tree in self.on.values() for node in tree.find_all(exp.Column)
        }  # fmt: skip
        all_columns = self.open | self.counted | self.always | self._raw_columns(ruled) | keys
        return {view: frozenset(column for owner, column in all_columns if owner == view) for view in self.topic.views}

    def _keys(self, topic: Topic) -> list[Dimension]:
        """Return the primary keys of joined views: a plain count counts them."""
        joined = (self.model.views[join.view] for join in topic.joins)
        counted = (view for view in joined if any(item.aggregate == "count" for item in view.measures.values()))
        return [item for view in counted for item in view.dimensions.values() if item.is_primary_key]

    def _columns(self, fields: Iterable[Dimension | Measure]) -> Columns:
        found = (columns_of(field, self.model, self.scope.masked, self.dialect) for field in fields)
        return frozenset(column for columns in found for column in columns)

    def _raw_columns(self, fields: Iterable[Dimension | None]) -> Columns:
        found = (columns_of(field, self.model, frozenset(), self.dialect) for field in fields if field is not None)
        return frozenset(column for columns in found for column in columns)

    def _policy_tree(self, policy: RowPolicy, *, is_qualified: bool) -> exp.Expr:
        return self._expected.dimension(self._dimension(policy.field), is_qualified=is_qualified)

    def _dimension(self, name: str) -> Dimension:
        found = self.model.dimension(name)
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
    if permit is not None and permit.model is model:
        return permit
    permit = Permit(model, scope, dialect)
    with _lock:
        _kept[key] = permit
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return permit


def scope_key(model: SemanticModel, scope: AccessScope, dialect: str) -> tuple[object, ...]:
    """Return what makes two scopes permit the same SQL, with the types of policy values, as 1 equals True."""
    policies = tuple(
        (view, _typed(policies)) for view, policies in scope.row_policies.items()
    )  # fmt: skip
    rules = policies, _typed(scope.topic_policies)
    return id(model), dialect, scope.topic, scope.fields, scope.masked, rules, scope.max_rows


def _typed(policies: tuple[RowPolicy, ...]) -> tuple[object, ...]:
    return tuple((item.field, item.values, tuple(map(type, item.values))) for item in policies)


def _is_local(dimension: Dimension, model: SemanticModel) -> bool:
    for node in dimension.sql.find_all(exp.Placeholder):
        found = model.dimension(node.name)
        if found is None or found.view != dimension.view or not _is_local(found, model):
            return False
    return True
