"""The whole loop with a model of your own, on any CSV: predict, review, act, learn, promote.

    python examples/closed_loop.py --key rh_… --csv german_credit.csv --target credit --positive 2 --costs 5,1

The key needs the scope ``admin`` (`python manage.py create_service_key example --scope admin`). The last
``--rows`` rows play the live traffic of the past weeks; a scikit-learn pipeline is trained on a few of the
others, as a young product's is, so that there is something to learn (``--train-rows`` gives it more).
The reviewer of this story knows the truth, so every step can be checked. One clear line and exit 1 if one fails.
"""

from __future__ import annotations

import argparse
import io
import json
import secrets
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas
import requests
import skops.io
from service import Api, ExampleService, RefusedError
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

PATIENCE_SECONDS = 300
MAX_LISTED_VALUES = 200
BULK = 100
FEWEST_TO_TRAIN = 50
# The traffic is placed between these days ago, so that by now every outcome could have been seen.
FIRST_DAY, LAST_DAY, OUTCOME_DAYS = 60, 10, 7
POLICY: dict[str, Any] = {
    "review": [
        {"name": "low_confidence", "when": {"field": "confidence", "lt": 0.7}, "p": 1.0, "kind": "gate", "priority": 5}
    ],
    "sampling": {"kind": "uniform", "budget": 0.4},
    "audit_floor": 0.1,
    "hold": {"timeout_seconds": 86400, "on_timeout": "refuse"},
}


class FailedError(Exception):
    """A step of the story did not come out as it should."""


@dataclass
class Case:
    """The customer's side: rows to train on, rows that will arrive, and what they truly are."""

    features: list[str]
    contract: dict[str, Any]
    classes: list[str]
    positive: str | None
    training: pandas.DataFrame
    training_labels: pandas.Series
    traffic: list[dict[str, Any]]
    truth: list[str]


def say(text: str) -> None:
    print(text, flush=True)


def step(number: int, title: str) -> None:
    say(f"\n{number}. {title}")


def read_case(options: argparse.Namespace) -> Case:
    """Rows shuffled once, because a file may be sorted by its target."""
    table = pandas.read_csv(options.csv)
    if options.target not in table.columns:
        raise FailedError(f"{options.csv} has no column {options.target!r}; it has {', '.join(table.columns)}")
    table = table.dropna(subset=[options.target]).sample(frac=1.0, random_state=0).reset_index(drop=True)
    labels, features = table.pop(options.target).map(str), list(table.columns)
    classes = sorted(labels.unique())
    if len(classes) < 2 or len(table) < options.rows + FEWEST_TO_TRAIN:
        needed = f"needs 2 classes and {options.rows + FEWEST_TO_TRAIN} rows"
        raise FailedError(f"{options.csv} has {len(table)} rows of {len(classes)} classes: {needed}")
    positive = options.positive or (classes[-1] if len(classes) == 2 else None)
    if positive is not None and positive not in classes:
        raise FailedError(f"--positive {positive!r} is none of the classes {', '.join(classes)}")
    described = [describe(table[name]) for name in features]
    # Flags stay true and false; everything else that is no number is text.
    for feature in described:
        if feature["dtype"] in ("category", "text"):
            table[feature["name"]] = table[feature["name"]].map(str, na_action="ignore")
    trained_on = min(options.train_rows, len(table) - options.rows)
    training, traffic = table.iloc[:trained_on], table.iloc[-options.rows :]
    return Case(
        features=features,
        contract={"features": described},
        classes=classes,
        positive=positive,
        training=training,
        training_labels=spoiled(labels.iloc[:trained_on], options.wrong_labels),
        traffic=json.loads(traffic.to_json(orient="records", double_precision=15)),
        truth=labels.iloc[-options.rows :].tolist(),
    )


def spoiled(labels: pandas.Series, share: float) -> pandas.Series:
    """The labels with a share of them exchanged among each other: a version 1 that has much to learn."""
    chosen = labels.sample(frac=share, random_state=0)
    shuffled = labels.copy()
    shuffled[chosen.index] = chosen.sample(frac=1.0, random_state=1).to_numpy()
    return shuffled


