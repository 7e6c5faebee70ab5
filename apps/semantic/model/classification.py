"""Classification: what the model file says of access to fields by their label, and the label that a view gives its fields."""

from dataclasses import replace

from sqlglot import exp

from apps.semantic.model.context import Context
from apps.semantic.model.grants import joined_rule
from apps.semantic.model.masks import read_mask
from apps.semantic.model.parameters import add, submap
from apps.semantic.model.rules import read_rule
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import LABELS, Classification, Dimension, LabelAccess, Mask, Measure, View
from apps.semantic.model.yaml_nodes import Node

NAME = "classification_access"
PARAMETERS = ("required_access_grants", "mask_unless_access_grants", "mask")
HIDING = ("null", "redact")
"""masks that show nothing of a value"""
OF_ANY_TYPE = ("hash", "keep_last", *HIDING)


def read_classification_access(header: Node, context: Context) -> dict[str, LabelAccess]:
    """Return ``classification_access``: by label, the rules that hold for every field that bears it, beside its own.

    What cannot be understood is a fault: a misspelt rule of access would open what it was to close.
    """
    problems = context.problems
    found: dict[str, LabelAccess] = {}
    given = header.map().get(NAME)
    if given is not None and not given.value:
        add(problems, given, f"“{NAME}” is empty: name what its labels ask for, or leave it out")
    for name, item in submap(header, NAME, problems).items():
        if name == "unclassified":
            add(problems, item, "unclassified fields are open to nobody; a rule cannot open them")
            continue
        if name not in LABELS:
            add(problems, item, f"there is no classification “{name}”.{did_you_mean(name, LABELS)}")
            continue
        for other in item.map().keys() - set(PARAMETERS):
            hint = did_you_mean(other, PARAMETERS)
            add(problems, item.map()[other], f"“{other}” is not a parameter of {NAME}.{hint}")
        if not item.map().keys() & {"required_access_grants", "mask_unless_access_grants"}:
            add(problems, item, f"“{name}” names no grants: required_access_grants, mask_unless_access_grants, or both")
        found[name] = LabelAccess(
            name, item.source,
            required_access_grants=read_rule(item, "required_access_grants", problems),
            mask_unless_access_grants=read_rule(item, "mask_unless_access_grants", problems),
            mask=_mask(item, context),
        )  # fmt: skip
    return found


def _mask(item: Node, context: Context) -> Mask:
    mask = read_mask(item, context)
    if "mask" in item.map() and "mask_unless_access_grants" not in item.map():
        add(context.problems, item.map()["mask"], "“mask” does nothing without mask_unless_access_grants")
    if mask.kind not in OF_ANY_TYPE:
        message = "the mask of a label is hash, redact, null or {keep_last: 4}: fields of every type may bear it"
        add(context.problems, item.map()["mask"], message)
    return mask


def labelled(view: View, node: Node, context: Context) -> View:
    """Return the view with its own label on each field that has none, and the masks of labels on its dimensions."""
    written = node.map().get("dimensions", node).map()
    dimensions = {
        name: labelled_dimension(item, view.classification, context, written.get(name))
        for name, item in view.dimensions.items()
    }
    measures = {name: _labelled_measure(item, view, context) for name, item in view.measures.items()}
    return replace(view, dimensions=dimensions, measures=measures)


def labelled_dimension(
    item: Dimension, default: Classification, context: Context, written: Node | None = None
) -> Dimension:
    """Return a dimension with its label, else the default, and with that label's mask beside its own."""
    item = replace(item, classification=item.classification or default)
    parts = written.map() if written is not None else {}
    access = context.labels.get(item.classification)
    rule = access.mask_unless_access_grants if access is not None else None
    if access is None or rule is None:
        if "mask" in parts and "mask_unless_access_grants" not in parts:
            context.fault(
                parts["mask"], "“mask” masks nothing without mask_unless_access_grants: say whose grants lift it"
            )
        return item
    own = item.mask_unless_access_grants
    mask = access.mask if own is None and "mask" not in parts else _shows_less(item.mask, access.mask)
    if mask is None and written is not None:
        label = item.classification
        context.fault(
            parts.get("mask", written),
            f"“{item.id}” has one mask and its classification “{label}” another, and neither hides the whole value:"
            " give it the mask of its classification, redact, or null",
        )
    return replace(
        item, mask=mask or Mask("null"), mask_unless_access_grants=joined_rule([own, rule] if own else [rule])
    )


def _shows_less(one: Mask, other: Mask) -> Mask | None:
    """Return the mask that certainly shows no more than the other; None where nobody can say."""
    if one == other or one.kind in HIDING:
        return one
    return other if other.kind in HIDING else None


def _labelled_measure(item: Measure, view: View, context: Context) -> Measure:
    """Return a measure with its label. It has no mask: one that a label masks is closed instead.

    By the label of its view it is only where it reads a column that no dimension of the view is, or reads in clear: else
    masks of what it rests on follow into it.
    """
    label = item.classification or view.classification
    access = context.labels.get(label)
    is_masked = access is not None and access.mask_unless_access_grants is not None
    return replace(
        item, classification=label,
        is_closed_by_label=is_masked and (bool(item.classification) or not _follows(item, view)),
    )  # fmt: skip


def _follows(item: Measure, view: View) -> bool:
    if item.reads_in_clear:
        return False
    described = {other.sql.name.lower() for other in view.dimensions.values() if isinstance(other.sql, exp.Column)}
    trees = (*([item.sql] if item.sql is not None else []), *item.distinct_on)
    return all(node.name.lower() in described for tree in trees for node in tree.find_all(exp.Column))
