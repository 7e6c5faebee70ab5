#!/usr/bin/env python
"""Run a management command; start the embedded services first when no other is configured."""

import os
import sys

from apps.embedded import provide


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omni.settings.local")
    provide(os.environ)
    from django.core.management import execute_from_command_line  # after the addresses are known

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
