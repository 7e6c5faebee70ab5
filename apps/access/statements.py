"""The statements of every request, by hand: building them through the ORM costs more than running them.

Row-level security shows the bound tenant's rows only. What begins with a key from outside (a session's, a token's) names
the tenant as well, as scoped managers do. Grants need not: composite keys tie a grant, its holder and its object to one
tenant; and a condition that is there twice has the planner believe that a tenant is tiny and read all of it.
``LATERAL … OFFSET 0`` keeps a look-up by key one: a hash join would read all folders of a tenant for one of them.
Tests compare every one of them with what the ORM and guardian answer, and read their plans. See ADR 14.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from django.db.models.expressions import RawSQL

from apps.access.rules import PermissionRule
from apps.accounts.models import User, UserSession

UNION = "\nUNION ALL\n"
NAMED = re.compile(r"%\((\w+)\)s")
PERSON_FIELDS = tuple(field.attname for field in User._meta.concrete_fields)
PERSON = ", ".join(f'u."{field.column}"' for field in User._meta.concrete_fields)
SESSION_FIELDS = tuple(field.attname for field in UserSession._meta.concrete_fields)
SESSION_ROW = ", ".join(f's."{field.column}"' for field in UserSession._meta.concrete_fields)

ATTRIBUTES = """
  (SELECT json_agg(json_build_array(d.name, d.type, d.is_list, a.values, a.source))
     FROM accounts_userattribute a CROSS JOIN LATERAL (
       SELECT d.name, d.type, d.is_list FROM accounts_attributedefinition d WHERE d.id = a.definition_id OFFSET 0) d
    WHERE a.user_id = u.id)"""
MINE = "(SELECT DISTINCT m.group_id FROM accounts_groupmembership m WHERE m.user_id = u.id)"
"""the groups of a person, each once: every source of a membership has a row of its own"""
GIVEN = f"""
  (SELECT json_agg(json_build_array(d.name, d.type, d.is_list, a.values, g.name))
     FROM {MINE} m JOIN accounts_groupattribute a ON a.group_id = m.group_id
     JOIN accounts_usergroup g ON g.id = m.group_id CROSS JOIN LATERAL (
       SELECT d.name, d.type, d.is_list FROM accounts_attributedefinition d WHERE d.id = a.definition_id OFFSET 0) d)"""
GROUPS = f"""
  (SELECT json_agg(json_build_array(g.id, g.name))
     FROM {MINE} m JOIN accounts_usergroup g ON g.id = m.group_id)"""
ROLES = """
  (SELECT json_agg(json_build_array(r.is_base, r.built_in,
       (SELECT o.capabilities FROM access_role o WHERE o.id = r.role_id))) FROM (
      SELECT true AS is_base, e.built_in, e.role_id FROM access_roleassignment e
       WHERE e.tenant_id = u.tenant_id AND e.user_id IS NULL AND e.group_id IS NULL
      UNION ALL
      SELECT false, e.built_in, e.role_id FROM access_roleassignment e WHERE e.user_id = u.id
      UNION ALL
      SELECT false, e.built_in, e.role_id
        FROM accounts_groupmembership m JOIN access_roleassignment e ON e.group_id = m.group_id
       WHERE m.user_id = u.id
    ) r)"""
RIGHTS = f"{ATTRIBUTES},{GIVEN},{GROUPS},{ROLES}"
"""what a person ``u`` holds: own attributes, those of groups, groups, roles; each column NULL for nothing"""

SESSION = f"""
SELECT {SESSION_ROW}, u.id IS NOT NULL, {PERSON}, {RIGHTS}
  FROM "accounts_usersession" s
  LEFT JOIN accounts_user u
    ON u.id = s.user_id AND u.tenant_id = s.tenant_id AND u.is_active AND u.kind = '{User.Kind.PERSON.value}'
 WHERE s.digest = %(digest)s AND s.tenant_id = %(tenant)s AND s.expire_date > %(now)s
   AND COALESCE((SELECT i.is_enabled FROM accounts_identityprovider i WHERE i.id = s.provider_id), s.provider_id IS NULL)
