"""The registry over HTTP. ``base`` holds what the endpoints of the other apps share with it."""

from models_registry.api.artifacts import ArtifactContent
from models_registry.api.models import Champion, DefinitionList, ModelDetail, ModelList, PromotionList
from models_registry.api.versions import VersionDetail, VersionList, wait_for_check
from models_registry.api.webhooks import WebhookDetail, WebhookList

__all__ = [
    "ArtifactContent",
    "Champion",
    "DefinitionList",
    "ModelDetail",
    "ModelList",
    "PromotionList",
    "VersionDetail",
    "VersionList",
    "WebhookDetail",
    "WebhookList",
    "wait_for_check",
]
