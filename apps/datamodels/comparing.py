"""Compare two sets of files, line by line. Pure."""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

from apps.datamodels.types import DiffLine, FileDiff

CONTEXT = 3
MAX_LINES = 10_000


def compare_files(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[FileDiff, ...]:
    """Return the files that differ, by name, with three lines around each change.

    The lines of a file with more than 10,000 lines on either side are not compared: it would take too long.
    """
    return tuple(
        _compare(path, before.get(path), after.get(path))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    )


def _compare(path: str, before: str | None, after: str | None) -> FileDiff:
    kind = "added" if before is None else "removed" if after is None else "changed"
    old, new = (before or "").splitlines(), (after or "").splitlines()
    if max(len(old), len(new)) > MAX_LINES:
        return FileDiff(path, kind, is_too_large=True)  # type: ignore[arg-type]  # one of the words
    lines = tuple(_lines(old, new))
    counts = {sign: sum(line.kind == sign for line in lines) for sign in ("added", "removed")}
    return FileDiff(path, kind, lines, counts["added"], counts["removed"])  # type: ignore[arg-type]  # one of the words


def _lines(old: list[str], new: list[str]) -> Iterator[DiffLine]:
    end = 0
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT):
        if group[0][1] > end:
            yield DiffLine("gap", "")
        end = group[-1][2]
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                for place in range(old_to - old_from):
                    yield DiffLine("same", old[old_from + place], old_from + place + 1, new_from + place + 1)
                continue
            for place in range(old_from, old_to):
                yield DiffLine("removed", old[place], old=place + 1)
            for place in range(new_from, new_to):
                yield DiffLine("added", new[place], new=place + 1)
    if end < len(old) and end:
        yield DiffLine("gap", "")


def as_text(diffs: tuple[FileDiff, ...]) -> str:
    """Return the comparison as unified lines for a terminal."""
    parts = []
    for diff in diffs:
        parts.append(f"{diff.kind} {diff.path}")
        parts += [f"  {line.sign}{line.text}" for line in diff.lines]
        if diff.is_too_large:
            parts.append("  too large to compare")
    return "\n".join(parts)
