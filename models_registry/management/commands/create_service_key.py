from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from models_registry import access
from models_registry.errors import ReviewHubError
from models_registry.models import RegisteredModel, ServiceKey


class Command(BaseCommand):
    help = "Makes a service key and prints it once; only its SHA-256 is kept. The name need not be unique."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what the key is for, for example the calling service")
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            dest="scopes",
            choices=ServiceKey.Scope.values,
            help="what it may do; may be given several times",
        )
        parser.add_argument("--model", metavar="SLUG", help="only this model; without it all present and future ones")
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        parser.add_argument("--dry-run", action="store_true", help="check the arguments and make nothing")

    def handle(self, *, name: str, scopes: list[str], **options: Any) -> None:
        model = self._model(options["model"])
        try:
            with transaction.atomic():
                key, secret = access.create_service_key(name=name, scopes=scopes, model=model, created_by="command")
                transaction.set_rollback(options["dry_run"])
        except ReviewHubError as error:
            raise CommandError("; ".join(fault.message for fault in error.errors) or error.detail) from None
        made = {"key": secret, "prefix": key.prefix, "scopes": key.scopes}
        self._answer({**made, "key": None, "prefix": None} if options["dry_run"] else made, as_json=options["json"])

    def _model(self, slug: str | None) -> RegisteredModel | None:
        if slug is None:
            return None
        model = RegisteredModel.objects.filter(slug=slug).first()
        if model is None:
            raise CommandError(f"there is no model {slug!r}")
        return model

    def _answer(self, answer: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(answer))
        elif answer["key"] is None:
            self.stderr.write(f"would make a key with scopes: {', '.join(answer['scopes'])}")
        else:
            # The key alone on stdout, so that a shell can take it.
            self.stdout.write(answer["key"])
            self.stderr.write(f"scopes: {', '.join(answer['scopes'])}; the key is shown this once, keep it now")
