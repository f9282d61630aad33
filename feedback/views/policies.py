"""The page about routing: a form over the live policy, what a change would do, history, the kill switch.

Leads may look and preview; owners publish, shadow and stop.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from feedback import whatif
from feedback.disclosure import visible
from feedback.views import policy_figures
from feedback.withholding import before_for
from models_registry.errors import Forbidden, Invalid, ReviewHubError
from models_registry.views.base import model_page, page, principal_of
from review import policy_fields, policy_versions, shadows
from review.forms import KillSwitchForm, PolicyForm
from review.models import Prediction, RoutingControl
from review.withheld import FEWEST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse

    from models_registry.access import Principal
    from models_registry.models import RegisteredModel
    from review.models import PolicyVersion

HISTORY = 20
# What the prices propose is read from so many of the newest predictions.
PROPOSED_ON = 5_000


@page
@require_http_methods(["GET", "POST"])
def policy(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the live settings; on ``preview`` what new ones would do; ``activate`` and ``shadow`` store them first."""
    model, context = model_page(request, slug, ("admin", "preview"), "policy")
    control, before = _control(model), before_for(principal_of(request), model)
    live = control.active
    document: dict[str, Any] = live.document if live else {}
    initial = {**asdict(policy_fields.read(document)), "live": live.number if live else None}
    posted = request.POST if request.method == "POST" else None
    form = PolicyForm(posted, initial=initial)
    if posted is not None and form.is_valid() and _still(form, live):
        new, step = policy_fields.write(document, form.values()), posted.get("step")
        try:
            if step in ("activate", "shadow"):
                if "admin" not in context["abilities"]:
                    raise Forbidden(f"this needs 'admin' on model {slug!r}")
                return _store(request, model, new, form.cleaned_data["note"], shadow=step == "shadow")
            context["preview"] = _preview(model, live, new, form, before)
            _name(context["preview"]["moves"], principal_of(request))
        except Invalid as error:
            form.take(error.errors)
    context |= {"form": form, "live": live, "control": control, "kept": policy_fields.kept(document)}
    return render(request, "feedback/policy.html", {**context, **_around(model, control, form, before)})


