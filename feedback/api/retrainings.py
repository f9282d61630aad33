"""Retraining over HTTP: ask for a run, look at what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from feedback import retraining
from feedback.api.bodies import RETRAINING_ANSWER, RETRAININGS
from feedback.models import DatasetSnapshot, TrainingRun
from feedback.serializers import RETRAINING, training_run_body
from feedback.tasks import ring_training
from models_registry import access
from models_registry.api.base import caller, checked, known_parameters, listing, number
from models_registry.errors import Fault, Invalid, NotFound
from models_registry.numbers import whole

if TYPE_CHECKING:
    from rest_framework.request import Request

    from models_registry.models import RegisteredModel


class RetrainingList(APIView):
    """The training runs of a model, and the request for another."""

    scopes = {"get": "read", "post": "admin"}

    @extend_schema(operation_id="models_retrainings_list", summary="List training runs", responses={200: RETRAININGS})
    def get(self, request: Request, slug: str) -> Response:
        model = access.model_for(caller(request), slug, "read")
        return listing(self, request, _runs(model).order_by("-id"), training_run_body)

    @extend_schema(
        summary="Ask for a retraining",
        request={"application/json": RETRAINING},
        responses={202: RETRAINING_ANSWER},
    )
    def post(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        model = access.model_for(caller(request), slug, "admin")
        body = checked(RETRAINING, request.data)
        run = retraining.request(
            model=model,
            reason=body["reason"],
            actor=caller(request).name,
            snapshot=_snapshot(model, body.get("snapshot")),
            estimator=body.get("estimator", ""),
        )
        ring_training()
        return Response(training_run_body(run), status=202)


class RetrainingDetail(APIView):
    """One training run with the candidate's figures and gates."""

    scopes = {"get": "read"}

    @extend_schema(summary="Show a training run", responses={200: RETRAINING_ANSWER})
    def get(self, request: Request, slug: str, pk: str) -> Response:
        known_parameters(request)
        model = access.model_for(caller(request), slug, "read")
        run = _runs(model).filter(pk=number(pk)).first()
        if run is None:
            raise NotFound(f"model {slug!r} has no training run {pk}")
        return Response(training_run_body(run))


def _runs(model: RegisteredModel) -> QuerySet[TrainingRun]:
    return model.training_runs.select_related("model", "champion", "candidate").prefetch_related(
        "candidate__gate_results"
    )


def _snapshot(model: RegisteredModel, named: str | None) -> DatasetSnapshot | None:
    if named is None:
        return None
    pk = whole(named)
    found = None if pk is None else model.snapshots.filter(pk=pk).first()
    if found is None:
        raise Invalid(errors=[Fault("/snapshot", "not_found", f"model {model.slug!r} has no snapshot {named!r}")])
    return found