"""
"""a browser session that has not expired and whose provider is switched on, its active person, and what the person holds"""

ADMITTED = """u.is_active AND (u.owner_id IS NULL
       OR EXISTS (SELECT FROM accounts_user o WHERE o.id = u.owner_id AND o.tenant_id = u.tenant_id AND o.is_active))"""
"""that somebody ``u`` may act: a person who is active, or a service account for which an active person answers"""

TOKEN = f"""
SELECT t.id, t.last_used_at, t.scope, {PERSON}, {RIGHTS}
  FROM accounts_apitoken t JOIN accounts_user u ON u.id = t.user_id AND u.tenant_id = t.tenant_id AND {ADMITTED}
 WHERE t.digest = %(digest)s AND t.tenant_id = %(tenant)s AND t.revoked_at IS NULL AND t.expires_at > %(now)s
"""
"""a token that is valid, its active person, and what the person holds"""

TOKEN_OF = f"""
SELECT t.id, t.last_used_at, t.scope, {PERSON}, {RIGHTS}
  FROM accounts_apitoken t JOIN accounts_user u ON u.id = t.user_id AND u.tenant_id = t.tenant_id AND {ADMITTED}
 WHERE t.id = %(token)s AND t.user_id = %(person)s AND t.tenant_id = %(tenant)s
   AND t.revoked_at IS NULL AND t.expires_at > %(now)s
"""
"""as :data:`TOKEN`, for a task: by the token's id and whose it was"""

ACTIVE = f"""
SELECT {PERSON}, {RIGHTS} FROM accounts_user u WHERE u.id = %(person)s AND u.tenant_id = %(tenant)s AND {ADMITTED}
"""
"""a person who is still active, and what the person holds"""

PEOPLE = f"""
SELECT u.id, {RIGHTS} FROM accounts_user u WHERE u.tenant_id = %(tenant)s AND u.id = ANY(%(people)s::uuid[])
"""
"""what each of these people holds"""


@dataclass(frozen=True, slots=True)
class Counting:
    """A rule with the keys of the permissions that count: on the object, and on what it lies in.

    The keys stand in the text of statements, since they never change and the server plans better for values it knows.
    """

    rule: PermissionRule
    own: tuple[int, ...]
    above: tuple[int, ...] = ()


@cache
def ways_sql(counting: Counting, *, of: Literal["one", "many", "everybody"]) -> str:
    """Return the statement of every way in which people hold a permission on objects by grants.

    One row per person, object and way: (person, object, group, group's name, container, container's name). Parameters:
    of one ``person`` and ``object``; of many ``people`` and ``objects``; of everybody ``objects``.
    """
    rule = counting.rule
    user, group = rule.user_table._meta.db_table, rule.group_table._meta.db_table
    objects = "= %(object)s" if of == "one" else "= ANY(%(objects)s::uuid[])"
    whose = {
        "one": "{}.user_id = %(person)s AND ",
        "many": "{}.user_id = ANY(%(people)s::uuid[]) AND ",
        "everybody": "",
    }
    personally, as_member = whose[of].format("p"), whose[of].format("m")
    own = f"p.content_object_id {objects} AND p.permission_id = {_any(counting.own)}"
    arms = [
        f"""SELECT p.user_id, p.content_object_id, NULL::uuid, NULL, NULL::uuid, NULL
  FROM "{user}" p
 WHERE {personally}{own}""",
        f"""SELECT m.user_id, p.content_object_id, g.id, g.name, NULL::uuid, NULL
  FROM accounts_groupmembership m JOIN "{group}" p ON p.group_id = m.group_id
  JOIN accounts_usergroup g ON g.id = m.group_id
 WHERE {as_member}{own}""",
    ]
    if rule.floor is None:
        return UNION.join(arms)
    floor = rule.floor
    containers = floor.container._meta.db_table
    above = f"p.permission_id = {_any(counting.above)}"
    arms += [
        f"""SELECT p.user_id, a.object_id, NULL::uuid, NULL, a.id, a.name
  FROM above a JOIN "{floor.user_table._meta.db_table}" p ON p.content_object_id = a.id
 WHERE {personally}{above}""",
        f"""SELECT m.user_id, a.object_id, g.id, g.name, a.id, a.name
  FROM above a JOIN "{floor.group_table._meta.db_table}" p ON p.content_object_id = a.id
  JOIN accounts_groupmembership m ON m.group_id = p.group_id JOIN accounts_usergroup g ON g.id = m.group_id
 WHERE {as_member}{above}""",
    ]
    upwards = f"""WITH RECURSIVE above (object_id, id, name, parent) AS (
  SELECT o.id, f.id, f.name, f.parent FROM "{rule.model._meta.db_table}" o CROSS JOIN LATERAL (
    SELECT f.id, f.name, f."{floor.parent}" AS parent FROM "{containers}" f WHERE f.id = o."{floor.column}" OFFSET 0) f
   WHERE o.id {objects}
  UNION
  SELECT a.object_id, f.id, f.name, f.parent FROM above a CROSS JOIN LATERAL (
    SELECT f.id, f.name, f."{floor.parent}" AS parent FROM "{containers}" f WHERE f.id = a.parent OFFSET 0) f
)
"""
    return upwards + UNION.join(arms)


