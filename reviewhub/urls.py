from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

import feedback.urls
import models_registry.urls
import review.urls
from reviewhub import health
from reviewhub.docs import docs

api = [*feedback.urls.api_urlpatterns, *review.urls.api_urlpatterns, *models_registry.urls.api_urlpatterns]

about = [path("schema/", SpectacularAPIView.as_view(), name="schema"), path("docs/", docs, name="docs")]
urlpatterns = [
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", health.metrics),
    path("api/v1/", include([*api, *about])),
    path("", include(feedback.urls)),
    path("", include(review.urls)),
    path("", include(models_registry.urls)),
]

handler400 = "reviewhub.api.bad_request"
handler404 = "reviewhub.api.page_not_found"
handler500 = "reviewhub.api.server_error"
