"""A client's filter → conditions on our own columns, from a fixed table; no name that a client writes becomes a look-up.

What the table cannot say (strings compared by order, parts of lists, the tenant's attributes) is decided by the library
on the finished resources, on no more than ``MAX_SCAN`` of them.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Lower
from scim2_models import Extension, InvalidFilterException, ScimFilter, TooManyException
from scim2_models.path import CompareOperator, FilterVisitor, LogicalOperator

from apps.accounts.models import GroupMembership, ScimProfile, User, UserGroup

MAX_LENGTH = 2_000
MAX_SCAN = 10_000
Comparison = Callable[[CompareOperator, Any], Q]
EQ, NE = CompareOperator.eq, CompareOperator.ne
NOBODY = Q(pk__in=())


class NotInTableError(Exception):
    """The expression has no column of its own; the finished resources decide."""


def _key(operator: CompareOperator, value: Any) -> Q:
    try:
        found = Q(pk=UUID(str(value))) if str(UUID(str(value))) == value else NOBODY
    except ValueError:
        found = NOBODY
    return _either(operator, found)


def _either(operator: CompareOperator, found: Q) -> Q:
    if operator == EQ:
        return found
    if operator == NE:
        return ~found
    raise NotInTableError


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise NotInTableError
    return value


def _user_name(operator: CompareOperator, value: Any) -> Q:
    """Compare what the client calls a person; whoever it has not named is called by their address."""
    low = Lower(Value(_text(value)))
    named = ScimProfile.objects.annotate(low=Lower("user_name")).filter(low=low).values("user")
    others = User.objects.annotate(low=Lower("email")).filter(low=low, scim_profile=None).values("pk")
    return _either(operator, Q(pk__in=named) | Q(pk__in=others))


def _external_id(operator: CompareOperator, value: Any) -> Q:
    named = ScimProfile.objects.filter(external_id=_text(value)).exclude(external_id="").values("user")
    return _either(operator, Q(pk__in=named))


def _active(operator: CompareOperator, value: Any) -> Q:
    if not isinstance(value, bool):
        raise NotInTableError
    return _either(operator, Q(is_active=value))


def _display_name(operator: CompareOperator, value: Any) -> Q:
    named = UserGroup.objects.annotate(low=Lower("name")).filter(low=Lower(Value(_text(value)))).values("pk")
    return _either(operator, Q(pk__in=named))


def _group_external_id(operator: CompareOperator, value: Any) -> Q:
    return _either(operator, Q(external_id=_text(value)) & ~Q(external_id=""))


def _member(operator: CompareOperator, value: Any) -> Q:
    members = GroupMembership.objects.filter(source=GroupMembership.Source.SCIM)
    try:
        found = members.filter(user=UUID(_text(value))).values("group")
    except ValueError:
        found = members.none().values("group")
    return _either(operator, Q(pk__in=found))


PEOPLE: dict[tuple[str, str | None], Comparison] = {
    ("id", None): _key, ("user_name", None): _user_name, ("external_id", None): _external_id, ("active", None): _active,
}  # fmt: skip
GROUPS: dict[tuple[str, str | None], Comparison] = {
    ("id", None): _key, ("display_name", None): _display_name, ("external_id", None): _group_external_id,
    ("members", "value"): _member,
}  # fmt: skip


class _Conditions(FilterVisitor[Q]):
    """Write the conditions that the table knows."""

    def __init__(self, filter_: Any, table: dict[tuple[str, str | None], Comparison]) -> None:
        self.filter = filter_
        self.table = table

    def visit_comparison(self, node: Any) -> Q:
        bound = self.filter.resolve_comparison(node.attr_path)
        if bound is None or issubclass(bound.model, Extension):
            raise NotInTableError
        compare = self.table.get((bound.field_name, bound.sub_field_name))
        if compare is None:
            raise NotInTableError
        return compare(node.op, node.value)

    def visit_present(self, node: Any) -> Q:
        raise NotInTableError

    def visit_not(self, node: Any) -> Q:
        return ~self.visit(node.expr)

    def visit_logical_expr(self, node: Any) -> Q:
        found = Q() if node.op == LogicalOperator.and_ else NOBODY
        for term in node.terms:
            found = found & self.visit(term) if node.op == LogicalOperator.and_ else found | self.visit(term)
        return found

    def visit_value_path(self, node: Any) -> Q:
        raise NotInTableError


def check_text(text: str) -> None:
    """Look at a filter before anybody reads it.

    Raises:
        InvalidFilterException: it is too long, or holds a character that the database does not know.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidFilterException(detail=f"A filter has at most {MAX_LENGTH} characters.")
    if "\x00" in text or "\\u0000" in text or "\\ud" in text.lower():
        raise InvalidFilterException(detail="The filter holds a character that cannot be kept.")


def narrowed(rows: QuerySet[Any], filter_: Any, table: dict[tuple[str, str | None], Comparison]) -> tuple[Any, bool]:
    """Return the rows that may match, and whether all of them do."""
    visitor, is_whole = _Conditions(filter_, table), True
    tree: Any = filter_.ast
    is_and = getattr(tree, "op", None) == LogicalOperator.and_
    for term in tree.terms if is_and else (tree,):
        try:
            rows = rows.filter(visitor.visit(term))
        except NotInTableError:
            is_whole = False
    return rows, is_whole


def matching(rows: QuerySet[Any], filter_: ScimFilter[Any], resource: Callable[[Any], Any]) -> list[Any]:
    """Return the rows whose finished resource matches.

    Raises:
        TooManyException: too many rows would have to be looked at one by one.
    """
    found = list(rows[: MAX_SCAN + 1])
    if len(found) > MAX_SCAN:
        raise TooManyException(
            detail="This filter would look at too many people one by one; filter by userName as well."
        )
    return [row for row in found if filter_.match(resource(row))]


def in_order(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return rows in the one order of pages: oldest first."""
    return rows.order_by(F("created_at").asc(), "pk")
