"""Permanent deletion of a tenant: stop, keys, rows, traces, proof."""
