"""Seeing as another person never gives more than both may see, unless the viewer is a full administrator. Pure."""

from dataclasses import replace

from apps.semantic.scope import AccessScope


def combined(seen: AccessScope, own: AccessScope) -> AccessScope:
    """Return what two scopes on one data set, in one version of its model, both give.

    Fields that both have; masked where either is; every row policy of both; attributes on whose values both agree,
    so that an expression which names another one is refused; the smaller cap. The fingerprint is left empty.
    """
    views = seen.row_policies.keys() | own.row_policies.keys()
    return replace(
        seen,
        fields=seen.fields & own.fields,
        masked=seen.masked | own.masked,
        row_policies={view: seen.row_policies.get(view, ()) + own.row_policies.get(view, ()) for view in sorted(views)},
        topic_policies=seen.topic_policies + own.topic_policies,
        attributes={name: values for name, values in seen.attributes.items() if own.attributes.get(name) == values},
        nested={name: combined(scope, own.nested[name]) for name, scope in seen.nested.items() if name in own.nested},
        max_rows=min(seen.max_rows, own.max_rows),
        mask_key=seen.mask_key or own.mask_key,
        fingerprint="",
    )