@page
@require_POST
def activate_policy(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Make an earlier number live again."""
    model, _ = model_page(request, slug, "admin", "policy")
    try:
        chosen = policy_versions.find(model=model, number=number)
        policy_versions.activate(policy=chosen, actor=request.user.get_username())
        messages.success(request, f"Policy {number} is live. New predictions are routed by it within seconds.")
    except Invalid as error:
        reasons = " ".join(f"{fault.pointer}: {fault.message}." for fault in error.errors)
        messages.error(request, f"Policy {number} does not fit the model as it is now. {reasons}")
    return redirect("policy", slug=slug)


@page
@require_POST
def take_off_shadow(request: HttpRequest, slug: str) -> HttpResponse:
    """Stop watching the shadow policy; without one nothing happens."""
    model, _ = model_page(request, slug, "admin", "policy")
    watched = _control(model).shadow
    if watched is not None:
        policy_versions.take_off_shadow(policy=watched, actor=request.user.get_username())
        messages.success(request, f"Policy {watched.number} is no longer watched. What was seen of it stays.")
    return redirect("policy", slug=slug)


@page
@require_POST
def kill_switch(request: HttpRequest, slug: str) -> HttpResponse:
    model, _ = model_page(request, slug, "admin", "policy")
    form = KillSwitchForm(request.POST)
    on = request.POST.get("on") == "1"
    if not form.is_valid():
        messages.error(request, "Say why: the reason is kept and shown to everybody who asks.")
        return redirect("policy", slug=slug)
    try:
        policy_versions.set_kill_switch(
            model=model, on=on, reason=form.cleaned_data["reason"], actor=request.user.get_username()
        )
    except ReviewHubError as error:
        messages.error(request, error.detail)
        return redirect("policy", slug=slug)
    if on:
        messages.warning(request, "The kill switch is on. Every new prediction is held for a person.")
    else:
        messages.success(request, "The kill switch is off. The live policy decides again.")
    return redirect("policy", slug=slug)


def _control(model: RegisteredModel) -> RoutingControl:
    found = RoutingControl.objects.select_related("active", "shadow").filter(model=model).first()
    return found or RoutingControl(model=model)


def _still(form: PolicyForm, live: PolicyVersion | None) -> bool:
    """Refuse a form that was filled in over another policy than the one that is live by now."""
    if form.cleaned_data["live"] == (live.number if live else None):
        return True
    now = f"policy {live.number} is live now" if live else "no policy is live now"
    form.add_error(None, f"Somebody changed the policy meanwhile: {now}. Reload the page to start from it.")
    return False


def _store(
    request: HttpRequest, model: RegisteredModel, new: dict[str, Any], note: str, *, shadow: bool
) -> HttpResponse:
    actor = request.user.get_username()
    made = policy_versions.create(model=model, document=new, actor=actor, note=note)
    if shadow:
        policy_versions.shadow(policy=made, actor=actor)
        messages.success(request, f"Policy {made.number} is watched in the shadow. It changes no prediction.")
    else:
        policy_versions.activate(policy=made, actor=actor)
        messages.success(request, f"Policy {made.number} is live. New predictions are routed by it within seconds.")
    return redirect("policy", slug=model.slug)


def _name(moves: list[dict[str, Any]], viewer: Principal) -> None:
    """Name the examples, without those of which the viewer must not know what the model answered."""
    seen = visible([pk for move in moves for pk in move["examples"]], viewer)
    names = dict(Prediction.objects.filter(pk__in=seen).values_list("pk", "external_id"))
    for move in moves:
        move["examples"] = [(pk, names[pk]) for pk in move["examples"] if pk in names]


def _preview(
    model: RegisteredModel,
    live: PolicyVersion | None,
    new: dict[str, Any],
    form: PolicyForm,
    before: datetime | None,
) -> dict[str, Any]:
    wanted = form.cleaned_data["half_width"]
    found = whatif.what_if(model=model, document=new, half_width=wanted, before=before)
    hidden = posted(form.cleaned_data)
    return {
        "differences": policy_fields.differences(live.document if live else None, new),
        "warnings": [fault.message for fault in found.warnings],
        "hidden": {name: value for name, value in hidden.items() if name != "half_width"},
        "with_budget": None if found.budget is None else policy_figures.with_budget(hidden, found.budget),
        **policy_figures.shown(found),
    }


def _around(
    model: RegisteredModel, control: RoutingControl, form: PolicyForm, before: datetime | None
) -> dict[str, Any]:
    """History, the shadow policy beside the live one, and what the model's prices propose."""
    rows = list(model.policies.order_by("-number")[:HISTORY])
    for row in rows:
        row.text = json.dumps(row.document, indent=2, ensure_ascii=False)  # type: ignore[attr-defined]
    fewest = 1 if before is None else FEWEST
    watched = (
        None
        if control.shadow is None
        else policy_figures.watched(shadows.summary(control.shadow, before=before, fewest=fewest))
    )
    proposed, hidden = None, None
    if not form.is_bound:
        prices = whatif.prices_of(model)
        past = whatif.load(model, [], last=PROPOSED_ON, before=before) if prices is not None else None
        proposed = None if past is None else whatif.proposal(model, past, prices)
        hidden = None if proposed is None else policy_figures.with_proposal(posted(form.initial), proposed)
    return {
        "policies": rows,
        "kill_form": KillSwitchForm(),
        "watched": watched,
        "proposed": proposed,
        "with_proposal": hidden,
    }


def posted(values: Mapping[str, Any]) -> dict[str, Any]:
    """The form's values as hidden fields send them again."""
    return {name: "" if value is None else value for name, value in values.items()}
