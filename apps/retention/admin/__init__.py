"""Administrators' pages about what is kept and for how long, and about the tenant's keys."""

from apps.retention.admin import kept_answers, keys, orders

__all__ = ["kept_answers", "keys", "orders"]
