"""A minimal calling service: serves the champion, sends what it scores, acts on what ReviewHub resolves.

    python examples/service.py --url http://127.0.0.1:8000 --key rh_… --model SLUG

follows the resolutions of a model until Ctrl-C, one line per answer to act on.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator
from typing import Any

import pandas
import requests
import skops.io

TIMEOUT = 90


class RefusedError(Exception):
    """ReviewHub answered with a problem: ``status``, ``code`` and every fault in the message."""

    def __init__(self, response: requests.Response) -> None:
        problem = response.json() if "json" in response.headers.get("Content-Type", "") else {}
        faults = "; ".join(f"{fault['pointer']} {fault['message']}" for fault in problem.get("errors", []))
        where = f"{response.request.method} {response.request.path_url}"
        super().__init__(f"{where}: {response.status_code} {problem.get('detail', response.reason)} {faults}".strip())
        self.status, self.code, self.detail = response.status_code, problem.get("code", ""), problem.get("detail", "")
        self.errors: list[dict[str, str]] = problem.get("errors", [])


class Api:
    """The HTTP API with a service key: JSON in, JSON out."""

    def __init__(self, url: str, key: str) -> None:
        self.base = url.rstrip("/") + "/api/v1"
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {key}"

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        url = path if path.startswith("http") else self.base + path
        response = self.session.request(method, url, timeout=TIMEOUT, **options)
        if response.status_code >= 400:
            raise RefusedError(response)
        return response

    def get(self, path: str, **parameters: Any) -> Any:
        return self.call("GET", path, params=parameters).json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        response = self.call("POST", path, json=body or {})
        return response.json() if response.content else None

    def pages(self, path: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Every result of a list, page after page."""
        page = self.get(path, **parameters)
        while True:
            yield from page["results"]
            if not page["next"]:
                return
            page = self.get(page["next"])


class ExampleService:
    """What stands between ReviewHub and the world: it scores, asks, and does as it is told."""

    def __init__(self, api: Api, model: str) -> None:
        self.api, self.model = api, model
        self.version = ""
        self.sha256: str | None = None
        self.estimator: Any = None
        self.after = "0"
        # What was done about each case, by its external id; the newest answer holds.
        self.acted: dict[str, str] = {}

    def refresh(self) -> bool:
        """Load the champion if it is another one than before; True when it changed."""
        champion = self.api.get(f"/models/{self.model}/champion/")
        if champion["version"] == self.version:
            return False
        sha256 = champion.get("artifact_sha256")
        if sha256 is not None:
            content = self.api.call("GET", f"/artifacts/{sha256}").content
            if hashlib.sha256(content).hexdigest() != sha256:
                raise ValueError(f"the artifact's bytes do not have the hash {sha256}")
            # ReviewHub has refused every type that is not on its own list before this version could be served.
            self.estimator = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
        self.version, self.sha256 = champion["version"], sha256
        return True

    def score(self, records: list[dict[str, Any]]) -> list[dict[str, float]]:
        """The champion's scores of each record, by class."""
        # A null becomes what the model was trained with: not a number.
        table = pandas.DataFrame(records).fillna(float("nan")).infer_objects()
        found = self.estimator.predict_proba(table)
        names = [str(label) for label in self.estimator.classes_]
        return [dict(zip(names, map(float, row), strict=True)) for row in found]

    def act(self) -> list[dict[str, Any]]:
        """Do what the feed of final resolutions says since the last time; returns the new ones."""
        new: list[dict[str, Any]] = []
        more = True
        while more:
            page = self.api.get("/resolutions/", model=self.model, after=self.after)
            for resolution in page["results"]:
                self.acted[resolution["external_id"]] = resolution["disposition"]
            new += page["results"]
            # Kept even when there was nothing: the next look starts where this one ended.
            self.after, more = page["cursor"], page["next"] is not None
        return new


def main() -> int:
    parser = argparse.ArgumentParser(description="Follow the resolutions of a model and act on them.")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key", required=True, help="a service key with the scopes ingest and read")
    parser.add_argument("--model", required=True)
    parser.add_argument("--seconds", type=float, default=2.0, help="pause between two looks")
    options = parser.parse_args()
    service = ExampleService(Api(options.url, options.key), options.model)
    try:
        while True:
            if service.refresh():
                print(f"serving version {service.version} (artifact {service.sha256 or 'none'})")
            for resolution in service.act():
                print(f"{resolution['external_id']}: {resolution['disposition']} (by {resolution['by']})")
            time.sleep(options.seconds)
    except (RefusedError, requests.RequestException) as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
