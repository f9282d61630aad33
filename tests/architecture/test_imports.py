from __future__ import annotations

import subprocess
import sys

import pytest
from django.apps import apps
from django.db import models
from django.urls import URLPattern, URLResolver, get_resolver

STACK = ["models_registry", "review", "feedback"]
HEAVY = ("shap", "sklearn", "pandas", "pyarrow")


def test_the_web_process_never_loads_the_heavy_libraries():
    code = (
        "import sys, django; django.setup(); import reviewhub.urls, reviewhub.wsgi; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert found.stdout.strip() == "[]"


def environment() -> dict[str, str]:
    import os

    return {**os.environ, "DJANGO_SETTINGS_MODULE": "reviewhub.settings"}


def test_foreign_keys_point_to_the_same_app_or_down():
    wrong = []
    for model in apps.get_models():
        if model._meta.app_label not in STACK:
            continue
        for field in model._meta.get_fields():
            if isinstance(field, models.ForeignKey | models.ManyToManyField):
                target = field.related_model._meta.app_label
                if target in STACK and STACK.index(target) > STACK.index(model._meta.app_label):
                    wrong.append(f"{model.__name__}.{field.name}")
    assert wrong == []


def test_migrations_depend_downwards_only():
    from django.db.migrations.loader import MigrationLoader

    wrong = []
    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        for other, _ in migration.dependencies:
            if app in STACK and other in STACK and STACK.index(other) > STACK.index(app):
                wrong.append(f"{app}.{name}")
    assert wrong == []


def api_views(resolver: URLResolver, prefix: str = "") -> list[tuple[str, type]]:
    found = []
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += api_views(pattern, route)
        elif isinstance(pattern, URLPattern) and hasattr(pattern.callback, "cls"):
            found.append((route, pattern.callback.cls))
    return found


@pytest.mark.parametrize(("route", "view"), [pytest.param(*pair, id=pair[0]) for pair in api_views(get_resolver())])
def test_every_api_route_declares_who_may_call_it(route: str, view: type):
    if route.endswith(("schema/", "docs/")):
        return
    scopes = getattr(view, "scopes", {})
    methods = {name for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)}
    assert methods
    assert set(scopes) == methods
