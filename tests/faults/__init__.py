"""Faults done to real processes of an installation of their own: PostgreSQL, Redis, web and worker."""
