"""What a source's user may do that Omni never needs: each right is a door that stays open if a lock of ours fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TEXTS: Mapping[str, str] = {
    "superuser": "is a superuser: it may do anything in this database server",
    "administers": "may create users or databases, or copy the whole server",
    "writes": "may change the data of {detail}",
    "creates": "may create tables or schemas in {detail}",
    "files": "may read or write files of the database server, or run programs there",
    "bypasses": "is exempt from row-level security",
    "elsewhere": "may open other databases: {detail}",
}


@dataclass(frozen=True, slots=True)
class Right:
    """One right too many; ``code`` is one of :data:`TEXTS`, ``detail`` names what it is about."""

    code: str
    detail: str = ""

    def __str__(self) -> str:
        return "The user " + TEXTS[self.code].format(detail=self.detail or "this database") + "."


def rights_of(rows: Sequence[Mapping[str, object]]) -> list[Right]:
    """Read rows of (code, detail), in the order of :data:`TEXTS`; what is not known is left out."""
    found = {str(row["code"]): str(row["detail"] or "") for row in rows}
    return [Right(code, found[code][:200]) for code in TEXTS if code in found]
