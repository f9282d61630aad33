"""POST /predictions/, /predictions/bulk/ and /predictions/{id}/withdraw/."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from models_registry import access
from models_registry.api.base import caller, checked, known_parameters
from models_registry.errors import Fault, NotFound
from review import ingest, serializers, tasks, veil, withdrawal
from review.api.bodies import BULK_ANSWER, PREDICTION_ANSWER
from review.models import Prediction

if TYPE_CHECKING:
    from rest_framework.request import Request

    from models_registry.models import RegisteredModel

LONGEST_WAIT_SECONDS = 10.0
FIRST_LOOK_SECONDS, SLOWEST_LOOK_SECONDS = 0.005, 0.1
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,4})\"?(?=$|[,;\s])", re.IGNORECASE)
# Threads that wait serve nobody else: at most a quarter of them may.
_waiters = threading.BoundedSemaphore(max(1, settings.REVIEWHUB["WEB_THREADS"] // 4))


class PredictionView(APIView):
    """The base of all that answers with one prediction."""

    def represent(self, prediction: Prediction, viewer: access.Principal) -> dict[str, Any]:
        """The prediction as it stands now for this viewer, read afresh. An app above adds what it knows about it."""
        found = serializers.described(Prediction.objects.all(), viewer).get(pk=prediction.pk)
        return serializers.prediction_body(found, veil=veil.veil(viewer, found), viewer=viewer)


class PredictionList(PredictionView):
    scopes = {"post": "ingest"}
    max_body_bytes = settings.REVIEWHUB["MAX_PREDICTION_BYTES"]

    @extend_schema(
        summary="Send a prediction",
        description="202, and routing follows; with `Prefer: wait=2` the answer waits and is 201 once routed. "
        "The same body again is 200 with the same id, another one under its external id 409.",
        parameters=[OpenApiParameter("Prefer", str, OpenApiParameter.HEADER, description="`wait=2`: at most so long")],
        request={"application/json": serializers.PREDICTION},
        responses=dict.fromkeys((200, 201, 202), PREDICTION_ANSWER),
    )
    def post(self, request: Request) -> Response:
        known_parameters(request)
        principal = caller(request)
        body = checked(serializers.PREDICTION, request.data)
        model = access.model_for(principal, body["model"], "ingest")
        [accepted] = ingest.accept(model=model, bodies=[body], actor=principal.name)
        prediction = accepted.prediction
        if not accepted.replayed:
            tasks.ring_routing()
        waited = prediction.status == Prediction.Status.RECEIVED and _wait_until_routed(request, prediction)
        headers = {"Location": f"/api/v1/predictions/{prediction.pk}/"}
        if waited:
            headers["Preference-Applied"] = f"wait={_wait_seconds(request):.0f}"
        if accepted.replayed:
            return Response(
                self.represent(prediction, principal), 200, headers={**headers, "Idempotency-Replayed": "true"}
            )
        if waited:
            return Response(self.represent(prediction, principal), 201, headers=headers)
        body = serializers.received_body(prediction, model=model.slug, version=accepted.version)
        return Response(body, 202, headers=headers)


class PredictionBulk(APIView):
    """Store up to 1,000 predictions: all of them or none. Those that came before are counted as replayed."""

    scopes = {"post": "ingest"}

    @extend_schema(
        summary="Send a batch of predictions",
        request={"application/json": serializers.PREDICTIONS},
        responses={202: BULK_ANSWER},
    )
    def post(self, request: Request) -> Response:
        known_parameters(request)
        principal = caller(request)
        bodies = checked(serializers.PREDICTIONS, request.data)["predictions"]
        models = _models(principal, bodies)
        entries = [
            ingest.Entry(models[body["model"]], body, f"/predictions/{place}") for place, body in enumerate(bodies)
        ]
        accepted = ingest.accept_entries(entries=entries, actor=principal.name)
        replayed = sum(one.replayed for one in accepted)
        if replayed < len(accepted):
            tasks.ring_routing()
        results = [{"external_id": one.external_id, "id": str(one.id), "status": one.status} for one in accepted]
        return Response({"accepted": len(accepted) - replayed, "replayed": replayed, "results": results}, 202)


class PredictionWithdrawal(PredictionView):
    """Take a prediction back: its item is closed, and it enters no figure."""

    scopes = {"post": "ingest"}

    @extend_schema(
        summary="Withdraw a prediction",
        request={"application/json": serializers.WITHDRAWAL},
        responses={200: PREDICTION_ANSWER},
    )
    def post(self, request: Request, pk: int) -> Response:
        known_parameters(request)
        principal = caller(request)
        body = checked(serializers.WITHDRAWAL, request.data)
        prediction = Prediction.objects.filter(pk=pk, model__in=principal.models("ingest")).first()
        if prediction is None:
            raise NotFound("there is no such prediction")
        prediction = withdrawal.withdraw(prediction=prediction, reason=body["reason"], actor=principal.name)
        return Response(self.represent(prediction, principal))


def _models(principal: access.Principal, bodies: list[dict[str, Any]]) -> dict[str, RegisteredModel]:
    """The models that the bodies name; NotFound with every place that names one the caller has no part in."""
    found: dict[str, RegisteredModel] = {}
    missing: dict[str, NotFound] = {}
    for slug in {body["model"] for body in bodies}:
        try:
            found[slug] = access.model_for(principal, slug, "ingest")
        except NotFound as error:
            missing[slug] = error
    if missing:
        places = [place for place, body in enumerate(bodies) if body["model"] in missing]
        errors = [Fault(f"/predictions/{place}/model", "not_found", "there is no such model") for place in places]
        raise NotFound("a model that the batch names does not exist", errors=errors)
    return found


def _wait_seconds(request: Request) -> float:
    """The seconds of ``Prefer: wait=2`` (RFC 7240); a preference that cannot be read is no preference."""
    found = _WAIT.search(request.headers.get("Prefer", ""))
    return min(float(found.group(1)), LONGEST_WAIT_SECONDS) if found else 0.0


def _wait_until_routed(request: Request, prediction: Prediction) -> bool:
    """Look at the row until it is routed or the time is over; True when it is routed."""
    seconds = _wait_seconds(request)
    # Inside a transaction of the request the row is not visible to routing, however long one waits.
    if not seconds or connection.in_atomic_block or not _waiters.acquire(blocking=False):
        return False
    try:
        return _routed_within(prediction, seconds)
    finally:
        _waiters.release()


def _routed_within(prediction: Prediction, seconds: float) -> bool:
    pause, deadline = FIRST_LOOK_SECONDS, time.monotonic() + seconds
    received = Prediction.objects.filter(pk=prediction.pk, status=Prediction.Status.RECEIVED)
    while received.exists():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, SLOWEST_LOOK_SECONDS)
    return True
