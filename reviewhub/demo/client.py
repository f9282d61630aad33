"""The demo speaks to ReviewHub as any caller does: over HTTP with a service key."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import urllib3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BULK = 500
PREFETCH = 5


class RefusedError(Exception):
    """The API answered with a problem; the message is its detail and faults."""


class Api:
    def __init__(self, url: str, key: str) -> None:
        self.base = url.rstrip("/") + "/api/v1"
        self.headers = {"Authorization": f"Bearer {key}"}
        self.pool = urllib3.PoolManager(timeout=urllib3.Timeout(90), retries=False)

    def get(self, path: str, **fields: str) -> Any:
        return self._answer(self.pool.request("GET", self.base + path, fields=fields, headers=self.headers))

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {**self.headers, "Content-Type": "application/json"}
        content = json.dumps(body or {}).encode()
        return self._answer(self.pool.request("POST", self.base + path, body=content, headers=headers))

    def upload(self, path: str, fields: dict[str, Any]) -> Any:
        return self._answer(self.pool.request("POST", self.base + path, fields=fields, headers=self.headers))

    def _answer(self, response: urllib3.BaseHTTPResponse) -> Any:
        body = json.loads(response.data) if response.data else None
        if response.status >= 400:
            faults = "; ".join(f"{e['pointer']} {e['message']}" for e in (body or {}).get("errors", []))
            raise RefusedError(f"{response.status} {(body or {}).get('detail', '')} {faults}".strip())
        return body

    def pages(self, path: str, **fields: str) -> Iterator[dict[str, Any]]:
        """Every result of a list, following its cursor."""
        page = self.get(path, **fields)
        while True:
            yield from page["results"]
            if not page["next"]:
                return
            page = self._answer(self.pool.request("GET", page["next"], headers=self.headers))

    def post_predictions(self, bodies: list[dict[str, Any]], progress: Callable[[int], None] = lambda _: None) -> None:
        for start in range(0, len(bodies), BULK):
            self.post("/predictions/bulk/", {"predictions": bodies[start : start + BULK]})
            progress(min(start + BULK, len(bodies)))

    def decide_all(
        self,
        queue: str,
        label_of: Callable[[str], str],
        progress: Callable[[int], None] = lambda _: None,
        *,
        most: int | None = None,
    ) -> int:
        """Claim and decide until the queue is empty or ``most`` are decided; returns how many were decided."""
        decided, path = 0, f"/queues/{queue}/claim/"
        while (most is None or decided < most) and (claim := self.post(path, {"prefetch": PREFETCH})):
            for item in claim["items"]:
                label = label_of(item["prediction"]["external_id"])
                self.post(f"/leases/{item['lease']['token']}/decide/", {"label": label, "seconds_active": 4.0})
                decided += 1
            progress(decided)
        return decided


def wait_until(settled: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Look again until it holds; raises TimeoutError naming what did not."""
    deadline = time.monotonic() + seconds
    while not settled():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} took longer than {seconds:.0f} s; see the logs in the home folder")
        time.sleep(0.2)
