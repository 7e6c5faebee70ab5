"""Who can sign in to the demo, and what their identity provider says of them."""

import json
import os
from dataclasses import dataclass, field

IDP_PORT = int(os.environ.get("OMNI_DEMO_IDP_PORT", "9400"))


@dataclass(frozen=True, slots=True)
class Person:
    """A person at the demo's identity provider; ``claims`` come on top of the standard ones."""

    email: str
    name: str
    story: str
    claims: dict[str, object] = field(default_factory=dict)
    is_admin: bool = False

    def groups(self) -> list[str]:
        return self.values("groups")

    def values(self, claim: str) -> list[str]:
        """Return the values of a claim that is a list, or nothing."""
        found = self.claims.get(claim, [])
        return [str(value) for value in found] if isinstance(found, list) else []

    def provider_claims(self) -> str:
        """Return the claims as the provider's JSON."""
        standard = {"sub": self.email, "email": self.email, "email_verified": True, "name": self.name}
        return json.dumps(standard | self.claims)


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """A tenant of the demo: its data set, its dashboard, its people."""

    slug: str
    name: str
    data_set: str
    dashboard: str
    attribute: str
    attribute_label: str
    people: tuple[Person, ...]


SKYLINE = DemoTenant(
    slug="skyline",
    name="Skyline Air Analytics",
    data_set="Flights",
    dashboard="flights",
    attribute="carrier",
    attribute_label="Carrier",
    people=(
        Person(
            "ada@skyline.example", "Ada Lindgren", "administrator; all airlines; sees costs",
            {"carrier": ["ALL"], "groups": ["Analysts", "Finance"]}, is_admin=True,
        ),
        Person("uma@skyline.example", "Uma Okafor", "only United (carrier = UA)", {"carrier": ["UA"], "groups": ["Analysts"]}),
        Person("nils@skyline.example", "Nils Berg", "no carrier set: is told so, sees no row", {"groups": ["Analysts"]}),
    ),
)  # fmt: skip
BRICKYARD = DemoTenant(
    slug="brickyard",
    name="Brickyard Supply Co.",
    data_set="Sales",
    dashboard="sales",
    attribute="region",
    attribute_label="Region",
    people=(
        Person(
            "bea@brickyard.example", "Bea Moreau", "administrator; all regions; sees margins",
            {"region": ["ALL"], "groups": ["Analysts", "Finance"]}, is_admin=True,
        ),
        Person("erik@brickyard.example", "Erik Haugen", "only Europe", {"region": ["EUROPE"], "groups": ["Analysts"]}),
        Person("nora@brickyard.example", "Nora Silva", "Asia and America", {"region": ["ASIA", "AMERICA"], "groups": ["Analysts"]}),
    ),
)  # fmt: skip
TENANTS = (SKYLINE, BRICKYARD)
STAFF = Person("sam@omni.example", "Sam Whitfield", "our support staff: asks for access, sees no data without it", {"amr": ["pwd", "mfa"]}, is_admin=True)  # fmt: skip


def everyone() -> tuple[Person, ...]:
    return (*SKYLINE.people, *BRICKYARD.people, STAFF)
