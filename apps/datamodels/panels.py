"""What apps above show on the page before a version is published, each in a panel of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.datamodels.models import ModelVersion


@dataclass(frozen=True, slots=True)
class Panel:
    """A template, and what it shows under the name ``panel``."""

    template: str
    content: Mapping[str, Any]


MakePanel = Callable[[ModelVersion], Panel | None]
_panels: dict[str, MakePanel] = {}


def register_panel(name: str) -> Callable[[MakePanel], MakePanel]:
    """Add a panel under a name; a second one of that name takes its place."""

    def add(make: MakePanel) -> MakePanel:
        _panels[name] = make
        return make

    return add


def panels_of(version: ModelVersion) -> list[Panel]:
    """Return the panels that have something to say of a version."""
    return [panel for make in _panels.values() if (panel := make(version)) is not None]
