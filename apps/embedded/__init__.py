"""PostgreSQL and Redis from wheels, for the default set-up, the demo and the tests. No Django here."""

import os
import tempfile

os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())  # the PostgreSQL wheel asks for one when it is imported

from apps.embedded.services import provide  # noqa: E402  (after the line above)

__all__ = ["provide"]
