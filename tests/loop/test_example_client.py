from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from sklearn.datasets import load_breast_cancer, load_wine

from feedback.models import TrainingRun
from models_registry import access
from models_registry.models import RegisteredModel
from review.models import Prediction

pytestmark = pytest.mark.loop
CLIENT = Path(settings.BASE_DIR) / "examples" / "closed_loop.py"


@pytest.fixture
def tell(
    start_worker: Callable[..., Any], start_web: Callable[[], int], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the example client against real processes, as a reader of the documentation would."""

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        start_worker("--queues", "routing,explain,outbox,training")
        key = access.create_service_key(name="example", scopes=["admin"], created_by="test")[1]
        command = [sys.executable, str(CLIENT), "--url", f"http://127.0.0.1:{start_web()}", "--key", key, *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path)

    return run


def csv_of(loaded: Any, path: Path) -> str:
    table = loaded.frame
    table["target"] = [str(loaded.target_names[number]) for number in loaded.target]
    table.to_csv(path, index=False)
    return str(path)


def test_a_poor_first_version_is_replaced_by_what_was_learnt(
    tell: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
):
    csv = csv_of(load_breast_cancer(as_frame=True), tmp_path / "tumours.csv")
    options = ["--csv", csv, "--target", "target", "--positive", "malignant", "--costs", "5,1", "--slug", "tumours"]
    told = tell(*options, "--rows", "200", "--wrong-labels", "0.8")
    assert told.returncode == 0, told.stdout + told.stderr
    run = TrainingRun.objects.get()
    model = RegisteredModel.objects.get(slug="tumours")
    assert model.champion == run.candidate
    assert model.costs == {"benign": {"malignant": 5.0}, "malignant": {"benign": 1.0}}
    assert "serving version retrained-" in told.stdout
    assert Prediction.objects.filter(model=model).exclude(status__in=["routed", "decided"]).count() == 0


def test_three_classes_go_round_and_the_verdict_is_obeyed(
    tell: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
):
    csv = csv_of(load_wine(as_frame=True), tmp_path / "wines.csv")
    told = tell("--csv", csv, "--target", "target", "--rows", "90", "--train-rows", "80", "--slug", "wines")
    assert told.returncode == 0, told.stdout + told.stderr
    champion = RegisteredModel.objects.get(slug="wines").champion
    assert champion is not None
    assert f"serving version {champion.version}" in told.stdout
    refused = "refused, as it should be" in told.stdout
    assert refused == (champion.version == "1")
    assert re.search(r"gate better_log_loss: (passed|failed|insufficient_data)", told.stdout)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--target", "nothing"], "has no column 'nothing'"),
        (["--target", "target"], "nothing answers at http://127.0.0.1:9"),
    ],
)
def test_a_failure_is_one_clear_line(tmp_path: Path, options: list[str], said: str):
    csv = csv_of(load_breast_cancer(as_frame=True), tmp_path / "tumours.csv")
    command = [sys.executable, str(CLIENT), "--url", "http://127.0.0.1:9", "--key", "rh_x", "--csv", csv, *options]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 1
    assert said in told.stderr.strip().splitlines()[-1]
    assert "Traceback" not in told.stderr
