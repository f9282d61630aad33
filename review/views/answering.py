"""What the views of the review page share: leases by token, fragments, and refusals as sentences."""

from __future__ import annotations

from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.http import Http404, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from review import late, leases
from review.models import QueueItem
from review.views import stage, surroundings

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from models_registry.errors import Conflict
    from review.models import Lease

MOST_TOKENS = 30


def for_script(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Tell the script with a code that the queue is not this person's, which a 404 on the way here never carries."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except stage.NotAllowed:
            told = _("This queue is not yours to review.")
            return refused("not_allowed", told, status=HTTPStatus.NOT_FOUND)

    return wrapped


def lease_of(at: stage.Desk, token: UUID) -> Lease:
    """The lease of that token; 404 where it is no lease of this person in this queue."""
    lease = leases.find(token)
    if lease is None or lease.item.queue_id != at.queue.pk or lease.holder != at.holder:
        raise Http404
    return lease


def not_used(lease: Lease, error: Conflict) -> str:
    """Why an answer was not used, as a sentence for the person who gave it."""
    name = lease.item.prediction.external_id
    lease.item.refresh_from_db()
    when = late.decided_elsewhere_at(lease)
    if when is not None:
        return _("%(case)s: decided by another reviewer at %(time)s. Yours was not used.") % {
            "case": name, "time": when.strftime("%H:%M"),
        }  # fmt: skip
    own = late.decided_oneself(lease)
    if own is not None:
        return _("%(case)s: you decided it at %(time)s, as %(answer)s. That stands; this answer was not used.") % {
            "case": name, "time": own.decided_at.strftime("%H:%M"), "answer": own.label or _("can’t tell"),
        }  # fmt: skip
    return _("Your answer on %(case)s was not used: %(why)s.") % {"case": name, "why": error.detail}


def withdrawn(lease: Lease) -> str:
    return "withdrawn" if lease.item.state == QueueItem.State.WITHDRAWN else ""


def refused(code: str, told: str, *, status: HTTPStatus = HTTPStatus.CONFLICT) -> HttpResponse:
    return JsonResponse({"code": code, "told": told}, status=status)


def card_html(at: stage.Desk, item: QueueItem, **more: Any) -> str:
    return render_to_string("review/_slot.html", stage.card(at, item, **more))


def none_html(at: stage.Desk) -> str:
    return render_to_string("review/_empty.html", surroundings.empty(at))


def tokens_of(request: HttpRequest, field: str = "tokens") -> list[UUID]:
    found = []
    for text in request.POST.get(field, "").split(",")[:MOST_TOKENS]:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
