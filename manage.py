#!/usr/bin/env python
"""Runs ReviewHub's commands, on embedded services unless DATABASE_URL and REDIS_URL name others."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewhub.settings")
    from reviewhub import embedded

    try:
        embedded.ensure()
    except embedded.ServiceError as error:
        sys.exit(f"reviewhub: {error}")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
