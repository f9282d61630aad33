"""Models are looked into by a child process that has limits, a clock, no secrets, and cannot hurt its parent."""

from __future__ import annotations

import os
import signal

import pytest

from models_registry import artifacts
from tests.models_registry import model_makers

MEMORY = 3 * 1024**3
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path, settings):
    settings.REVIEWHUB = {**settings.REVIEWHUB, "HOME": tmp_path}


@pytest.fixture
def stored():
    table = model_makers.rows()
    content = model_makers.as_skops(model_makers.fitted(model_makers.pipeline(), table))
    return artifacts.store(content, kind="model").sha256


def records(count: int = 5) -> list[dict]:
    return model_makers.rows(count, seed=1).drop(columns="label").to_dict("records")


def ask(stored: str, **changes):
    arguments = {"contract": model_makers.CONTRACT, "classes": model_makers.CLASSES, "rows": records(), **changes}
    return artifacts.run("score", seconds=60, memory_bytes=MEMORY, files={"artifact": stored}, **arguments)


def test_scores_come_back_in_the_registered_order_of_classes(stored):
    table = model_makers.rows()
    model = model_makers.fitted(model_makers.pipeline(), table)
    expected = model.predict_proba(model_makers.rows(5, seed=1).drop(columns="label"))
    assert list(model.classes_) == ["fraud", "ok"]
    with artifacts.Child(memory_bytes=MEMORY, files={"artifact": stored}) as child:
        scores, swapped = (
            child.call("score", seconds=60, contract=model_makers.CONTRACT, classes=classes, rows=records())
            for classes in (model_makers.CLASSES, model_makers.CLASSES[::-1])
        )
    assert [row[1] for row in scores] == pytest.approx(expected[:, 0].tolist(), abs=1e-12)
    assert [row[0] for row in swapped] == [row[1] for row in scores]


def test_the_child_is_limited_and_sees_no_secret(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "x" * 40)
    found = artifacts.run("limits", seconds=20, memory_bytes=MEMORY)
    assert found["memory_bytes"] == MEMORY
    assert found["cpu_seconds"] == 20 + artifacts.CPU_MARGIN_SECONDS
    assert found["file_bytes"] < 10**8
    assert found["session"] is True
    assert {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE"}.isdisjoint(found["environment"])


def test_a_name_means_one_function_only():
    artifacts.offer("explain", artifacts._offered["explain"])
    for name in ("fit", "explain"):
        with pytest.raises(ValueError, match="already has"):
            artifacts.offer(name, "os:system")


def test_a_function_that_is_not_on_the_list_is_not_called():
    for name in ("os:system", "models_registry.child:main", ""):
        with pytest.raises(artifacts.ChildFailed, match="is not a function") as caught:
            artifacts.run(name, seconds=20, memory_bytes=MEMORY)
        assert caught.value.code == "failed"


def test_a_call_past_its_time_is_killed_and_said_to_be(stored):
    child = artifacts.Child(memory_bytes=MEMORY, files={"artifact": stored})
    with pytest.raises(artifacts.ChildFailed, match="took longer") as caught:
        child.call("score", seconds=0.05, contract=model_makers.CONTRACT, classes=["ok", "fraud"], rows=records())
    assert caught.value.code == "timed_out"
    assert not child.alive
    with pytest.raises(artifacts.ChildFailed) as caught:
        child.call("limits", seconds=5)
    assert caught.value.code == "died"


def test_a_child_that_crashes_is_reported_and_the_parent_lives(stored):
    child = artifacts.Child(memory_bytes=MEMORY, files={"artifact": stored})
    assert child.call("limits", seconds=20)["session"]
    os.kill(child._process.pid, signal.SIGSEGV)
    with pytest.raises(artifacts.ChildFailed, match="SIGSEGV") as caught:
        child.call("limits", seconds=20)
    assert caught.value.code == "died"
    assert artifacts.run("limits", seconds=20, memory_bytes=MEMORY)["session"]


def test_a_model_that_needs_more_memory_than_allowed_is_refused_in_a_sentence(stored):
    with pytest.raises(artifacts.ChildFailed) as caught:
        artifacts.run(
            "score",
            seconds=60,
            memory_bytes=600 * 1024**2,
            files={"artifact": stored},
            contract=model_makers.CONTRACT,
            classes=model_makers.CLASSES,
            rows=records(1) * 400_000,
        )
    assert caught.value.code in ("out_of_memory", "died")


def test_one_child_answers_several_calls(stored):
    with artifacts.Child(memory_bytes=MEMORY, files={"artifact": stored}) as child:
        arguments = {"contract": model_makers.CONTRACT, "classes": model_makers.CLASSES}
        first = child.call("score", seconds=60, rows=records(), **arguments)
        again = child.call("score", seconds=60, rows=records(), **arguments)
        assert first == again
        assert child.call("score", seconds=60, rows=[], **arguments) == []
        home = child._home
    assert not child.alive
    assert not os.path.exists(home)


def test_a_model_that_prints_does_not_disturb_the_answers():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    table = model_makers.rows()
    steps = [("same", FunctionTransformer()), ("model", LogisticRegression(verbose=0))]
    model = Pipeline(steps, verbose=False).fit(table[["amount", "age"]], table["label"])
    model.verbose = True
    sha256 = artifacts.store(model_makers.as_skops(model), kind="model").sha256
    assert len(ask(sha256, contract=model_makers.NUMBERS)) == 5


def test_the_child_refuses_a_file_whose_bytes_have_changed(stored):
    path = artifacts.path_of(stored)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(artifacts.ChildFailed) as caught:
        ask(stored)
    assert caught.value.code == "artifact_damaged"
