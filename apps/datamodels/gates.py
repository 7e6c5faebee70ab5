"""What must agree before a version is published. Apps above register their gates; every road to publishing runs all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from apps.audit.types import AuditActor
from apps.datamodels.models import ModelVersion
from apps.semantic.model.types import SemanticModel


@dataclass(frozen=True, slots=True)
class Publication:
    """A version on its way to being the current one."""

    version: ModelVersion
    meaning: SemanticModel
    by: AuditActor
    now: datetime


class Gate(Protocol):
    """Returns what stands against a publication, one sentence each; nothing lets it pass."""

    def __call__(self, publication: Publication, /) -> tuple[str, ...]: ...


_gates: dict[str, Gate] = {}


def register_gate(name: str) -> Callable[[Gate], Gate]:
    """Add a gate under a name; a second one of that name takes its place."""

    def add(gate: Gate) -> Gate:
        _gates[name] = gate
        return gate

    return add


def gate_names() -> tuple[str, ...]:
    """Return the names of all gates."""
    return tuple(_gates)


def objections(publication: Publication) -> tuple[str, ...]:
    """Return what all gates say against a publication."""
    return tuple(text for gate in _gates.values() for text in gate(publication))
