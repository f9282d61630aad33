from __future__ import annotations

import sys
import time
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser

from feedback import retraining
from feedback.models import DatasetSnapshot, TrainingRun
from feedback.serializers import training_run_body
from models_registry.errors import ReviewHubError
from models_registry.models import RegisteredModel
from models_registry.training.pipelines import ESTIMATORS

ACTOR = "command:retrain"
POLL_SECONDS = 1.0


class Command(BaseCommand):
    help = "Trains a challenger on the model's labels, compares it with the champion and shows its gates."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--model", required=True, metavar="SLUG")
        parser.add_argument("--reason", required=True, help="why; stands in the audit ledger")
        parser.add_argument("--snapshot", type=int, help="train on this snapshot instead of a new one")
        parser.add_argument("--estimator", choices=ESTIMATORS, default="", help="default: the champion's own pipeline")
        parser.add_argument("--dry-run", action="store_true", help="say what would be trained and change nothing")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON document")

    def handle(self, *, as_json: bool, dry_run: bool, **options: Any) -> None:
        model = RegisteredModel.objects.select_related("champion").filter(slug=options["model"]).first()
        if model is None:
            raise CommandError(f"there is no model {options['model']!r}")
        snapshot = DatasetSnapshot.objects.filter(pk=options["snapshot"], model=model).first()
        if snapshot is None and options["snapshot"] is not None:
            raise CommandError(f"model {model.slug!r} has no snapshot {options['snapshot']}")
        asked = {"reason": options["reason"], "estimator": options["estimator"], "snapshot": snapshot}
        try:
            if dry_run:
                body = self._plan(model, **asked)
            else:
                run = retraining.request(model=model, actor=ACTOR, **asked)
                self.stderr.write(f"training run {run.pk} of {model.slug}")
                body = training_run_body(self._finished(run.pk))
        except ReviewHubError as error:
            raise CommandError("; ".join([error.detail, *(fault.message for fault in error.errors)])) from None
        if as_json:
            self.stdout.write(msgspec.json.encode(body).decode())
        else:
            self._show(body)
        if body["status"] == TrainingRun.Status.FAILED:
            sys.exit(1)

    def _finished(self, run_id: int) -> TrainingRun:
        run = retraining.run(run_id=run_id)
        while run.finished_at is None:
            # A worker was quicker to take it.
            time.sleep(POLL_SECONDS)
            run = retraining.run(run_id=run_id)
        return run

    def _plan(self, model: RegisteredModel, **asked: Any) -> dict[str, Any]:
        champion = retraining.champion_to_beat(model=model, **asked)
        labels = model.labels.filter(retired_at__isnull=True).count()
        snapshot = None if asked["snapshot"] is None else str(asked["snapshot"].pk)
        return {
            "status": "dry_run",
            "model": model.slug,
            "champion": champion.version,
            "estimator": asked["estimator"] or None,
            "snapshot": snapshot,
            "labels": labels,
        }

    def _show(self, body: dict[str, Any]) -> None:
        for name in ("status", "failure", "champion", "candidate", "estimator", "snapshot", "labels"):
            if body.get(name) is not None:
                self.stdout.write(f"{name:10} {body[name]}")
        for gate in body.get("gates", []):
            self.stdout.write(f"gate       {gate['gate']}: {gate['verdict']}: {gate['reason']}")
