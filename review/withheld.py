"""Whether figures of all a model's predictions must be kept so coarse that none of them tells a single case.

A figure of one prediction is that prediction's answer. Reads only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import F, Q

from review.models import Mode, Prediction, QueueItem, RoutingControl
from review.veil import has_fresh, hiding_models, reviewed_models

if TYPE_CHECKING:
    from models_registry.access import Principal
    from models_registry.models import RegisteredModel

# No figure of fewer predictions is told, and no two that differ by fewer.
FEWEST = 20


def withheld(viewer: Principal, model: RegisteredModel) -> bool:
    """Whether anything of the model waits of which this viewer, as somebody who reviews it, may not see all.

    It is asked of the whole model, not of this viewer's own items: who cannot answer a case today may tomorrow.
    """
    if model.pk not in reviewed_models(viewer):
        return False
    blind = ~Q(queue__mode=Mode.ASSISTED) | Q(blind_draw__lt=F("blind_share"))
    hides = blind | Q(required__gt=1) | Q(queue__required_decisions__gt=1) | Q(kind=QueueItem.Kind.GOLD)
    if _plants_gold(model):
        # Any of them may be gold to the viewer, and whether one is must not be told by this.
        hides |= Q(kind=QueueItem.Kind.AUDIT)
    if QueueItem.objects.open().filter(hides, queue__in=model.queues.all(), model=model).exists():
        return True
    if has_fresh(viewer, model):
        return True
    waiting = Prediction.objects.filter(model=model, status=Prediction.Status.RECEIVED)
    return bool(hiding_models({model.pk})) and waiting.exists()


def _plants_gold(model: RegisteredModel) -> bool:
    control = RoutingControl.objects.filter(model=model, active__isnull=False).select_related("active").first()
    return control is not None and control.active is not None and bool(control.active.document.get("gold_share"))
