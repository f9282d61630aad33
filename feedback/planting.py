"""Known cases among the real ones: each routing whose draw called for it is followed by at most one gold item.

Which case it is hangs on what was asked before, never on the queue: so how often each truth and each answer of the
model come among gold items is their own matter, and errors of the model, rare among real cases, are not rare here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from feedback.models import GoldPlanting
from models_registry import sql
from models_registry.access import ABILITIES, SCOPES
from models_registry.models import DatabaseNow, Person, RegisteredModel, ServiceKey
from review import policies
from review.models import Explanation, Prediction, QueueItem, RoutingDecision
from review.terms import draw_key

# The class of the advisory locks under which gold items of one model are chosen, one at a time.
LOCK = 0x474F_4C44
# A draw that nobody has followed for so long is not followed any more.
FOLLOWED_FOR = timedelta(days=1)
# Items among which an audit is looked for, to look and wait like it.
NEWEST = 200

_DUE = """
    SELECT r.prediction_id FROM review_routingdecision r
    WHERE r.gold_draw < r.gold_share AND r.review <> 'none' AND r.routed_at > clock_timestamp() - %(within)s::interval
      AND NOT EXISTS (SELECT FROM feedback_goldplanting g WHERE g.routing_id = r.prediction_id)
    ORDER BY r.prediction_id LIMIT %(limit)s
"""
# The cell of truth and answer that was asked least, in it the case that was asked least; among equals whichever,
# other than the last time.
_CHOOSE = """
    WITH known AS MATERIALIZED (
        SELECT p.id, g.value, p.predicted, g.set_by, p.status, count(i.id) FILTER (
                   WHERE i.kind = 'gold' AND i.state <> 'withdrawn') AS asked,
               coalesce(bool_or(i.state = 'open'), false) AS waits
        FROM feedback_goldtruth g JOIN review_prediction p ON p.id = g.prediction_id
        LEFT JOIN review_queueitem i ON i.prediction_id = p.id
        WHERE p.model_id = %(model)s AND NOT g.practice AND g.value = ANY(%(classes)s)
        GROUP BY p.id, g.prediction_id
    ), cells AS (
        SELECT value, predicted, sum(asked) AS asked FROM known GROUP BY value, predicted
    )
    SELECT k.id FROM known k JOIN cells c USING (value, predicted)
    WHERE k.status IN ('routed', 'decided') AND NOT k.waits AND k.id <> %(routing)s AND EXISTS (
        SELECT FROM unnest(%(reviewers)s::text[], %(names)s::text[]) AS r(pseudonym, name)
        WHERE r.name <> k.set_by
          AND NOT EXISTS (SELECT FROM feedback_practiceanswer a
                          WHERE a.prediction_id = k.id AND a.reviewer = r.pseudonym)
          AND NOT EXISTS (
              SELECT FROM review_reviewdecision d
              WHERE d.prediction_id = k.id AND d.kind = 'decision' AND d.reviewer = r.pseudonym AND NOT EXISTS (
                  SELECT FROM review_reviewdecision u WHERE u.supersedes_id = d.id AND u.kind = 'undo')))
    ORDER BY c.asked, k.asked, hashint8extended(k.id, %(routing)s) LIMIT 1
"""
_EXPIRE = """
    WITH stale AS MATERIALIZED (
        SELECT id, lease_token FROM review_queueitem
        WHERE kind = 'gold' AND state = 'open' AND enqueued_at < clock_timestamp() - %(after)s::interval
          AND (lease_expires_at IS NULL OR lease_expires_at <= clock_timestamp())
        ORDER BY id FOR UPDATE SKIP LOCKED
    ), ended AS (
        UPDATE review_lease l SET ended_at = l.expires_at, ending = 'expired'
        FROM stale WHERE l.token = stale.lease_token AND l.ending IS NULL
    )
    UPDATE review_queueitem i SET state = 'withdrawn', closed_at = clock_timestamp(), lease_token = NULL,
        lease_holder = NULL, lease_expires_at = NULL
    FROM stale WHERE i.id = stale.id
