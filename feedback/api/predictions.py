"""GET /predictions/ and /predictions/{id}/: predictions together with their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Prefetch
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from feedback.api.bodies import PREDICTION_ANSWER, PREDICTIONS
from feedback.models import Label
from feedback.serializers import label_body
from models_registry import access
from models_registry.api.base import caller, known_parameters, listing, number
from models_registry.errors import Fault, Invalid, NotFound
from review.api import predictions as ingest_api
from review.models import CaseView, Prediction
from review.serializers import described, prediction_body
from review.sightings import looked_at, opened
from review.veil import Veil, of_status, veil, without_gold

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

FILTERS = ("model", "external_id", "entity_id", "status")


class PredictionList(ingest_api.PredictionList):
    """The predictions one may see, newest first; POST stores another."""

    scopes = {**ingest_api.PredictionList.scopes, "get": "read"}

    @extend_schema(
        operation_id="predictions_list",
        summary="List or find predictions",
        parameters=[OpenApiParameter(name, str) for name in FILTERS],
        responses={200: PREDICTIONS},
    )
    def get(self, request: Request) -> Response:
        known_parameters(request, *FILTERS, "cursor", "page_size")
        given = {name: request.query_params[name] for name in FILTERS if name in request.query_params}
        if faults := [Fault(f"/{name}", "invalid_text", "no id has NUL") for name in given if "\0" in given[name]]:
            raise Invalid("a parameter is not text", code="invalid_parameter", errors=faults)
        rows = Prediction.objects.filter(model__in=caller(request).models("read"))
        if "model" in given:
            rows = Prediction.objects.filter(model=access.model_for(caller(request), given.pop("model"), "read"))
        if given.get("status", "received") not in Prediction.Status.values:
            fault = Fault("/status", "not_allowed", f"choose one of {', '.join(Prediction.Status.values)}")
            raise Invalid(fault.message, code="invalid_parameter", errors=[fault])
        principal = caller(request)
        status = given.pop("status", None)
        rows = rows.filter(**given)
        if not {"external_id", "entity_id"} & set(given):
            rows = without_gold(rows, principal)
            rows = rows if status is None else rows.filter(status=status)
        elif status is not None:
            rows = of_status(rows, status, principal)
        veils = dict[int, Veil]()
        return listing(
            self,
            request,
            with_labels(rows, principal),
            lambda row: represented(row, principal, veils[row.pk]),
            *FILTERS,
            prepare=lambda page: veils.update(looked_at(page, principal, CaseView.Where.API)),
        )

    def represent(self, prediction: Prediction, viewer: access.Principal) -> dict[str, Any]:
        return current(prediction, viewer)


class PredictionDetail(APIView):
    """One prediction: what was sent, how it was routed, what people and the world said, what to do now."""

    scopes = {"get": "read"}

    @extend_schema(summary="Show a prediction", responses={200: PREDICTION_ANSWER})
    def get(self, request: Request, pk: str) -> Response:
        known_parameters(request)
        principal = caller(request)
        seen = Prediction.objects.filter(model__in=principal.models("read"), pk=number(pk))
        found = with_labels(seen, principal).first()
        if found is None:
            raise NotFound("there is no such prediction")
        return Response(represented(found, principal, opened(found, principal, CaseView.Where.API)))


class PredictionWithdrawal(ingest_api.PredictionWithdrawal):
    """Withdraw a prediction; the answer shows its labels too."""

    def represent(self, prediction: Prediction, viewer: access.Principal) -> dict[str, Any]:
        return current(prediction, viewer)


def with_labels(rows: QuerySet[Prediction], viewer: access.Principal) -> QuerySet[Prediction]:
    """The rows with all that the answer shows, labels that stand included."""
    standing = Label.objects.filter(retired_at__isnull=True).select_related("definition").order_by("id")
    return described(rows, viewer).prefetch_related(Prefetch("labels", queryset=standing))


def represented(prediction: Prediction, viewer: access.Principal, veil: Veil) -> dict[str, Any]:
    labels = [label_body(label) for label in prediction.labels.all()]
    return prediction_body(prediction, labels=labels, veil=veil, viewer=viewer)


def current(prediction: Prediction, viewer: access.Principal) -> dict[str, Any]:
    """The prediction as it stands now, for who sent it or takes it back."""
    found = with_labels(Prediction.objects.all(), viewer).get(pk=prediction.pk)
    return represented(found, viewer, veil(viewer, found))
