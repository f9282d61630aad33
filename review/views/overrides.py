"""Overrides of a model: which stand, who made them and why, and making and ending them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from models_registry.errors import ReviewHubError
from models_registry.tasks import ring_webhooks
from models_registry.views.base import model_page, principal_of, tell
from models_registry.views.base import page as answered
from review import overrides
from review.models import Override, Prediction
from review.override_forms import CaseOverrideForm, SegmentOverrideForm
from review.veil import veils

if TYPE_CHECKING:
    from typing import Any

    from django.forms import Form
    from django.http import HttpRequest, HttpResponse

    from models_registry.models import RegisteredModel

SHOWN = 50


@answered
@require_http_methods(["GET", "HEAD", "POST"])
def model_overrides(request: HttpRequest, slug: str) -> HttpResponse:
    """The list with the forms; a form that was refused comes back with what is wrong with it."""
    model, context = model_page(request, slug, "preview", "overrides")
    asked = request.POST.get("scope", "")
    posted = {name: request.POST if asked == name else None for name in ("case", "segment")}
    case = CaseOverrideForm(posted["case"], model=model, prefix="case")
    segment = SegmentOverrideForm(posted["segment"], prefix="segment")
    form: Form = case if asked == "case" else segment
    if form.is_bound and form.is_valid() and _made(request, model, case, segment):
        return redirect("overrides", slug=slug)
    rows = list(model.overrides.select_related("prediction")[:SHOWN])
    veil = veils(principal_of(request), [row.prediction for row in rows if row.prediction is not None])
    shown: list[dict[str, Any]] = [
        {
            "row": row,
            "when": json.dumps(_field_first(row.when), ensure_ascii=False),
            "hidden": row.prediction_id is not None and veil[row.prediction_id].others,
        }
        for row in rows
    ]
    standing = set(model.overrides.in_force().values_list("pk", flat=True))
    context |= {"rows": shown, "standing": standing, "case_form": case, "segment_form": segment, "most": SHOWN}
    return render(request, "review/overrides.html", context, status=422 if form.is_bound else 200)


@answered
@require_POST
def end(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Let the policy decide again."""
    model, _context = model_page(request, slug, "preview", "overrides")
    row = model.overrides.filter(pk=pk, scope=Override.Scope.SEGMENT).select_related("model").first()
    if row is None:
        raise Http404
    overrides.end_override(override=row, principal=principal_of(request))
    messages.success(request, _("Ended. The policy decides again, from the next prediction on."))
    return redirect("overrides", slug=slug)


def _made(
    request: HttpRequest, model: RegisteredModel, case: CaseOverrideForm, segment: SegmentOverrideForm
) -> Override | None:
    principal, form = principal_of(request), case if case.is_bound else segment
    try:
        if not case.is_bound:
            made = overrides.override_segment(model=model, principal=principal, **segment.arguments())
        else:
            named = case.cleaned_data["external_id"]
            found = Prediction.objects.select_related("model").filter(model=model, external_id=named).first()
            if found is None:
                case.add_error("external_id", _("The model has no such case."))
                return None
            reason = case.cleaned_data["reason"]
            made = overrides.override_case(prediction=found, principal=principal, reason=reason, **case.said())
    except ReviewHubError as error:
        tell(form, error)
        return None
    ring_webhooks()
    messages.success(request, _("It holds, and stands in the list with your reason."))
    return made


def _field_first(when: Any) -> Any:
    """A condition as people write it: the database keeps its keys in an order of its own."""
    if isinstance(when, dict):
        return {name: _field_first(when[name]) for name in sorted(when, key=lambda name: (name != "field", name))}
    return [_field_first(part) for part in when] if isinstance(when, list) else when
