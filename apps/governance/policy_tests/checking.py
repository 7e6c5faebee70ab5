"""Run the policy tests of a set of files, stored or not."""

from collections.abc import Mapping
from datetime import datetime

from apps.connections.models import Connection
from apps.datamodels.attributes import known_attributes
from apps.datamodels.models import ModelVersion
from apps.datamodels.selectors import files_of
from apps.governance.blast_radius.candidates import candidate_of
from apps.governance.policy_tests.reading import model_files, read_policy_tests, test_files
from apps.governance.policy_tests.rows import RowReader
from apps.governance.policy_tests.running import Runner
from apps.governance.policy_tests.types import Failure, Outcome
from apps.semantic.model.types import SemanticModel


def run_policy_tests(
    files: Mapping[str, str],
    connection: Connection,
    *,
    now: datetime,
    meaning: SemanticModel | None = None,
    reader: RowReader | None = None,
) -> tuple[Outcome, ...]:
    """Run every policy test among the files on the model that the same files make.

    Raises:
        ModelError: the files make no model, or a test is malformed.
    """
    if not test_files(files):
        return ()
    candidate = candidate_of(model_files(files), dialect=connection.dialect, meaning=meaning)
    tests = read_policy_tests(files, candidate, known_attributes=known_attributes())
    return Runner(candidate, connection, now=now, reader=reader).run(tests)


def tests_of_version(version: ModelVersion, *, now: datetime) -> tuple[Outcome, ...]:
    """Run the tests that lie in a stored version, on its rules alone: no row is read."""
    return run_policy_tests(files_of(version), version.data_model.connection, now=now)


def sentence(outcome: Outcome, failure: Failure) -> str:
    """Say in one sentence which test fails for whom, and why."""
    return (
        f"Policy test “{outcome.test}” fails for “{outcome.person}” ({failure.place}): "
        f"{failure.expectation}: expected {failure.expected}; found {failure.actual}."
    )
