from __future__ import annotations

from typing import Any

from django.urls import path

from models_registry import api
from models_registry.views import entry, members, models

api_urlpatterns: list[Any] = [
    path("models/", api.ModelList.as_view()),
    path("models/<slug:slug>/", api.ModelDetail.as_view()),
    path("models/<slug:slug>/versions/", api.VersionList.as_view()),
    path("models/<slug:slug>/versions/<str:version>/", api.VersionDetail.as_view()),
    path("models/<slug:slug>/champion/", api.Champion.as_view()),
    path("models/<slug:slug>/definitions/", api.DefinitionList.as_view()),
    path("models/<slug:slug>/promotions/", api.PromotionList.as_view()),
    path("artifacts/<str:sha256>", api.ArtifactContent.as_view()),
    # The same with a slash, which the description need not name twice.
    path("artifacts/<str:sha256>/", api.ArtifactContent.as_view(schema=None)),
    path("webhooks/", api.WebhookList.as_view()),
    path("webhooks/<str:number>/", api.WebhookDetail.as_view()),
]
urlpatterns: list[Any] = [
    path("sign-in/", entry.SignIn.as_view(), name="sign-in"),
    path("sign-out/", entry.SignOut.as_view(), name="sign-out"),
    path("invitations/<str:token>/", entry.invitation, name="invitation"),
    path("models/", models.models, name="models"),
    path("models/<slug:slug>/settings/members/", members.members, name="members"),
    path(
        "models/<slug:slug>/settings/invitations/<int:pk>/revoke/",
        members.revoke_invitation,
        name="revoke-invitation",
    ),
    path("models/<slug:slug>/settings/keys/", members.keys, name="keys"),
]
