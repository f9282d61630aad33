from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from models_registry.models import DatabaseNow, ModelVersion, RegisteredModel
from review.models.prediction import Prediction


class PolicyVersion(models.Model):
    """A routing policy document. Numbered and immutable; rolling back activates an older number."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="policies")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    note = models.CharField(max_length=500, blank=True)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["model", "number"], name="policy_number_once")]


class SamplerFit(models.Model):
    """A policy's sampler solved on past traffic, and what it was solved on. Never updated; the newest counts.

    ``parameters`` are those of ``review.sampling.Fit``, ``rows`` the routed predictions it was solved on (0
    where there were none yet), ``least`` their mean propensity without sampling. ``evidence`` says why tau.
    """

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="sampler_fits")
    policy = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="sampler_fits")
    # Whose scores it was solved on; another champion's traffic is not routed by it.
    champion = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=10)
    parameters = models.JSONField()
    rows = models.PositiveIntegerField()
    least = models.FloatField(null=True)
    evidence = models.JSONField(default=dict)
    fitted_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        indexes = [models.Index(fields=["policy", "-id"], name="newest_fit_of_a_policy")]


class RoutingControl(models.Model):
    """What routing obeys right now: the active policy, a shadow one, and the kill switch.

    Read from the database for every batch, so a change needs no message to take effect.
    """

    model = models.OneToOneField(RegisteredModel, primary_key=True, on_delete=models.CASCADE, related_name="routing")
    active = models.ForeignKey(PolicyVersion, null=True, on_delete=models.PROTECT, related_name="+")
    shadow = models.ForeignKey(PolicyVersion, null=True, on_delete=models.PROTECT, related_name="+")
    kill_switch = models.BooleanField(default=False)
    kill_switch_reason = models.CharField(max_length=500, blank=True)
    kill_switch_expires_at = models.DateTimeField(null=True)
    changed_by = models.CharField(max_length=150, blank=True)
    changed_at = models.DateTimeField(db_default=DatabaseNow())


class RoutingDecision(models.Model):
    """The one choice made about a prediction, with the probability it had. Never updated.

    ``propensity`` is the probability that this prediction is sent to a person under this policy,
    whichever way the draw fell; it is written with the draw and never recomputed.
    """

    class Disposition(models.TextChoices):
        PROCEED = "proceed"
        HOLD = "hold"
        REFUSE = "refuse"

    class Review(models.TextChoices):
        NONE = "none"
        GATE = "gate"
        AUDIT = "audit"

    prediction = models.OneToOneField(Prediction, primary_key=True, on_delete=models.PROTECT, related_name="routing")
    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="+")
    policy = models.ForeignKey(PolicyVersion, null=True, on_delete=models.PROTECT, related_name="+")
    draw = models.FloatField()
    p_gate = models.FloatField()
    propensity = models.FloatField()
    disposition = models.CharField(max_length=7, choices=Disposition)
    review = models.CharField(max_length=5, choices=Review)
    reasons = models.JSONField()
    # m, the guess that the model's answer is right, at routing time: the control variate of estimates. It is read
    # from the scores at the temperature of the sampler's fit, so it is not always the confidence.
    model_guess = models.FloatField()
    sampler_fit = models.ForeignKey(SamplerFit, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    sampler_c = models.FloatField(null=True)
    sampler_tau = models.FloatField(null=True)
    oversight_always = models.BooleanField()
    # More people decide where the first draw is below its share; a gold item follows where the second is. Draws of
    # their own, null where nothing was to be drawn.
    overlap_share = models.FloatField(db_default=0.0)
    overlap_draw = models.FloatField(null=True)
    gold_share = models.FloatField(db_default=0.0)
    gold_draw = models.FloatField(null=True)
    routed_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(draw__gte=0, draw__lt=1, p_gate__gte=0, propensity__lte=1) & Q(p_gate__lte=F("propensity")),
                name="routing_probabilities",
            ),
            models.CheckConstraint(
                condition=Q(review="none", draw__gte=F("propensity"))
                | Q(review__in=["gate", "audit"], draw__lt=F("propensity")),
                name="reviewed_iff_draw_below_propensity",
            ),
            models.CheckConstraint(
                condition=Q(review="gate", draw__lt=F("p_gate")) | (~Q(review="gate") & Q(draw__gte=F("p_gate"))),
                name="gate_iff_draw_below_p_gate",
            ),
            models.CheckConstraint(
                condition=Q(disposition="hold", review="gate") | (~Q(disposition="hold") & ~Q(review="gate")),
                name="hold_iff_gate",
            ),
            models.CheckConstraint(
                condition=~Q(oversight_always=True, disposition="proceed"), name="oversight_never_proceeds"
            ),
            models.CheckConstraint(
                condition=Q(disposition__in=["proceed", "hold", "refuse"]), name="disposition_known"
            ),
        ]
        indexes = [
            models.Index(fields=["model", "routed_at"], name="routing_by_time"),
            # Which drawn rows have no label is asked of all of them.
            models.Index(
                fields=["model", "prediction"],
                include=["review", "routed_at"],
                condition=~Q(review="none"),
                name="routing_drawn",
            ),
            # A gold item follows these.
            models.Index(fields=["routed_at"], condition=Q(gold_draw__lt=F("gold_share")), name="routing_gold"),
        ]


class ShadowDecision(models.Model):
    """What the shadow policy would have chosen for a prediction that the live one routed. Nothing obeys it.

    The draw is the shadow's own, so that its choices are independent of the live ones. Never updated.
    """

    prediction = models.OneToOneField(Prediction, primary_key=True, on_delete=models.PROTECT, related_name="shadowed")
    policy = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="+")
    draw = models.FloatField()
    p_gate = models.FloatField()
    propensity = models.FloatField()
    disposition = models.CharField(max_length=7, choices=RoutingDecision.Disposition)
    review = models.CharField(max_length=5, choices=RoutingDecision.Review)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(draw__gte=0, draw__lt=1, p_gate__gte=0, propensity__lte=1) & Q(p_gate__lte=F("propensity")),
                name="shadow_probabilities",
            ),
            models.CheckConstraint(
                condition=Q(review="none", draw__gte=F("propensity"))
                | Q(review__in=["gate", "audit"], draw__lt=F("propensity")),
                name="shadow_reviewed_iff_draw_below_propensity",
            ),
            models.CheckConstraint(
                condition=Q(review="gate", draw__lt=F("p_gate")) | (~Q(review="gate") & Q(draw__gte=F("p_gate"))),
                name="shadow_gate_iff_draw_below_p_gate",
            ),
            models.CheckConstraint(
                condition=Q(disposition="hold", review="gate")
                | (Q(disposition__in=["proceed", "refuse"]) & ~Q(review="gate")),
                name="shadow_hold_iff_gate",
            ),
        ]
