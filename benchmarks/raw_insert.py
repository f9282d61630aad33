# ruff: noqa: S106
"""The limit of a single POST: a Django view that only inserts one row, without middleware, key or checks."""

from __future__ import annotations

import json
import os
from typing import Any

import environ
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path

settings.configure(
    SECRET_KEY="only for measuring",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
    USE_TZ=True,
    DATABASES={
        "default": {
            **environ.Env.db_url_config(os.environ["DATABASE_URL"]),
            "ENGINE": "django.db.backends.postgresql",
            # As the product's: a connection is asked whether it lives before it is used again.
            "CONN_MAX_AGE": 600,
            "CONN_HEALTH_CHECKS": True,
        }
    },
)


def insert(request: HttpRequest) -> JsonResponse:
    body: dict[str, Any] = json.loads(request.body)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO raw_prediction (model, external_id, features, scores) VALUES (%s, %s, %s, %s) RETURNING id",
            [body["model"], body["external_id"], json.dumps(body["features"]), json.dumps(body["scores"])],
        )
        return JsonResponse({"id": cursor.fetchone()[0]}, status=201)


urlpatterns = [path("api/v1/predictions/", insert)]
application = get_wsgi_application()
