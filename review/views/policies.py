"""The owner's page about routing: a form over the live policy, what a change would do, history, the kill switch."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from models_registry.errors import Invalid, ReviewHubError
from models_registry.views.base import model_page, page
from review import policy_fields, policy_versions
from review.forms import KillSwitchForm, PolicyForm
from review.models import RoutingControl

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from models_registry.models import RegisteredModel
    from review.models import PolicyVersion

HISTORY = 20
SHARES = {
    "reviewed": "seen by a person",
    "held": "held: the caller waits",
    "audited": "checked afterwards",
    "refused": "refused by a rule or class",
    "expected_reviewed": "expected share seen by a person",
}


@page
@require_http_methods(["GET", "POST"])
def policy(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the live settings; on ``preview`` what new ones would change; on ``activate`` make them live."""
    model, context = model_page(request, slug, "admin", "policy")
    control = _control(model)
    live = control.active
    document: dict[str, Any] = live.document if live else {}
    plain = policy_fields.sampling_is_plain(document)
    initial = {**asdict(policy_fields.read(document)), "live": live.number if live else None}
    posted = request.POST if request.method == "POST" else None
    form = PolicyForm(posted, initial=initial, plain_sampling=plain)
    if posted is not None and form.is_valid() and _still(form, live):
        new = policy_fields.write(document, form.values())
        try:
            if posted.get("step") == "activate":
                return _activate(request, model, new, form.cleaned_data["note"])
            context["preview"] = _preview(model, live, new, form)
        except Invalid as error:
            form.take(error.errors)
    context |= {"form": form, "live": live, "control": control, "kept": policy_fields.kept(document)}
    return render(request, "review/policy.html", {**context, **_around(model)})


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
    found = RoutingControl.objects.select_related("active").filter(model=model).first()
    return found or RoutingControl(model=model)


def _still(form: PolicyForm, live: PolicyVersion | None) -> bool:
    """Refuse a form that was filled in over another policy than the one that is live by now."""
    if form.cleaned_data["live"] == (live.number if live else None):
        return True
    now = f"policy {live.number} is live now" if live else "no policy is live now"
    form.add_error(None, f"Somebody changed the policy meanwhile: {now}. Reload the page to start from it.")
    return False


def _activate(request: HttpRequest, model: RegisteredModel, new: dict[str, Any], note: str) -> HttpResponse:
    actor = request.user.get_username()
    made = policy_versions.create(model=model, document=new, actor=actor, note=note)
    policy_versions.activate(policy=made, actor=actor)
    messages.success(request, f"Policy {made.number} is live. New predictions are routed by it within seconds.")
    return redirect("policy", slug=model.slug)


def _preview(
    model: RegisteredModel, live: PolicyVersion | None, new: dict[str, Any], form: PolicyForm
) -> dict[str, Any]:
    found = policy_versions.preview(model=model, document=new)
    before = found.live or {}
    shares = [{"name": words, "live": before.get(key), "new": found.shares[key]} for key, words in SHARES.items()]
    return {
        "differences": policy_fields.differences(live.document if live else None, new),
        "count": found.predictions,
        "changed": found.changed,
        "shares": shares if found.predictions else [],
        "warnings": [fault.message for fault in found.warnings],
        "hidden": {name: "" if value is None else value for name, value in form.cleaned_data.items()},
    }


def _around(model: RegisteredModel) -> dict[str, Any]:
    rows = list(model.policies.order_by("-number")[:HISTORY])
    for row in rows:
        row.text = json.dumps(row.document, indent=2, ensure_ascii=False)  # type: ignore[attr-defined]
    return {"policies": rows, "kill_form": KillSwitchForm()}
