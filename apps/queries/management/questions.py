"""Questions in files, as the commands read them."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError


def read_question(path: Path) -> dict[str, Any]:
    """Return the query in a file.

    Raises:
        CommandError: it cannot be read, or is not one query.
    """
    try:
        question = json.loads(path.read_text())
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise CommandError(f"{path} is not JSON: {error}") from None
    if not isinstance(question, dict):
        raise CommandError(f"{path} must hold one query")
    return question