def describe(column: pandas.Series) -> dict[str, Any]:
    """A column as the data contract names it."""
    described: dict[str, Any] = {"name": column.name, "nullable": bool(column.isna().any())}
    if pandas.api.types.is_bool_dtype(column):
        return {**described, "dtype": "bool"}
    if pandas.api.types.is_numeric_dtype(column):
        return {**described, "dtype": "int" if pandas.api.types.is_integer_dtype(column) else "float"}
    values = sorted(column.dropna().map(str).unique())
    if len(values) > MAX_LISTED_VALUES:
        return {**described, "dtype": "text"}
    return {**described, "dtype": "category", "values": values}


def train(case: Case) -> Any:
    """One-hot for categories, median and scale for numbers, logistic regression."""
    numbers = [f["name"] for f in case.contract["features"] if f["dtype"] in ("int", "float")]
    others = [name for name in case.features if name not in numbers]
    fill_and_scale = Pipeline([("fill", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    prepare = ColumnTransformer(
        [("categories", OneHotEncoder(handle_unknown="ignore"), others), ("numbers", fill_and_scale, numbers)]
    )
    pipeline = Pipeline([("prepare", prepare), ("classify", LogisticRegression(max_iter=2000))])
    return pipeline.fit(case.training, case.training_labels)


def register(api: Api, case: Case, slug: str, costs: tuple[float, float]) -> None:
    """The model with its costs, and its first version with contract, artifact and reference rows."""
    body: dict[str, Any] = {
        "slug": slug,
        "name": slug.replace("-", " ").capitalize(),
        "task": "binary" if len(case.classes) == 2 else "multiclass",
        "classes": case.classes,
        "outcomes": {"complete_for": "all", "horizon_days": OUTCOME_DAYS},
    }
    if case.positive is not None and len(case.classes) == 2:
        negative = next(name for name in case.classes if name != case.positive)
        missed, alarm = costs
        body["positive_class"] = case.positive
        body["costs"] = {negative: {case.positive: missed}, case.positive: {negative: alarm}}
        body["disposition_of"] = {negative: "proceed", case.positive: "refuse"}
    api.post("/models/", body)
    say(f"   registered {slug!r} with the classes {', '.join(case.classes)}")
    reference = case.training.assign(label=case.training_labels).to_csv(index=False)
    files = {
        "artifact": ("model.skops", skops.io.dumps(train(case))),
        "reference": ("reference.csv", reference.encode()),
    }
    texts = {"version": "1", "contract": json.dumps(case.contract)}
    version = api.call("POST", f"/models/{slug}/versions/", data=texts, files=files).json()
    say(f"   version 1: {version['state']}, {len(case.training)} reference rows, {len(case.features)} features")


def activate(api: Api, slug: str) -> None:
    number = api.post(f"/models/{slug}/policies/", POLICY)["number"]
    api.post(f"/models/{slug}/policies/{number}/activate/")
    api.post(f"/models/{slug}/versions/1/activate/")
    say(f"   policy {number} routes, version 1 is champion")


def send(api: Api, case: Case, slug: str, scores: list[dict[str, float]]) -> list[dict[str, Any]]:
    """POST every row as a prediction, then wait until all are routed."""
    now = datetime.now(UTC)
    spread = (FIRST_DAY - LAST_DAY) / len(case.traffic)
    bodies = [
        {
            "model": slug,
            "external_id": f"case-{number:04}",
            "features": record,
            "scores": scored,
            "occurred_at": (now - timedelta(days=FIRST_DAY - number * spread)).isoformat(),
        }
        for number, (record, scored) in enumerate(zip(case.traffic, scores, strict=True))
    ]
    for start in range(0, len(bodies), BULK):
        api.post("/predictions/bulk/", {"predictions": bodies[start : start + BULK]})
    deadline = time.monotonic() + PATIENCE_SECONDS
    while list(api.pages("/predictions/", model=slug, status="received")):
        wait(deadline, "routing")
    return list(api.pages("/predictions/", model=slug, page_size=200))


def wait(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise FailedError(f"{what} took longer than {PATIENCE_SECONDS} seconds; are the workers running?")
    time.sleep(0.5)


def show_routing(routed: list[dict[str, Any]]) -> None:
    kinds = Counter(row["review"] for row in routed)
    say(f"   {len(routed)} routed: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    for row in [row for row in routed if row["review"] != "none"][:5]:
        reasons = ", ".join(row["reasons"])
        say(f"   {row['external_id']}  {row['review']:5}  propensity {row['propensity']:.2f}  {reasons}")


def review(api: Api, slug: str, truth: dict[str, str]) -> int:
    """Claim and decide until the queue is empty."""
    decided = agreed = 0
    while claim := api.post(f"/queues/{slug}/claim/", {"prefetch": 5}):
        for item in claim["items"]:
            prediction, token = item["prediction"], item["lease"]["token"]
            label = truth[prediction["external_id"]]
            api.post(f"/leases/{token}/decide/", {"label": label, "seconds_active": 5.0})
            decided, agreed = decided + 1, agreed + (label == prediction["predicted"])
    say(f"   {decided} decided, {agreed} of them as the model had said")
    return decided


def act(service: ExampleService, expected: int) -> None:
    service.act()
    done = Counter(service.acted.values())
    say("   the calling service: " + ", ".join(f"{count} × {name}" for name, count in sorted(done.items())))
    if len(service.acted) != expected:
        raise FailedError(f"{expected} cases were sent and {len(service.acted)} have an answer")


def send_outcomes(api: Api, slug: str, truth: dict[str, str]) -> None:
    """Weeks later everybody knows what each case was."""
    now = datetime.now(UTC).isoformat()
    known = [
        {"model": slug, "external_id": name, "value": value, "observed_at": now, "source": "ledger", "kind": "explicit"}
        for name, value in truth.items()
    ]
    for start in range(0, len(known), BULK):
        api.post("/outcomes/bulk/", {"outcomes": known[start : start + BULK]})
    say(f"   {len(known)} outcomes sent")


def snapshot(api: Api, slug: str) -> str:
    made = api.post(f"/models/{slug}/snapshots/")
    manifest = finished(api, f"/models/{slug}/snapshots/{made['id']}/", "the snapshot", {"ready", "failed"})
    if manifest["status"] != "ready":
        raise FailedError(f"the snapshot failed: {manifest}")
    parts = manifest["parts"] if isinstance(manifest["parts"], int) else len(manifest["parts"])
    path = f"/models/{slug}/snapshots/{made['id']}/parts"
    tables = [pandas.read_parquet(io.BytesIO(api.call("GET", f"{path}/{n}").content)) for n in range(parts)]
    rows = pandas.concat(tables)
    if len(rows) != manifest["row_count"]:
        raise FailedError(f"the manifest says {manifest['row_count']} rows, the parts have {len(rows)}")
    sources = rows.groupby(["label_source", "split"]).size()
    say(f"   snapshot {made['id']}: {len(rows)} rows, content {manifest['sha256'][:12]}…")
    for (source, split), count in sources.items():
        say(f"     {source} / {split}: {count}")
    return str(made["id"])


def read_labels(api: Api, slug: str) -> None:
    response = api.call("GET", f"/models/{slug}/labels/", headers={"Accept": "text/csv"})
    labels = pandas.read_csv(io.StringIO(response.text))
    say(f"   {len(labels)} labels; the first:")
    for row in labels.head(3).to_dict("records"):
        weight = "none" if pandas.isna(row["weight"]) else f"{row['weight']:.2f}"
        say(
            f"   {row['external_id']}  {row['label']}  from {row['label_source']} ({row['selection']}), weight {weight}"
        )


def finished(api: Api, path: str, what: str, ends: set[str]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found: dict[str, Any] = api.get(path)
        if found["status"] in ends:
            return found
        wait(deadline, what)


def retrain(api: Api, slug: str, snapshot_id: str) -> dict[str, Any]:
    run = api.post(f"/models/{slug}/retrainings/", {"snapshot": snapshot_id, "reason": "labels of the first weeks"})
    path = f"/models/{slug}/retrainings/{run['id']}/"
    run = finished(api, path, "retraining", {"succeeded", "failed", "cancelled"})
    if run["status"] != "succeeded":
        raise FailedError(f"retraining {run['status']}: {run['failure']}")
    weights, metrics = run["weights"], run["metrics"]
    worth = f"{weights['rows']} labels worth {weights['ess']:.0f}, gamma {weights['gamma']}"
    say(f"   candidate {run['candidate']}: {worth}")
    for name in ("champion", "candidate"):
        figures = ", ".join(f"{loss} {value:.4f}" for loss, value in (metrics[name] or {}).items())
        say(f"   {name:9} on {metrics['rows']} held-out rows: {figures}")
    for gate in run["gates"]:
        say(f"   gate {gate['gate']}: {gate['verdict']} ({gate['reason']})")
    return run


def promote(api: Api, slug: str, candidate: str) -> bool:
    try:
        api.post(f"/models/{slug}/promotions/", {"version": candidate, "reason": "the gates passed"})
    except RefusedError as refusal:
        if refusal.status != 409:
            raise
        say(f"   refused, as it should be: {refusal.detail}")
        for fault in refusal.errors:
            say(f"   {fault['pointer']} {fault['code']}")
        return False
    say(f"   {candidate} is the champion now")
    return True


def serve(service: ExampleService, case: Case, expected: str) -> None:
    service.refresh()
    if service.version != expected:
        raise FailedError(f"serving has version {service.version!r} and should have {expected!r}")
    scores = service.score(case.traffic[:1])[0]
    shown = ", ".join(f"{name} {score:.3f}" for name, score in scores.items())
    say(f"   serving version {service.version}, artifact {(service.sha256 or '')[:12]}… verified")
    say(f"   the first case: {shown}")


def tell(options: argparse.Namespace) -> None:
    case = read_case(options)
    slug = options.slug or f"{Path(options.csv).stem.replace('_', '-').lower()[:40]}-{secrets.token_hex(3)}"
    api, reviewer = Api(options.url, options.key), Api(options.url, options.reviewer_key or options.key)
    service = ExampleService(api, slug)
    truth = {f"case-{number:04}": label for number, label in enumerate(case.truth)}
    step(1, "Register a model and its first version")
    register(api, case, slug, options.costs)
    step(2, "Publish a policy and activate")
    activate(api, slug)
    step(3, f"POST {len(case.traffic)} predictions")
    service.refresh()
    show_routing(send(api, case, slug, service.score(case.traffic)))
    step(4, "Claim and decide what waits for a person")
    review(reviewer, slug, truth)
    step(5, "Read the resolutions and act on them")
    act(service, len(case.traffic))
    step(6, "Send outcomes, read labels, take a snapshot")
    send_outcomes(api, slug, truth)
    snapshot_id = snapshot(api, slug)
    read_labels(api, slug)
    step(7, "Retrain")
    run = retrain(api, slug, snapshot_id)
    step(8, "Promote")
    promoted = promote(api, slug, run["candidate"])
    step(9, "Serve the champion")
    serve(service, case, run["candidate"] if promoted else "1")


def two_costs(text: str) -> tuple[float, float]:
    try:
        missed, alarm = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not two numbers such as 5,1") from None
    return missed, alarm


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key", "--admin-key", required=True, help="a service key with the scope admin")
    parser.add_argument("--reviewer-key", help="a key with the scope review, if a credential of its own should decide")
    parser.add_argument("--csv", required=True)
    parser.add_argument("--target", required=True, help="the column to predict")
    parser.add_argument("--positive", help="the class that is to be found, for two classes")
    parser.add_argument(
        "--costs", type=two_costs, default=(1.0, 1.0), metavar="FN,FP", help="of missing one, of a false alarm"
    )
    parser.add_argument("--rows", type=int, default=300, help="how many rows play the live traffic")
    parser.add_argument("--train-rows", type=int, default=150, help="how many rows version 1 is trained on")
    parser.add_argument(
        "--wrong-labels", type=float, default=0.0, metavar="SHARE", help="share of them whose labels are mixed up"
    )
    parser.add_argument("--slug", help="name of the model; default: from the file, with a random end")
    options = parser.parse_args()
    try:
        tell(options)
    except requests.ConnectionError:
        print(f"\nfailed: nothing answers at {options.url}; is ReviewHub running there?", file=sys.stderr)
        return 1
    except (FailedError, RefusedError, requests.RequestException, OSError, ValueError) as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
