"""Certificates of erasure: what is signed, and whether a file is one. Pure, so that they can be checked offline."""

import json
from collections.abc import Sequence
from typing import Any

from apps.retention.errors import CertificateError
from apps.vault.signing import is_signed, sign

FORMAT = "omni erasure certificate 2"
BEFORE = "omni erasure certificate 1"
"""the same without what the tenant itself had asked for"""
PURPOSE = "erasure certificate"
PARTS = {"certificate", "signed_by", "signature"}
NAMES = {
    "format", "id", "tenant", "requested_by", "began_at", "keys_destroyed_at", "ended_at", "keys", "audit", "rows",
    "row_count", "elsewhere", "erased_before", "statement", "remains",
}  # fmt: skip
PARTS_OF = {BEFORE: NAMES, FORMAT: NAMES | {"asked_for"}}
MAX_BYTES = 1024 * 1024


def canonical(content: object) -> bytes:
    """Return the bytes that are signed: names in order, no white space, ASCII."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def signed(content: dict[str, Any]) -> str:
    """Return a certificate as it is handed out.

    Raises:
        NoSigningKeyError: this process may not sign.
    """
    key, signature = sign(PURPOSE, canonical(content))
    return json.dumps({"certificate": content, "signed_by": key, "signature": signature}, indent=1) + "\n"


def read_certificate(text: str, *, keys: Sequence[str]) -> dict[str, Any]:
    """Return what a certificate says, if one of these public keys has signed all of it.

    Raises:
        CertificateError: it is no whole certificate, was changed, or another key signed it.
    """
    found = _parsed(text)
    if (
        not isinstance(found, dict)
        or set(found) != PARTS
        or not all(isinstance(found[name], str) for name in PARTS - {"certificate"})
    ):
        raise CertificateError("this is not a whole certificate of erasure")
    content = found["certificate"]
    if not isinstance(content, dict) or PARTS_OF.get(str(content.get("format"))) != set(content):
        raise CertificateError("this is not a whole certificate of erasure")
    if found["signed_by"] not in keys:
        raise CertificateError("it is signed by a key that is not trusted here")
    if not is_signed(PURPOSE, canonical(content), signature=found["signature"], by=found["signed_by"]):
        raise CertificateError("it was changed after it was signed")
    return content


def _parsed(text: str) -> Any:
    if len(text) > MAX_BYTES:
        raise CertificateError("this is not a whole certificate of erasure")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_float=_no_number, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise CertificateError("this is not a whole certificate of erasure") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that is there twice: two readers could take different ones."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not in any certificate")
