"""Reviews as CSV, safe to open in a spreadsheet."""

import csv
import hashlib
import io
import re
from collections.abc import Iterable

from apps.access.reviewing import Entry

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""what a spreadsheet takes for the beginning of a formula, the full-width forms included"""
AFTER_SEPARATOR = re.compile(r"(;\s*)(?=[=+@\-\uff1d\uff0b\uff0d\uff20])")
"""where a spreadsheet that parts cells at semicolons, as those of much of Europe do, would see a formula begin"""
HEADER = ("person", "email", "kind", "object", "through", "model")


def as_csv(entries: Iterable[Entry]) -> bytes:
    """Return the entries as RFC 4180 text; a cell that a spreadsheet would take for a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for entry in entries:
        cells = (entry.person, entry.email, entry.kind, entry.object, "; ".join(entry.through), entry.condition)
        writer.writerow([as_text(cell) for cell in cells])
    return out.getvalue().encode()


def as_text(cell: str) -> str:
    """Return a cell that is text in every spreadsheet, whatever stands before the sign of a formula."""
    cell = AFTER_SEPARATOR.sub(r"\1'", cell)
    return f"'{cell}" if cell.lstrip(" \u00a0\u3000").startswith(FORMULA) else cell


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of an export: a sign-off names it."""
    return hashlib.sha256(content).hexdigest()
