from __future__ import annotations

from typing import Any

from django.urls import path, re_path

from feedback.api import (
    alerts,
    behaviour,
    counterfactual,
    gold,
    labels,
    outcomes,
    policies,
    predictions,
    quality,
    retrainings,
    snapshots,
)
from feedback.views import alerts as alert_pages
from feedback.views import behaviour as behaviour_page
from feedback.views import delays as delay_page
from feedback.views import gold as gold_pages
from feedback.views import home as home_page
from feedback.views import labels as label_pages
from feedback.views import me as own_page
from feedback.views import models as model_pages
from feedback.views import policies as policy_pages
from feedback.views import practice as practice_pages
from feedback.views import predictions as prediction_pages
from feedback.views import quality as quality_page
from feedback.views import reliance as reliance_page
from feedback.views import workload as workload_page
from review.api.predictions import PredictionBulk

api_urlpatterns: list[Any] = [
    path("predictions/", predictions.PredictionList.as_view()),
    # Before the path of one prediction, which takes any name.
    path("predictions/bulk/", PredictionBulk.as_view()),
    path("predictions/<str:pk>/", predictions.PredictionDetail.as_view()),
    path("predictions/<int:pk>/withdraw/", predictions.PredictionWithdrawal.as_view()),
    path("outcomes/", outcomes.Outcome.as_view()),
    path("outcomes/bulk/", outcomes.OutcomeBulk.as_view()),
    path("models/<slug:slug>/labels/", labels.Labels.as_view()),
    path("models/<slug:slug>/quality/", quality.Quality.as_view()),
    path("models/<slug:slug>/gold/", gold.GoldTruths.as_view()),
    path("models/<slug:slug>/delays/", quality.Delays.as_view()),
    path("models/<slug:slug>/reliance/", behaviour.Reliance.as_view()),
    path("models/<slug:slug>/behaviour/", behaviour.Behaviour.as_view()),
    path("models/<slug:slug>/policies/preview/", policies.PolicyPreview.as_view()),
    path("models/<slug:slug>/counterfactual/", counterfactual.Counterfactual.as_view()),
    path("models/<slug:slug>/snapshots/", snapshots.SnapshotList.as_view()),
    path("models/<slug:slug>/snapshots/<str:pk>/", snapshots.SnapshotDetail.as_view()),
    re_path(
        r"^models/(?P<slug>[-\w]+)/snapshots/(?P<pk>[^/]+)/parts/(?P<place>[^/]+)/?$", snapshots.SnapshotFile.as_view()
    ),
    path("models/<slug:slug>/alerts/", alerts.AlertList.as_view()),
    path("models/<slug:slug>/alerts/<str:pk>/acknowledge/", alerts.AlertAcknowledgement.as_view()),
    path("models/<slug:slug>/retrainings/", retrainings.RetrainingList.as_view()),
    path("models/<slug:slug>/retrainings/<str:pk>/", retrainings.RetrainingDetail.as_view()),
]
urlpatterns: list[Any] = [
    path("", home_page.home, name="home"),
    path("predictions/", prediction_pages.predictions, name="predictions"),
    path("predictions/<int:pk>/", prediction_pages.prediction, name="prediction"),
    path("predictions/<int:pk>/reveal/", prediction_pages.reveal, name="reveal-feature"),
    path("models/<slug:slug>/", model_pages.model, name="model"),
    path("models/<slug:slug>/versions/<str:version>/promote/", model_pages.promote, name="promote"),
    path("models/<slug:slug>/rollback/", model_pages.rollback, name="rollback"),
    path("models/<slug:slug>/retrain/", model_pages.retrain, name="retrain"),
    path("models/<slug:slug>/alerts/<int:pk>/acknowledge/", alert_pages.acknowledge, name="acknowledge-alert"),
    path("models/<slug:slug>/runs/", model_pages.runs, name="runs"),
    path("models/<slug:slug>/quality/", quality_page.quality, name="quality"),
    path("models/<slug:slug>/gold/", gold_pages.gold, name="gold"),
    path("models/<slug:slug>/gold/say/", gold_pages.say, name="say-gold"),
    path("models/<slug:slug>/gold/<int:pk>/", gold_pages.change, name="change-gold"),
    path("practice/<slug:slug>/", practice_pages.practice, name="practice"),
    path("practice/<slug:slug>/answer/", practice_pages.answer, name="practice-answer"),
    path("models/<slug:slug>/delays/", delay_page.delays, name="delays"),
    path("models/<slug:slug>/reliance/", reliance_page.reliance, name="reliance"),
    path("models/<slug:slug>/behaviour/", behaviour_page.behaviour, name="behaviour"),
    path("me/", own_page.me, name="me"),
    path("models/<slug:slug>/workload/", workload_page.workload, name="workload"),
    path("models/<slug:slug>/settings/policy/", policy_pages.policy, name="policy"),
    path("models/<slug:slug>/settings/policy/shadow/off/", policy_pages.take_off_shadow, name="take-off-shadow"),
    path(
        "models/<slug:slug>/settings/policy/<int:number>/activate/",
        policy_pages.activate_policy,
        name="activate-policy",
    ),
    path("models/<slug:slug>/settings/kill-switch/", policy_pages.kill_switch, name="kill-switch"),
    path("models/<slug:slug>/labels/", label_pages.labels, name="labels"),
    path("models/<slug:slug>/snapshots/", label_pages.snapshots, name="snapshots"),
    path("models/<slug:slug>/snapshots/take/", label_pages.take_snapshot, name="take-snapshot"),
]
