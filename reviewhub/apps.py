from __future__ import annotations

from django.apps import AppConfig


class ReviewHubConfig(AppConfig):
    name = "reviewhub"

    def ready(self) -> None:
        from reviewhub import celery  # noqa: F401  tasks must find the configured app, in web and workers alike
