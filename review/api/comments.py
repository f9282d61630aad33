"""What people write about a prediction beside any answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from models_registry.api.base import caller, checked, known_parameters, listing
from models_registry.errors import NotFound
from review import comments
from review.api.teamwork import COMMENT_ANSWER, COMMENTS
from review.models import Comment, Prediction
from review.serializers import COMMENT, comment_body
from review.veil import veil

if TYPE_CHECKING:
    from collections.abc import Callable

    from rest_framework.request import Request

    from models_registry.access import Principal

_STEPS: dict[str, Callable[..., Comment]] = {
    "comment": comments.comment,
    "flag": comments.flag,
    "unflag": comments.unflag,
}
ABILITIES = ("read", "review")


class CommentList(APIView):
    """Comments, flags, and the notes of escalations and hand-overs, newest first.

    While your own answer is out, what others wrote comes without its text: it might tell theirs.
    Who adjudicates is told no names.
    """

    scopes = {"get": ABILITIES, "post": "review"}

    @extend_schema(operation_id="predictions_comments_list", summary="List comments", responses={200: COMMENTS})
    def get(self, request: Request, pk: int) -> Response:
        principal = caller(request)
        prediction = _prediction(principal, pk)
        veiled = veil(principal, prediction)
        rows = Comment.objects.filter(prediction=prediction)
        # What was written of a gold item before it was asked tells its age.
        rows = rows if veiled.asked_at is None else rows.filter(at__gte=veiled.asked_at)
        return listing(
            self,
            request,
            rows,
            lambda row: comment_body(row, principal.pseudonym, hidden=veiled.colleagues, nameless=veiled.names),
        )

    @extend_schema(
        summary="Comment on a prediction",
        request={"application/json": COMMENT},
        responses={201: COMMENT_ANSWER},
    )
    def post(self, request: Request, pk: int) -> Response:
        known_parameters(request)
        body = checked(COMMENT, request.data)
        principal = caller(request)
        prediction = _prediction(principal, pk)
        principal.require("review", prediction.model)
        made = _STEPS[body.get("kind", "comment")](
            prediction=prediction, principal=principal, text=body.get("text", "")
        )
        return Response({"comment": comment_body(made, principal.pseudonym)}, status=201)


def _prediction(principal: Principal, pk: int) -> Prediction:
    rows = Prediction.objects.select_related("model").filter(model__in=principal.models(ABILITIES))
    found = rows.filter(pk=pk).first() if pk < 2**63 else None
    if found is None:
        raise NotFound("there is no such prediction")
    return found
