"""GET and POST /models/{slug}/gold/: what is known to be true of past predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from feedback import gold
from feedback.api.bodies import GOLD_ANSWER, GOLD_TRUTHS
from feedback.serializers import GOLD, GOLD_BULK, GOLD_REQUEST, gold_body
from models_registry import access
from models_registry.api.base import caller, checked, known_parameters, listing
from models_registry.errors import Fault, Invalid
from review.models import Prediction
from review.veil import without_gold

if TYPE_CHECKING:
    from rest_framework.request import Request

    from models_registry.models import RegisteredModel


class GoldTruths(APIView):
    """Known cases: put among real ones they tell how reviewers err. Who reviews must not read them here."""

    scopes = {"get": "preview", "post": "preview"}

    @extend_schema(summary="List known cases", operation_id="models_gold_list", responses={200: GOLD_TRUTHS})
    def get(self, request: Request, slug: str) -> Response:
        model = access.model_for(caller(request), slug, "preview")
        rows = Prediction.objects.select_related("gold").filter(model=model, gold__isnull=False)
        if caller(request).key is None:
            # A person may be the one who is asked.
            rows = without_gold(rows, caller(request))
        asked: dict[int, gold.Asked] = {}

        def prepare(found: list[Prediction]) -> None:
            asked.update(gold.asked(model, [row.pk for row in found]))

        return listing(self, request, rows, lambda row: gold_body(row, asked[row.pk]), prepare=prepare)

    @extend_schema(
        summary="Say what is true of predictions",
        request={"application/json": GOLD_REQUEST},
        responses={200: GOLD_ANSWER},
    )
    def post(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        model = access.model_for(caller(request), slug, "preview")
        many = isinstance(request.data, dict) and "gold" in request.data
        bodies = checked(GOLD_BULK, request.data)["gold"] if many else [checked(GOLD, request.data)]
        places = [f"/gold/{number}" for number in range(len(bodies))] if many else [""]
        said = _said(bodies, places)
        found = gold.set_many(model=model, said=said, actor=caller(request).name, places=places)
        return Response({"results": _results(model, [row.pk for row in found])})


def _said(bodies: list[dict[str, Any]], places: list[str]) -> list[gold.Said]:
    """Each names its prediction once, by id or by external id; Invalid with every place that does not."""
    faults = []
    for body, place in zip(bodies, places, strict=True):
        if "external_id" in body and "prediction" in body:
            faults.append(Fault(f"{place}/prediction", "not_allowed", "name it by external_id or by prediction"))
        elif "external_id" not in body and "prediction" not in body:
            faults.append(Fault(f"{place}/external_id", "required", "name it by external_id or by prediction"))
    if faults:
        raise Invalid(errors=faults)
    return [
        gold.Said(
            body["value"],
            external_id=body.get("external_id"),
            prediction=int(body["prediction"]) if "prediction" in body else None,
            practice=body.get("practice"),
        )
        for body in bodies
    ]


def _results(model: RegisteredModel, wanted: list[int]) -> list[dict[str, Any]]:
    rows, asked = Prediction.objects.select_related("gold").in_bulk(wanted), gold.asked(model, wanted)
    return [gold_body(rows[pk], asked[pk]) for pk in wanted]
