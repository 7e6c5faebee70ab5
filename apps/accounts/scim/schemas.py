"""What is served: people and groups, and a tenant's own attributes as an extension of people.

Requests are read against everything that RFC 7643 defines, because clients send what they have; what Omni does not keep
is dropped. Anything that neither RFC 7643 nor the tenant has defined is refused. Answers, filters and ``/Schemas`` know
only what is kept.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from scim2_models import (
    AnyExtension,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    EnterpriseUser,
    ETag,
    Extension,
    Filter,
    ListResponse,
    Mutability,
    Pagination,
    Patch,
    PatchOp,
    Reference,
    Required,
    Resource,
    ResourceType,
    ResponseParameters,
    Schema,
    ScimPolicy,
    ScimProvider,
    SearchRequest,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)
from scim2_models import Group as StandardGroup
from scim2_models import User as StandardUser
from scim2_models.resources.schema import Attribute
from scim2_models.resources.user import Name

from apps.accounts.models import AttributeDefinition

ATTRIBUTES = "urn:omni:params:1.0:UserAttribute"
MAX_PAGE, PAGE = 200, 100
POLICY = ScimPolicy(
    # Entra removes members by value, and replaces e-mail addresses of a type that the person does not have yet
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)
CONFIG = ServiceProviderConfig(
    patch=Patch(supported=True),
    bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
    filter=Filter(supported=True, max_results=MAX_PAGE),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=False),
    etag=ETag(supported=True),
    pagination=Pagination(
        cursor=False, index=True, default_pagination_method=Pagination.DefaultPaginationMethod.index,
        default_page_size=PAGE, max_page_size=MAX_PAGE,
    ),
    authentication_schemes=[
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken, name="SCIM token",
            description="A token that an administrator of the tenant has issued, sent as a bearer token", primary=True,
        )
    ],
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_TYPES = {
    AttributeDefinition.Type.STRING: Attribute.Type.string,
    AttributeDefinition.Type.NUMBER: Attribute.Type.decimal,
    AttributeDefinition.Type.BOOLEAN: Attribute.Type.boolean,
    AttributeDefinition.Type.DATE: Attribute.Type.string,
}
Definition = tuple[str, str, bool, str]
"""name, type, whether it is a list, description"""


class Email(ComplexAttribute):
    """An e-mail address; the primary one, else the first, is what the person is invited by."""

    value: Annotated[str | None, Required.true] = None
    display: str | None = None
    type: str | None = None
    primary: bool | None = None


class SentUser(StandardUser[AnyExtension]):
    """A person as a client may send one."""

    __schema__ = StandardUser.__schema__

    emails: list[Email] | None = None  # type: ignore[assignment]  # the library's own refuses addresses such as x@corp.local


class MembershipOf(ComplexAttribute):
    """A group that the person is in."""

    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    display: Annotated[str | None, Mutability.read_only] = None


class User(Resource[AnyExtension]):
    """A person of the tenant."""

    __schema__ = StandardUser.__schema__

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    name: Name | None = None
    display_name: str | None = None
    emails: Annotated[list[Email] | None, Required.true] = None
    active: Annotated[bool | None, Required.true] = None
    groups: Annotated[list[MembershipOf] | None, Mutability.read_only] = None


class Member(ComplexAttribute):
    """A person in the group; groups hold no groups."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference["User"] | None, Mutability.immutable] = Field(  # type: ignore[type-arg]  # a resource type's name
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])


class Group(Resource[Any]):
    """A group that is kept over SCIM."""

    __schema__ = StandardGroup.__schema__

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    members: list[Member] | None = None


class TypedExtension(Extension):
    """The tenant's attributes. JSON's types are taken as they are: true is no number and "5" is no number."""

    model_config = ConfigDict(protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_own_type(cls, value: Any, info: ValidationInfo) -> Any:
        wanted = cls.get_field_root_type(info.field_name) if info.field_name else None
        items = value if isinstance(value, list) else [value]
        if wanted is float and any(isinstance(item, bool | str) for item in items):
            raise ValueError("this attribute holds numbers")
        if wanted is bool and any(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
            raise ValueError("this attribute holds true or false")
        return value


@lru_cache(maxsize=64)
def _provider(definitions: tuple[Definition, ...]) -> ScimProvider:
    extension = _extension(definitions)
    types = [ResourceType.from_resource(User.__class_getitem__(extension)), ResourceType.from_resource(Group)]
    return ScimProvider([User, Group, extension], types, CONFIG, POLICY)


@lru_cache(maxsize=64)
def _sent(definitions: tuple[Definition, ...]) -> type[Resource[Any]]:
    extension: Any = _extension(definitions) | EnterpriseUser
    return SentUser.__class_getitem__(extension)


@lru_cache(maxsize=64)
def _extension(definitions: tuple[Definition, ...]) -> Any:
    attributes = [
        Attribute(
            name=name, type=_TYPES[AttributeDefinition.Type(kind)], multi_valued=is_list, case_exact=CaseExact.true,
            description=description or None,
            canonical_values=["2026-01-31"] if kind == AttributeDefinition.Type.DATE else None,
        )
        for name, kind, is_list, description in definitions
    ]  # fmt: skip
    schema = Schema(
        id=ATTRIBUTES, name="UserAttribute", description="The tenant's user attributes", attributes=attributes
    )
    return TypedExtension.from_schema(schema)


@dataclass(frozen=True, slots=True)
class Messages:
    """The envelopes of one model; the library builds a class for each, which costs more than most requests."""

    search: Any
    listed: Any
    patch: Any
    parameters: Any


@lru_cache(maxsize=256)
def messages_of(model: Any) -> Messages:
    """Return the envelopes of a model."""
    return Messages(SearchRequest[model], ListResponse[model], PatchOp[model], ResponseParameters[model])


class Served:
    """What the bound tenant's SCIM service is right now: its attributes are read once per request."""

    def __init__(self) -> None:
        self.definitions = {row.name: row for row in AttributeDefinition.objects.order_by("name")}
        names = [name.lower() for name in self.definitions]
        # SCIM does not tell Region from region: where both are defined, neither can be written over SCIM
        key = tuple(
            (row.name, row.type, row.is_list, row.description)
            for name, row in self.definitions.items()
            if _NAME.fullmatch(name) and names.count(name.lower()) == 1 and name.lower() != "schemas"
        )
        self._names = frozenset(name for name, *_ in key)
        self.provider = _provider(key)
        self.sent: Any = _sent(key)
        self.sent_group: Any = StandardGroup
        self.user: Any = self.provider.model_for("User")
        self.group: Any = self.provider.model_for("Group")

    def nameable(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values of those attributes that SCIM can name."""
        return {name: value for name, value in values.items() if name in self._names}

    def extension_of(self, resource: Any) -> dict[str, Any]:
        """Return what a resource says of the tenant's attributes, by name as defined; only what it says."""
        said = getattr(resource, "UserAttribute", None)
        if said is None:
            return {}
        return self.nameable(said.model_dump())
