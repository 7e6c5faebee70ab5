"""PostgreSQL and Redis from wheels, for the default set-up, the demo and the tests. No Django here."""

import os
import tempfile
from pathlib import Path

# The PostgreSQL wheel keeps its lock in the user's runtime directory, which it looks up when it is imported.
_runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or Path(tempfile.gettempdir()) / f"omni-runtime-{os.getuid()}")
_runtime.mkdir(mode=0o700, exist_ok=True)
os.environ["XDG_RUNTIME_DIR"] = str(_runtime)

from apps.embedded.services import provide  # noqa: E402  (after the line above)

__all__ = ["provide"]
