from __future__ import annotations

from typing import Any

from django.urls import path

from review.api import (
    comments,
    exposure,
    models,
    overrides,
    passing_on,
    policies,
    predictions,
    promotions,
    queues,
    resolutions,
)
from review.views import acts, deck, escalations, gallery, history, members, own, passing
from review.views import images as image_pages
from review.views import overrides as override_pages
from review.views import queues as queue_pages
from review.views import review as review_pages

api_urlpatterns: list[Any] = [
    path("models/", models.ModelList.as_view()),
    path("models/<slug:slug>/kill-switch/", policies.KillSwitch.as_view()),
    path("models/<slug:slug>/policies/", policies.PolicyList.as_view()),
    path("models/<slug:slug>/policies/<int:number>/", policies.PolicyDetail.as_view()),
    path("models/<slug:slug>/policies/<int:number>/activate/", policies.PolicyActivation.as_view()),
    path("models/<slug:slug>/policies/<int:number>/shadow/", policies.PolicyShadow.as_view()),
    path("models/<slug:slug>/promotions/", promotions.PromotionList.as_view()),
    path("models/<slug:slug>/versions/<str:version>/activate/", models.VersionActivation.as_view()),
    path("predictions/", predictions.PredictionList.as_view()),
    path("predictions/bulk/", predictions.PredictionBulk.as_view()),
    path("predictions/<int:pk>/withdraw/", predictions.PredictionWithdrawal.as_view()),
    path("resolutions/", resolutions.ResolutionFeed.as_view()),
    path("queues/", queues.QueueList.as_view()),
    path("queues/<slug:slug>/", queues.QueueDetail.as_view()),
    path("queues/<slug:slug>/claim/", queues.Claim.as_view()),
    path("predictions/<int:pk>/reveal/", exposure.RevealFeature.as_view()),
    path("leases/<str:token>/open/", exposure.Open.as_view()),
    path("leases/<str:token>/first-answer/", exposure.FirstAnswer.as_view()),
    path("leases/<str:token>/reveal/", exposure.Reveal.as_view()),
    path("predictions/<int:pk>/comments/", comments.CommentList.as_view()),
    path("models/<slug:slug>/overrides/", overrides.OverrideList.as_view()),
    path("models/<slug:slug>/overrides/<int:pk>/end/", overrides.OverrideEnd.as_view()),
    path("leases/<str:token>/escalate/", passing_on.Escalate.as_view()),
    path("leases/<str:token>/hand-over/", passing_on.HandOver.as_view()),
    path("leases/<str:token>/renew/", queues.Renew.as_view()),
    path("leases/<str:token>/release/", queues.Release.as_view()),
    path("leases/<str:token>/decide/", queues.Decide.as_view()),
    path("decisions/<str:pk>/undo/", queues.Undo.as_view()),
]
urlpatterns: list[Any] = [
    path("models/<slug:slug>/settings/members/<int:pk>/revoke/", members.revoke_member, name="revoke-member"),
    path("models/<slug:slug>/settings/keys/<int:pk>/revoke/", members.revoke_key, name="revoke-key"),
    path("predictions/<int:pk>/images/<int:place>/", image_pages.image, name="context-image"),
    path("settings/", own.own_settings, name="own-settings"),
    path("settings/reset/", own.reset, name="reset-own-settings"),
    path("queues/", queue_pages.queues, name="queues"),
    path("queues/escalated/", escalations.escalations, name="escalations"),
    path("queues/escalated/<int:pk>/take/", escalations.take, name="take-escalated"),
    path("queues/escalated/<int:pk>/return/", escalations.give_back, name="return-escalated"),
    path("models/<slug:slug>/settings/overrides/", override_pages.model_overrides, name="overrides"),
    path("models/<slug:slug>/settings/overrides/<int:pk>/end/", override_pages.end, name="end-override"),
    path("gallery/", gallery.gallery, name="gallery"),
    path("gallery/<slug:name>/", gallery.state, name="gallery-state"),
    path("queues/waiting/", own.waiting, name="waiting"),
    path("queues/<slug:slug>/settings/", queue_pages.settings, name="queue-settings"),
    path("queues/<slug:slug>/pause/", queue_pages.pause, name="pause"),
    path("queues/<slug:slug>/review/", review_pages.review, name="review"),
    path("queues/<slug:slug>/review/claim/", review_pages.claim, name="claim"),
    path("queues/<slug:slug>/review/undo/<int:pk>/", review_pages.undo, name="undo"),
    path("queues/<slug:slug>/review/<uuid:token>/decide/", review_pages.decide, name="decide"),
    path("queues/<slug:slug>/review/<uuid:token>/skip/", review_pages.skip, name="skip"),
    # What the page's script asks for.
    path("queues/<slug:slug>/review/cards/", deck.cards, name="review-cards"),
    path("queues/<slug:slug>/review/state/", deck.state, name="review-state"),
    path("queues/<slug:slug>/review/answers/", deck.answers, name="review-answers"),
    path("queues/<slug:slug>/review/give-back/", deck.give_back, name="review-give-back"),
    path("queues/<slug:slug>/review/take-back/", history.undo, name="review-take-back-latest"),
    path("queues/<slug:slug>/review/take-back/<int:pk>/", history.undo, name="review-take-back"),
    path("queues/<slug:slug>/review/history/", history.history, name="review-history"),
    path("queues/<slug:slug>/review/history/<int:pk>/", history.past, name="review-past"),
    path("queues/<slug:slug>/review/fold/", acts.fold, name="review-fold"),
    path("queues/<slug:slug>/review/<uuid:token>/open/", acts.open_case, name="review-open"),
    path("queues/<slug:slug>/review/<uuid:token>/keep/", acts.keep, name="keep"),
    path("queues/<slug:slug>/review/<uuid:token>/explanation/", acts.explanation, name="explanation"),
    path("queues/<slug:slug>/review/<uuid:token>/first-answer/", acts.first_answer, name="review-first-answer"),
    path("queues/<slug:slug>/review/<uuid:token>/reveal/", acts.reveal, name="review-reveal"),
    path("queues/<slug:slug>/review/<uuid:token>/escalate/", passing.escalate, name="review-escalate"),
    path("queues/<slug:slug>/review/<uuid:token>/hand-over/", passing.hand_over, name="review-hand-over"),
    path("queues/<slug:slug>/review/<uuid:token>/colleagues/", passing.colleagues, name="review-colleagues"),
    path("queues/<slug:slug>/review/<uuid:token>/reveal-feature/", acts.reveal_feature, name="review-reveal-feature"),
    path("queues/<slug:slug>/review/<uuid:token>/comment/", passing.comment, name="review-comment"),
    path("queues/<slug:slug>/review/<uuid:token>/flag/", passing.flag, name="review-flag"),
]
