"""What governance asks before a version is published."""

from apps.datamodels.gates import Publication, register_gate
from apps.datamodels.selectors import files_of
from apps.datamodels.services import digest_of
from apps.governance.blast_radius.asking import approval_of, needs_second_administrator
from apps.governance.blast_radius.candidates import candidate_of
from apps.governance.blast_radius.radius import blast_radius
from apps.governance.blast_radius.telling import sentence as effect_sentence
from apps.governance.policy_tests.checking import run_policy_tests, sentence
from apps.semantic.errors import ModelError

POLICY_TESTS = "policy tests"
SECOND_ADMINISTRATOR = "second administrator"
MAX_SENTENCES = 50
MAX_EFFECTS = 10
NEEDS_ANOTHER = "This widens what people get; another administrator has to approve exactly these files first."


@register_gate(POLICY_TESTS)
def policy_tests_pass(publication: Publication) -> tuple[str, ...]:
    """Object to a version whose policy tests fail or cannot be read."""
    version = publication.version
    try:
        outcomes = run_policy_tests(
            files_of(version), version.data_model.connection, now=publication.now, meaning=publication.meaning
        )
    except ModelError as error:
        return tuple(f"A policy test cannot be read: {problem}" for problem in error.problems[:MAX_SENTENCES])
    texts = [sentence(outcome, failure) for outcome in outcomes for failure in outcome.failures]
    return tuple(texts[:MAX_SENTENCES])


@register_gate(SECOND_ADMINISTRATOR)
def another_administrator_agrees(publication: Publication) -> tuple[str, ...]:
    """Object to a version that widens what anybody gets, until another administrator has approved exactly its files."""
    if not needs_second_administrator():
        return ()
    version = publication.version
    files = files_of(version)
    if approval_of(version.data_model, digest_of(files), now=publication.now) is not None:
        return ()
    candidate = candidate_of(files, dialect=version.data_model.connection.dialect, meaning=publication.meaning)
    widening = blast_radius(version.data_model, candidate, target=str(version)).widening
    if not widening:
        return ()
    more = (f"And {len(widening) - MAX_EFFECTS} more.",) if len(widening) > MAX_EFFECTS else ()
    return (NEEDS_ANOTHER, *(f"{effect_sentence(effect)}." for effect in widening[:MAX_EFFECTS]), *more)
