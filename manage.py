#!/usr/bin/env python
"""Run a management command; start the embedded services first when no other is configured."""

import os
import sys

from apps.embedded import provide

OFFLINE = {"verify_audit", "verify_certificate", "create_certificate_key"}
"""Commands that ask no database: for them nothing is started, and none needs to be there."""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omni.settings.local")
    if sys.argv[1:2] and sys.argv[1] in OFFLINE:
        os.environ |= {"OMNI_DATABASE_URL": "postgresql://nobody@localhost/none", "OMNI_REDIS_URL": "redis://localhost"}
    provide(os.environ)
    from django.core.management import execute_from_command_line  # after the addresses are known

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
