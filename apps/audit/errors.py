"""Errors of the audit log."""


class AuditError(RuntimeError):
    """An event cannot be written as it is; what it belongs to must not happen."""
