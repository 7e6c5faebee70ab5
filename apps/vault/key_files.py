"""Files that hold keys: written whole or not at all, readable by whom they are for."""

import os
import secrets
from pathlib import Path

PRIVATE_MODE, PUBLIC_MODE = 0o600, 0o644


def write_key_file(path: Path, text: str, mode: int) -> None:
    """Put a file in its place, on the disk before it is seen."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
