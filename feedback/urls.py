from __future__ import annotations

from typing import Any

api_urlpatterns: list[Any] = []
urlpatterns: list[Any] = []