@cache
def holds_sql(counting: Counting, column: str) -> str:
    """Return the condition that one ``person`` was granted a permission on the object in a column, for single look-ups.

    Raises:
        TypeError: the permission can also be held through a container.
    """
    rule = counting.rule
    if rule.floor is not None:
        raise TypeError(f"{rule.codename} has a floor")
    own = f"p.content_object_id = {column} AND p.permission_id = {_any(counting.own)}"
    return f"""(EXISTS (SELECT FROM "{rule.user_table._meta.db_table}" p WHERE p.user_id = %(person)s AND {own})
   OR EXISTS (SELECT FROM "{rule.group_table._meta.db_table}" p
     JOIN accounts_groupmembership m ON m.group_id = p.group_id WHERE m.user_id = %(person)s AND {own}))"""


@cache
def granted_sql(counting: Counting) -> str:
    """Return the subquery of the objects on which one ``person`` was granted a permission, for lists."""
    return _granted(counting.rule.user_table, counting.rule.group_table, counting.own)


@cache
def below_sql(counting: Counting) -> str:
    """Return the subquery of the containers whose objects one ``person`` reaches: those granted, and all below them."""
    floor = counting.rule.floor
    if floor is None:
        raise TypeError(f"{counting.rule.codename} has no floor")
    return f"""WITH RECURSIVE below (id) AS (
  {_granted(floor.user_table, floor.group_table, counting.above)}
  UNION
  SELECT f.id FROM below b CROSS JOIN LATERAL (
    SELECT f.id FROM "{floor.container._meta.db_table}" f WHERE f."{floor.parent}" = b.id OFFSET 0) f
) SELECT id FROM below"""


@cache
def any_sql(counted: tuple[Counting, ...]) -> str:
    """Return the statement that says of each permission whether one ``person`` was granted it on anything at all.

    One row, a boolean for each. It begins with the grants: those of one person are few where the objects are many.
    """
    return "SELECT " + ",\n  ".join(_any_granted(counting) for counting in counted)


def _any_granted(counting: Counting) -> str:
    own = f"EXISTS ({granted_sql(counting)})"
    floor = counting.rule.floor
    if floor is None:
        return own
    return f"""({own} OR EXISTS (SELECT FROM ({below_sql(counting)}) b CROSS JOIN LATERAL (
    SELECT FROM "{counting.rule.model._meta.db_table}" o WHERE o."{floor.column}" = b.id OFFSET 0) o))"""


def _granted(user_table: Any, group_table: Any, keys: tuple[int, ...]) -> str:
    """Return the objects that one person was granted, personally or through a group."""
    return f"""SELECT p.content_object_id FROM "{user_table._meta.db_table}" p
 WHERE p.user_id = %(person)s AND p.permission_id = {_any(keys)}
UNION ALL
SELECT p.content_object_id
  FROM accounts_groupmembership m CROSS JOIN LATERAL (SELECT p.content_object_id FROM "{group_table._meta.db_table}" p
    WHERE p.group_id = m.group_id AND p.permission_id = {_any(keys)} OFFSET 0) p
 WHERE m.user_id = %(person)s"""


def _any(keys: tuple[int, ...]) -> str:
    return "ANY('{" + ",".join(str(int(key)) for key in keys) + "}'::int[])"


def as_subquery(sql: str, params: Mapping[str, object]) -> RawSQL:
    """Return a statement with named parameters as a part of a query of the ORM, which knows positions only."""
    return RawSQL(NAMED.sub("%s", sql), [params[name] for name in NAMED.findall(sql)])  # noqa: S611  (our own text)
