from __future__ import annotations

from typing import Any

import pytest

PATHS = {
    "get": ["queues/%00/", "queues/a%00b/"],
    "post": [
        "queues/%00/claim/",
        "leases/%00/renew/",
        "leases/%00/release/",
        "leases/%00/decide/",
        "decisions/%00/undo/",
        "decisions/%D9%A3/undo/",
        "models/payments/versions/%00/activate/",
        "models/payments/policies/99999999999999999999/activate/",
        "predictions/99999999999999999999999/withdraw/",
    ],
}


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, paths in PATHS.items() for path in paths])
def test_a_path_that_the_database_cannot_store_is_not_found(
    cast: Any, client_with: Any, method: str, path: str
) -> None:
    bodies = {"release": {"reason": "x"}, "withdraw": {"reason": "x"}, "decide": {"label": "ok"}}
    body = next((body for verb, body in bodies.items() if f"/{verb}/" in path), None)

    answer = getattr(client_with("admin"), method)(f"/api/v1/{path}", body, format="json")

    assert answer.status_code == 404