"""


@dataclass(frozen=True)
class Reviewers:
    """Who may review a model: pseudonyms, and the names under which they would say what is true."""

    pseudonyms: list[str]
    names: list[str]


def plant(*, limit: int = 200) -> int:
    """Let a gold item follow each routing that calls for one and has none yet; returns how many were planted.

    Safe to repeat and to run twice at once.
    """
    due = [pk for (pk,) in sql.rows(_DUE, {"within": f"{FOLLOWED_FOR.total_seconds():.0f} s", "limit": limit})]
    return sum(plant_after(routing_id=pk) is not None for pk in due)


def plant_after(*, routing_id: int) -> QueueItem | None:
    """The gold item that follows this routing; None where it was followed before, or where no known case fits."""
    with transaction.atomic():
        routing = RoutingDecision.objects.select_related("model", "policy").get(pk=routing_id)
        # One at a time, so that each choice counts the one before.
        sql.change("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, routing.model_id])
        planting, first = GoldPlanting.objects.get_or_create(routing=routing)
        behind = routing.prediction.items.select_related("queue").filter(kind=routing.review).order_by("slot").first()
        if not first or behind is None:
            return None
        chosen = _chosen(routing)
        if chosen is None:
            return None
        item = _place(chosen, routing, behind)
        GoldPlanting.objects.filter(pk=planting.pk).update(item=item)
    return item


def expire() -> int:
    """Take back gold items that nobody has answered for GOLD_DAYS, so that a queue never fills with them."""
    return sql.change(_EXPIRE, {"after": f"{settings.REVIEWHUB['GOLD_DAYS']} days"})


def reviewers_of(model: RegisteredModel) -> Reviewers:
    """People with a role, and service keys with a scope, that may review the model."""
    roles = [role for role, can in ABILITIES.items() if "review" in can]
    users = get_user_model().objects.filter(is_active=True)
    people = users.filter(Q(is_superuser=True) | Q(memberships__model=model, memberships__role__in=roles)).distinct()
    persons = Person.objects.filter(user__in=people).values_list("pseudonym", "user__username")
    found = [(str(pseudonym), str(name)) for pseudonym, name in persons]
    scopes = {str(scope) for scope, can in SCOPES.items() if "review" in can}
    now = timezone.now()
    keys = ServiceKey.objects.filter(Q(model=model) | Q(model=None))
    usable = [key.prefix for key in keys if key.usable(now) and scopes & set(key.scopes)]
    found += [(f"k-{prefix}", f"key:{prefix}") for prefix in usable]
    return Reviewers([pseudonym for pseudonym, _ in found], [name for _, name in found])


def _chosen(routing: RoutingDecision) -> Prediction | None:
    """The known case that is put next, locked, with nothing open; None where none fits."""
    model, who = routing.model, reviewers_of(routing.model)
    values: dict[str, Any] = {"model": model.pk, "classes": list(model.classes), "routing": routing.pk}
    found = sql.rows(_CHOOSE, values | {"reviewers": who.pseudonyms, "names": who.names})
    if not found:
        return None
    # The prediction before its items, as everywhere; what was opened or withdrawn meanwhile is seen below.
    row = Prediction.objects.select_for_update(no_key=True).get(pk=found[0][0])
    settled = row.status in (Prediction.Status.ROUTED, Prediction.Status.DECIDED)
    return row if settled and not row.items.open().exists() else None


def _place(prediction: Prediction, routing: RoutingDecision, behind: QueueItem) -> QueueItem:
    """An item that looks and waits as an audit of that queue does, with a blind draw of its own.

    Behind a gate too: a gate says which rule held its caller, and nobody waits for this answer.
    """
    like = behind if behind.kind == QueueItem.Kind.AUDIT else _latest_audit(behind)
    due = timedelta(seconds=settings.REVIEWHUB["AUDIT_DUE_SECONDS"])
    if like is not None and like.due_at is not None:
        due = like.due_at - like.enqueued_at
    share, number = behind.blind_share, routing.policy.number if routing.policy else 0
    arm = f"gold blind {routing.pk}"
    key = draw_key(settings.SECRET_KEY)
    draw = policies.arm_draw(key, routing.model.slug, prediction.external_id, number, arm) if share > 0 else None
    # Real cases come with reasons, or will shortly.
    Explanation.objects.get_or_create(prediction=prediction, defaults={"requested_at": DatabaseNow()})
    return QueueItem.objects.create(
        prediction=prediction, model=routing.model, queue=behind.queue, kind=QueueItem.Kind.GOLD,
        slot=(prediction.items.aggregate(last=Max("slot"))["last"] or 0) + 1,
        priority=0 if like is None else like.priority, due_at=DatabaseNow() + due, blind_share=share, blind_draw=draw,
    )  # fmt: skip


def _latest_audit(item: QueueItem) -> QueueItem | None:
    """The newest audit of that queue and model, of their newest items."""
    newest = QueueItem.objects.filter(model=item.model_id, queue=item.queue_id).order_by("-id")[:NEWEST]
    return next((one for one in newest if one.kind == QueueItem.Kind.AUDIT), None)
