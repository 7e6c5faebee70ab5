"""An independent proof that finished SQL stays inside an access scope; shares no code with the compiler."""

from apps.semantic.verify.proof import verify

__all__ = ["verify"]
