# ruff: noqa: S311
"""Ingest against what the same machine can do at all: a view that only inserts, and COPY.

Starts a PostgreSQL and a Redis of its own. Both sides of a ratio take turns in one run, behind the same
web server with the same options; the median of the rounds counts.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import random
import re
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

CONNECTIONS, SECONDS, ROUNDS = 8, 4.0, 3
# Two web processes of four threads each.
WORKERS = 2
BATCH, BATCHES = 1000, 20
PATH = "/api/v1/predictions/"
CONTRACT = {
    "features": [
        *[{"name": f"amount_{n}", "dtype": "float"} for n in range(20)],
        *[{"name": f"count_{n}", "dtype": "int", "min": 0} for n in range(5)],
        *[{"name": f"kind_{n}", "dtype": "category", "values": ["a", "b", "c"]} for n in range(5)],
    ]
}


def prediction(external_id: str) -> dict[str, Any]:
    """A body with 30 features."""
    features: dict[str, Any] = {f"amount_{n}": random.random() * 1e4 for n in range(20)}
    features |= {f"count_{n}": random.randrange(1000) for n in range(5)}
    features |= {f"kind_{n}": random.choice("abc") for n in range(5)}
    return {"model": "bench", "external_id": external_id, "features": features, "scores": {"no": 0.6, "yes": 0.4}}


def request(path: str, key: str, body: Any) -> bytes:
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def single(port: int, requests: Iterator[bytes]) -> tuple[float, float]:
    """Requests per second over CONNECTIONS keep-alive connections, and the 99th percentile in ms."""
    selector = selectors.DefaultSelector()
    begun: dict[socket.socket, float] = {}
    for _ in range(CONNECTIONS):
        connected = socket.create_connection(("127.0.0.1", port))
        selector.register(connected, selectors.EVENT_READ)
        begun[connected] = time.perf_counter()
        connected.sendall(next(requests))
    times: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        for ready, _ in selector.select(1):
            connected = ready.fileobj
            read_answer(connected)
            now = time.perf_counter()
            times.append(now - begun[connected])
            begun[connected] = now
            connected.sendall(next(requests))
    seconds = time.perf_counter() - started
    for connected in begun:
        connected.close()
    return len(times) / seconds, statistics.quantiles(times, n=100)[98] * 1000


def bulk(port: int, key: str, tag: str) -> float:
    """Rows per second, BATCH a request, over one connection."""
    bodies = [
        request(PATH + "bulk/", key, {"predictions": [prediction(f"{tag}-{n}-{m}") for m in range(BATCH)]})
        for n in range(BATCHES)
    ]
    with socket.create_connection(("127.0.0.1", port)) as connected:
        started = time.perf_counter()
        for body in bodies:
            connected.sendall(body)
            read_answer(connected)
        return BATCH * BATCHES / (time.perf_counter() - started)


def read_answer(connected: socket.socket) -> None:
    """Read one whole answer, of known length or in chunks; stops the benchmark where it is a refusal."""
    answer = connected.recv(65536)
    while b"\r\n\r\n" not in answer:
        answer += connected.recv(65536)
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 20"), answer[:300]
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    while len(content) < int(length.group(1)) if length else not content.endswith(b"0\r\n\r\n"):
        content += connected.recv(65536)


def copy(tag: str) -> float:
    """Rows per second of COPY from Python objects into one table with a primary and a unique key."""
    from django.db import connection

    rows = [[prediction(f"{tag}-{n}-{m}") for m in range(BATCH)] for n in range(BATCHES)]
    with connection.cursor() as cursor:
        started = time.perf_counter()
        for batch in rows:
            lines = (
                f"{row['model']}\t{row['external_id']}\t{json.dumps(row['features'])}\t{json.dumps(row['scores'])}\n"
                for row in batch
            )
            columns = "raw_prediction (model, external_id, features, scores)"
            cursor.cursor.copy_expert(f"COPY {columns} FROM STDIN", io.StringIO("".join(lines)))
        return BATCH * BATCHES / (time.perf_counter() - started)


@contextmanager
def served(application: str, home: Path) -> Iterator[int]:
    """The web server with the product's options and another application; gives its port."""
    from reviewhub.processes import commands

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [*commands(port, CONNECTIONS // WORKERS)["web"][:-1], application]
    command[command.index("--workers") + 1] = str(WORKERS)
    with (home / "web.log").open("ab") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if time.monotonic() > deadline or running.poll() is not None:
                    sys.exit(f"{application} did not start; see {home / 'web.log'}")
                time.sleep(0.05)
        yield port
    finally:
        running.terminate()
        running.wait()


def prepare() -> str:
    """An empty database with one model and the table of the raw side; gives a key."""
    from django.core.management import call_command
    from django.db import connection

    from models_registry import access
    from models_registry.models import DataContract, ModelVersion, RegisteredModel

    call_command("migrate", verbosity=0)
    model = RegisteredModel.objects.create(slug="bench", name="Bench", task="binary", classes=["no", "yes"])
    contract = DataContract.objects.create(model=model, number=1, document=CONTRACT, sha256="0" * 64)
    model.champion = ModelVersion.objects.create(model=model, version="1", contract=contract, state="ready")
    model.save()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE raw_prediction (id bigserial PRIMARY KEY, model text, external_id text, features jsonb,"
            " scores jsonb, received_at timestamptz DEFAULT now(), UNIQUE (model, external_id))"
        )
    return access.create_service_key(name="bench", scopes=["ingest"], created_by="bench")[1]


def told(name: str, unit: str, goal: float, ours: list[float], limit: list[float], **more: float) -> None:
    figure, raw = statistics.median(ours), statistics.median(limit)
    line = {"benchmark": name, "figure": round(figure, 1), "limit": round(raw, 1), "unit": unit}
    line |= {"ratio": round(figure / raw, 3), "goal": goal, "reached": figure / raw >= goal}
    print(json.dumps(line | {key: round(value, 1) for key, value in more.items()}), flush=True)


def numbered(key: str, tag: str) -> Iterator[bytes]:
    """Requests made beforehand, so that making them is not measured."""
    ready = [request(PATH, key, prediction(f"{tag}-{n}")) for n in range(int(SECONDS * 4000))]
    return iter(ready)


def measure(home: Path) -> None:
    key = prepare()
    with ExitStack() as stack:
        product = stack.enter_context(served("reviewhub.wsgi:application", home))
        raw = stack.enter_context(served("benchmarks.raw_insert:application", home))
        sides: dict[str, tuple[int, list[float], list[float]]] = {"raw": (raw, [], []), "ours": (product, [], [])}
        for turn in range(ROUNDS + 1):
            for side, (port, rates, slowest) in sides.items():
                rate, p99 = single(port, numbered(key, f"{side}-{turn}"))
                # The first turn warms both up.
                if turn:
                    rates.append(rate)
                    slowest.append(p99)
        p99s = {f"p99_ms_{side}": statistics.median(slowest) for side, (_, _, slowest) in sides.items()}
        told("ingest.single", "requests/s", 0.5, sides["ours"][1], sides["raw"][1], **p99s)
        rounds: list[tuple[float, float]] = [(bulk(product, key, f"b{n}"), copy(f"c{n}")) for n in range(ROUNDS + 1)]
        told("ingest.bulk", "rows/s", 0.4, [ours for ours, _ in rounds[1:]], [limit for _, limit in rounds[1:]])


def main(run: Callable[[Path], None] = measure) -> None:
    home = tempfile.mkdtemp(prefix="reviewhub-bench-")
    # Registered first, so it runs last: after the services have stopped.
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["REVIEWHUB_HOME"] = home
    os.environ["DJANGO_SETTINGS_MODULE"] = "reviewhub.settings"
    os.environ.pop("DATABASE_URL", None)
    os.environ.pop("REDIS_URL", None)
    from reviewhub import embedded

    embedded.ensure()
    import django

    django.setup()
    run(Path(home))


if __name__ == "__main__":
    main()
