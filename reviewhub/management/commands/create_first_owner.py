from __future__ import annotations

import os
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from models_registry import access


class Command(BaseCommand):
    help = "Makes the first owner from OWNER_USERNAME and OWNER_PASSWORD where there is no user yet. Safe twice."

    def handle(self, **options: Any) -> None:
        users = get_user_model().objects
        if users.exists():
            self.stderr.write("There are users already; nothing to do.")
            return
        name, password = os.environ.get("OWNER_USERNAME", ""), os.environ.get("OWNER_PASSWORD", "")
        if not name or not password:
            raise CommandError("there is no user yet: set OWNER_USERNAME and OWNER_PASSWORD for the first owner")
        try:
            validate_password(password)
        except ValidationError as error:
            raise CommandError(f"OWNER_PASSWORD: {' '.join(error.messages)}") from error
        with transaction.atomic():
            user = access.create_user(username=name, password=password)
            user.is_superuser = True
            user.save(update_fields=["is_superuser"])
        self.stderr.write(f"Made the first owner, {name}.")
