from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from feedback.models import TrainingRun
from tests.conftest import make_model
from tests.feedback.labelled import labelled_model

pytestmark = pytest.mark.django_db(transaction=True)


def retrain(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("retrain", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_it_prints_one_json_document_with_candidate_and_gates():
    labelled_model("loans", rows=90)
    out, err = retrain("--model", "loans", "--reason", "new labels", "--json")
    body: dict[str, Any] = json.loads(out)
    assert body["status"] == "succeeded"
    assert body["candidate"] == f"retrained-{body['id']}"
    assert {gate["gate"] for gate in body["gates"]} >= {"better_log_loss", "not_worse_cost"}
    assert "training run" in err


def test_nothing_to_fit_is_said_and_is_exit_1(capsys: pytest.CaptureFixture[str]):
    make_model("loans")
    with pytest.raises(SystemExit) as left:
        call_command("retrain", "--model", "loans", "--reason", "new labels")
    assert left.value.code == 1
    assert "nothing to fit" in capsys.readouterr().out


def test_a_dry_run_tells_the_plan_and_changes_nothing():
    make_model("loans")
    out, _ = retrain("--model", "loans", "--reason", "new labels", "--dry-run", "--json")
    assert json.loads(out) == {
        "status": "dry_run", "model": "loans", "champion": "1", "estimator": None, "snapshot": None, "labels": 0
    }  # fmt: skip
    assert not TrainingRun.objects.exists()


@pytest.mark.parametrize("arguments", [["--model", "nothing"], ["--model", "loans", "--snapshot", "7"]])
def test_what_does_not_exist_is_one_line(arguments: list[str]):
    make_model("loans")
    with pytest.raises(CommandError, match=r"there is no model|has no snapshot 7"):
        retrain(*arguments, "--reason", "new labels")
