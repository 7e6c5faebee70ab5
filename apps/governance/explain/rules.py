"""Grant rules and permissions, told for administrators: the rule, each grant it names, and what the grant met."""

from collections.abc import Iterable, Iterator, Mapping

from apps.access.deciding import decide
from apps.access.types import Actor
from apps.datamodels.models import Dataset
from apps.governance.deciding import GrantVerdict
from apps.governance.explain.attributes import Attributes
from apps.governance.explain.types import Because, RuleKind
from apps.governance.fields import holds
from apps.semantic.model.grants import grant_names
from apps.semantic.model.types import GrantRule, Source

MAX_SHOWN = 8


def place(source: Source) -> str:
    """Return ``file:line``."""
    return f"{source.file}:{source.line}"


def listed(values: Iterable[object]) -> str:
    """Return the first values as one text."""
    texts = [str(value) for value in values]
    return ", ".join(texts[:MAX_SHOWN]) + (" …" if len(texts) > MAX_SHOWN else "")


def permission(actor: Actor, dataset: Dataset, codename: str) -> Because:
    """Say through what the actor may query the data set, or that nothing lets them."""
    found = decide(actor, codename, dataset)
    if found.is_allowed:
        return Because("permission", f"May query the data set: {listed(found.through)}", holds=True)
    if found.is_limited:
        return Because("permission", "May not query the data set: whoever sees as this person may not", holds=False)
    groups = f", nor through {listed(sorted(actor.group_names))}" if actor.group_names else " and is in no group"
    return Because("permission", f"May not query the data set: not personally{groups}", holds=False)


def grant_rule(
    rule: GrantRule, grants: Mapping[str, GrantVerdict], attributes: Attributes, *, what: str, kind: RuleKind = "grants"
) -> Iterator[Because]:
    """Tell a rule and then each grant that it speaks of."""
    passed = frozenset(name for name, verdict in grants.items() if verdict.has_passed)
    yield Because(kind, f"{what} asks for {rule_text(rule)}", holds=holds(rule, passed), place=place(rule.source))
    for name in sorted(grant_names(rule)):
        yield _grant(name, grants.get(name), attributes)


def rule_text(rule: GrantRule) -> str:
    """Return the rule in words: every item, by one of its alternatives."""
    items = [" or ".join(" and ".join(names) for names in alternatives) for alternatives in rule.all_of]
    return "; and ".join(items)


def _grant(name: str, verdict: GrantVerdict | None, attributes: Attributes) -> Because:
    if verdict is None:
        return Because("grant", f"Grant {name} does not exist", holds=False)
    grant = verdict.grant
    used = attributes.used(grant.user_attribute)
    wanted = f"{used.label} among {listed(grant.allowed_values)}"
    met = f"has {listed(verdict.matched)}" if verdict.has_passed else f"has {used.values_text or 'no value'}"
    return Because("grant", f"Grant {name}: {wanted}; {met}", verdict.has_passed, place(grant.source), used)
