from __future__ import annotations

import sys
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser

from feedback import datasets
from feedback.models import DatasetSnapshot
from feedback.serializers import snapshot_body
from models_registry.models import RegisteredModel

ACTOR = "command:take_snapshot"


class Command(BaseCommand):
    help = "Writes the labelled rows of a model as a snapshot: Parquet parts under one content hash."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--model", required=True, metavar="SLUG")
        parser.add_argument("--dry-run", action="store_true", help="say what would be in it and change nothing")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON document")

    def handle(self, *, as_json: bool, dry_run: bool, **options: Any) -> None:
        model = RegisteredModel.objects.filter(slug=options["model"]).first()
        if model is None:
            raise CommandError(f"there is no model {options['model']!r}")
        if dry_run:
            body = self._plan(model)
        else:
            snapshot = datasets.request_snapshot(model=model, actor=ACTOR)
            self.stderr.write(f"snapshot {snapshot.pk} of {model.slug}")
            body = snapshot_body(datasets.build(snapshot_id=snapshot.pk))
        if as_json:
            self.stdout.write(msgspec.json.encode(body).decode())
        else:
            for name in ("id", "status", "failure", "sha256", "row_count"):
                if body.get(name) is not None:
                    self.stdout.write(f"{name:10} {body[name]}")
        if body["status"] == DatasetSnapshot.Status.FAILED:
            sys.exit(1)

    def _plan(self, model: RegisteredModel) -> dict[str, Any]:
        labels = model.labels.filter(retired_at__isnull=True).count()
        columns = [{"name": column.name, "type": str(column.kind)} for column in datasets.snapshot_columns(model)]
        return {"status": "dry_run", "model": model.slug, "row_count": labels, "schema": columns}
