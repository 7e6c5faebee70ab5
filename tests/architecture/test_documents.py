"""Links in the documents lead somewhere."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.databases import ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def documents() -> list[str]:
    """Return the paths of all Markdown files that are part of the repository, or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted(path for path in listed.stdout.splitlines() if (Path(ROOT) / path).exists())


def relative_links(text: str) -> list[str]:
    found = (link.partition("#")[0] for link in LINK.findall(CODE.sub("", text)))
    return [link for link in found if link and "://" not in link and not link.startswith("mailto:")]


@pytest.mark.parametrize("path", documents())
def test_every_relative_link_leads_to_a_file(path: str) -> None:
    document = Path(ROOT) / path
    links = relative_links(document.read_text("utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_a_link_to_nothing_is_noticed() -> None:
    text = "[a](nowhere.md) [b](https://example.org/x) [c](#here) `[d](code.md)` ![e](img/x.png#y)"
    assert relative_links(text) == ["nowhere.md", "img/x.png"]
    assert "README.md" in documents()
