"""An explanation in the public interface's form: plain values that become JSON."""

from typing import Any

from apps.governance.explain.types import AttributeUsed, Because, Explanation, FieldExplained, RowsExplained


def public(found: Explanation, *, sql: str | None) -> dict[str, Any]:
    """Return what ``POST /api/v1/explain`` answers with; ``sql`` is there for administrators only."""
    usable = [field.name for field in found.fields if field.state != "unavailable"]
    told = {
        "person": found.person,
        "dataset": found.dataset,
        "label": found.dataset_label,
        "is_allowed": found.is_allowed,
        "text": found.text,
        "model_version": found.model_version,
        "policy_fingerprint": found.fingerprint,
        "max_rows": found.max_rows,
        "limits": list(found.limits),
        "fields": usable,
        "masked_fields": list(found.masked),
        "field_verdicts": [_field(field) for field in found.fields],
        "rows": [_rows(rows) for rows in found.rows],
        "row_policies": [_policy(rows) for rows in found.rows if rows.state == "limited"],
    }
    if found.is_complete:
        told["reasons"] = [_because(because) for because in found.because]
        told["withheld_fields"] = [_field(field) for field in found.withheld]
        told["sql"] = sql
    return told


def _field(field: FieldExplained) -> dict[str, Any]:
    told: dict[str, Any] = {"name": field.name, "label": field.label, "state": field.state, "text": field.text}
    return told | {"reasons": [_because(because) for because in field.because]} if field.because else told


def _because(because: Because) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": because.kind, "text": because.text, "holds": because.holds}
    if because.place:
        told["rule"] = because.place
    if because.attribute is not None:
        told["attribute"] = _attribute(because.attribute)
    return told


def _rows(rows: RowsExplained) -> dict[str, Any]:
    told: dict[str, Any] = {"field": rows.field, "state": rows.state, "text": rows.text, "values": list(rows.values)}
    told["attribute"] = _attribute(rows.attribute)
    return told | {"rule": rows.place} if rows.place else told


def _policy(rows: RowsExplained) -> dict[str, Any]:
    told: dict[str, Any] = {"field": rows.field, "values": list(rows.values)}
    told |= {"attribute": rows.attribute.name, "source": rows.attribute.source}
    return told | {"rule": rows.place} if rows.place else told


def _attribute(used: AttributeUsed) -> dict[str, Any]:
    return {
        "name": used.name, "label": used.label, "values": list(used.values), "source": used.source,
        "origin": used.origin,
    }  # fmt: skip
