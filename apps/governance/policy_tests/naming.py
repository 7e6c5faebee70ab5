"""The names that a policy test may use: those of the model it lies beside. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from apps.governance.blast_radius.candidates import Candidate, attributes_of
from apps.governance.explain.fields import asked_fields
from apps.semantic.model.types import CompositeTopic, Dimension, SemanticModel
from apps.semantic.query.types import SemanticQuery


@dataclass(frozen=True, slots=True)
class KnownNames:
    """``datasets``: ids of the fields that each offers; ``row_fields``: ids of dimensions that can limit its rows.

    ``frames``: their timeframes or intervals, by id.
    """

    datasets: Mapping[str, frozenset[str]]
    row_fields: Mapping[str, frozenset[str]]
    frames: Mapping[str, Mapping[str, tuple[str, ...]]]
    attributes: frozenset[str]

    def missing_in(self, query: SemanticQuery) -> tuple[str, ...]:
        """Return the fields of a query, or their timeframes, that its data set does not have; none where there is no such."""
        known, frames = self.datasets.get(query.dataset), self.frames.get(query.dataset, {})
        missing = dict[str, None]()
        for written in asked_fields(query) if known is not None else ():
            name, bracket, frame = written.partition("[")
            plain = name.rpartition("@")[2].partition(".")[2] if name.startswith("@") else name
            if known is not None and name not in known:
                missing[name] = None
            elif bracket and frame[:-1] not in frames.get(plain, ()):
                missing[written] = None
        return tuple(missing)


def known_names(candidate: Candidate, attributes: Iterable[str]) -> KnownNames:
    """Return what the tests of a model may name; ``attributes`` are the tenant's own."""
    model = candidate.model
    return KnownNames(
        {name: dataset.fields for name, dataset in model.datasets.items()},
        {name: frozenset(item.id for item in _dimensions(model, name)) for name in model.datasets},
        {name: {item.id: item.timeframes for item in _dimensions(model, name)} for name in model.datasets},
        attributes_of(candidate) | frozenset(attributes),
    )


def topics_of(model: SemanticModel, dataset: str) -> tuple[str, ...]:
    """Return the topics that a data set is made of: itself, or the parts of a composite."""
    found = model.datasets[dataset]
    return found.topics if isinstance(found, CompositeTopic) else (found.name,)


def _dimensions(model: SemanticModel, dataset: str) -> Iterable[Dimension]:
    for topic in topics_of(model, dataset):
        seen = model.of_topic(topic)
        for view in seen.topics[topic].views:
            yield from seen.views[view].dimensions.values()
