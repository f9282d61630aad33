"""The reliance gap through routing, claims and decisions: the same figure as from arrays of the same reviews."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db.models import F
from django.test import Client

from feedback import gold
from feedback.estimators.reliance import gap, pooled
from feedback.first_answers import answers_of
from feedback.models import OutcomeEvent
from feedback.reliance import randomised, reliance
from models_registry import access
from review import decisions, exposure, queue, routing
from review.models import QueueItem, ReviewDecision, ReviewQueue
from tests.conftest import Cast
from tests.feedback.arms import EFFECT, SHARE, reviews
from tests.review.received import obey, receive

# The acceptance experiment has 3,000.
REVIEWS = int(os.environ.get("RELIANCE_REVIEWS", "200"))
ALL: dict[str, Any] = {
    "review": [{"name": "all", "when": {"field": "confidence", "gte": 0}, "p": 1.0, "kind": "audit"}]
}
URL = "/api/v1/models/payments/reliance/"


@pytest.fixture(autouse=True)
def final(settings: Any) -> None:
    """No answer can be undone: each is counted at once."""
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}


def _policy(share: float = SHARE) -> dict[str, Any]:
    return {**ALL, "audit_floor": 0.05, "blind_share": share}


def _route(cast: Cast, count: int, *, first: int = 0, share: float = SHARE) -> None:
    obey(cast.model, _policy(share))
    receive(cast.model, count, first=first)
    while routing.route_batch(limit=500):
        pass


def _decide_all(cast: Cast, answer: Any, people: tuple[Any, ...] | None = None) -> None:
    """Everybody claims in turn and answers; ``answer`` says whether they agree, from the item."""
    line = ReviewQueue.objects.get(slug="payments")
    team = [access.principal_of_user(person) for person in people or (cast.alice, cast.bob)]
    place = 0
    while True:
        who = team[place % len(team)]
        taken = queue.claim(queue=line, models=[cast.model], holder=who.pseudonym, count=20)
        if not taken:
            return
        for item in taken:
            agrees = answer(item, who)
            decisions.decide(token=item.lease_token, principal=who, label="ok" if agrees else "fraud")
        place += 1


@pytest.fixture
def reviewed(cast: Cast) -> dict[str, np.ndarray]:
    """Reviews through the steps; what the arrays say of them, by the number of the prediction."""
    _route(cast, REVIEWS)
    made = reviews(np.random.default_rng(14), REVIEWS)
    hidden = np.zeros(REVIEWS, bool)
    agree = np.zeros(REVIEWS, bool)
    who_said = np.empty(REVIEWS, object)

    def answer(item: QueueItem, who: access.Principal) -> bool:
        number = int(item.prediction.external_id.removeprefix("r-"))
        # The arm is the one that routing drew; who is shown nothing answers by themselves.
        hidden[number] = item.is_drawn_blind
        agree[number] = made.would[number] if hidden[number] else made.agree[number] or made.would[number]
        if not hidden[number] and made.hidden[number]:
            agree[number] = made.would[number] or number % 3 == 0
        who_said[number] = who.pseudonym
        return bool(agree[number])

    _decide_all(cast, answer)
    return {"hidden": hidden, "agree": agree, "who": who_said}


def test_the_steps_give_the_figure_of_the_arrays(cast: Cast, reviewed: dict[str, np.ndarray]) -> None:
    found = reliance(model=cast.model)
    one = gap(reviewed["agree"], reviewed["hidden"], np.zeros(REVIEWS))
    assert found["gap"]["shown"]["n"] + found["gap"]["hidden"]["n"] == REVIEWS
    ends = (found["gap"]["estimate"], found["gap"]["low"], found["gap"]["high"])
    assert ends == pytest.approx((one.point, one.low, one.high), abs=1e-12)
    assert reviewed["hidden"].mean() == pytest.approx(SHARE, abs=4 * np.sqrt(SHARE * (1 - SHARE) / REVIEWS))
    by_person = pooled(reviewed["agree"], reviewed["hidden"], np.zeros(REVIEWS), reviewed["who"])
    assert {row["reviewer"]: row["estimate"] for row in found["reviewers"]} == pytest.approx(
        {name: person.point for name, person in by_person.items()}, abs=1e-12
    )
    assert found["gap"]["low"] <= EFFECT + 0.25
    told = {name: (arm["items"], arm["answered"], arm["otherwise"]) for name, arm in found["arms"].items()}
    count = int(reviewed["hidden"].sum())
    assert told == {"shown": (REVIEWS - count,) * 2 + (0,), "hidden": (count,) * 2 + (0,)}


def test_an_answer_that_is_undone_after_the_model_was_seen_stays_the_first(cast: Cast, settings: Any) -> None:
    _route(cast, 40, share=0.5)
    _decide_all(cast, lambda item, who: False)
    before = reliance(model=cast.model)["gap"]
    final = settings.REVIEWHUB
    settings.REVIEWHUB = {**final, "UNDO_SECONDS": 1800}
    for made in ReviewDecision.objects.filter(kind="decision"):
        decisions.undo(decision=made, principal=access.principal_of_user(cast.erin))
    settings.REVIEWHUB = final
    assert reliance(model=cast.model)["gap"] == before
    _decide_all(cast, lambda item, who: True)
    assert reliance(model=cast.model)["gap"] == before
    assert before["shown"]["agree"] == before["hidden"]["agree"] == 0


def test_shares_that_changed_are_compared_each_within_its_own_policy(cast: Cast) -> None:
    # Easy cases came while little was blind, hard ones while much was: nobody relies on anything.
    _route(cast, 160, share=0.1)
    _route(cast, 100, first=160, share=0.6)

    def answer(item: QueueItem, who: access.Principal) -> bool:
        number = int(item.prediction.external_id.removeprefix("r-"))
        return number % 20 != 0 if number < 160 else number % 5 < 3

    _decide_all(cast, answer)
    found = reliance(model=cast.model)
    rows, _ = randomised(answers_of(cast.model))
    plain = gap(rows.agree, rows.hidden, np.zeros(rows.kind.size))
    assert plain.low is not None
    assert plain.low > 0
    assert found["gap"]["low"] <= 0 <= found["gap"]["high"]
    assert found["naive"]["estimate"] == pytest.approx(plain.point)


def test_times_in_which_the_queue_itself_is_blind_are_left_out(cast: Cast) -> None:
    _route(cast, 40, share=0.4)
    _decide_all(cast, lambda item, who: not item.is_drawn_blind)
    before = reliance(model=cast.model)
    ReviewQueue.objects.filter(slug="payments").update(mode="blind")
    _route(cast, 20, first=40, share=0.4)
    _decide_all(cast, lambda item, who: True)
    found = reliance(model=cast.model)
    # The hidden ones between the last shown answer and the first of the blind queue still count as before.
    assert found["gap"]["shown"]["n"] == before["gap"]["shown"]["n"]
    assert found["gap"]["hidden"]["n"] - before["gap"]["hidden"]["n"] <= 6
    assert [row["mode"] for row in found["modes"]] == ["assisted"]


def test_the_gap_is_split_by_whether_the_model_proved_right(cast: Cast) -> None:
    _route(cast, 120, share=0.5)
    _decide_all(cast, lambda item, who: not item.is_drawn_blind or item.pk % 2 == 0)
    for item in QueueItem.objects.select_related("prediction"):
        truth = "ok" if int(item.prediction.external_id[2:]) % 4 else "fraud"
        gold.set_gold(prediction=item.prediction, value=truth, actor="dana")
    found = reliance(model=cast.model)
    parts = found["by_truth"]
    assert parts["sources"] == {"outcome": 0, "gold": 120, "adjudication": 0}
    assert parts["depends_on_answers"] is False
    sizes = [parts[name][arm]["n"] for name in ("right", "wrong") for arm in ("shown", "hidden")]
    assert sum(sizes) == 120
    assert sum(sizes[:2]) == 90
    assert parts["right"]["estimate"] is not None
    assert found["gold"]["basis"] == "draw"
    assert found["gold"]["under_reliance"]["estimate"] == pytest.approx(-parts["right"]["estimate"])
    # Who said what is true has proved nothing by answering so.
    gold.set_gold(prediction=item.prediction, value="fraud" if truth == "ok" else "ok", actor="alice")
    gold.set_gold(prediction=item.prediction, value=truth, actor="bob")
    sources = reliance(model=cast.model)["by_truth"]["sources"]
    assert sources["gold"] in (119, 120)


def test_truths_that_may_follow_from_answers_are_named_so(cast: Cast) -> None:
    _route(cast, 20, share=0.5)
    _decide_all(cast, lambda item, who: True)
    item = QueueItem.objects.select_related("prediction").first()
    definition = cast.model.definitions.get()
    event = OutcomeEvent.objects.create(
        model=cast.model, prediction=item.prediction, value="fraud", source="bank", kind="explicit",
        definition=definition, observed_at=item.enqueued_at,
    )  # fmt: skip
    cast.model.labels.create(
        prediction=item.prediction, source="outcome", value="fraud", definition=definition, selection="outcome",
        outcome=event, observed_at=item.enqueued_at,
    )  # fmt: skip
    assert reliance(model=cast.model)["by_truth"]["depends_on_answers"] is True
    cast.model.outcomes_complete_for, cast.model.outcomes_horizon_days = "all", 30
    cast.model.save()
    assert reliance(model=cast.model)["by_truth"]["depends_on_answers"] is False


def test_people_who_answer_first_are_told_what_they_made_of_the_model(cast: Cast) -> None:
    ReviewQueue.objects.filter(slug="payments").update(mode="blind_first")
    _route(cast, 6, share=0.0)
    rows = [("fraud", "ok", "ok"), ("fraud", "fraud", "ok"), ("fraud", "ok", "fraud"), ("fraud", "fraud", "fraud")]
    who, line = access.principal_of_user(cast.alice), ReviewQueue.objects.get(slug="payments")
    for first, final, truth in rows:
        [item] = queue.claim(queue=line, models=[cast.model], holder=who.pseudonym)
        exposure.first_answer(token=item.lease_token, principal=who, label=first)
        decisions.decide(token=item.lease_token, principal=who, label=final)
        gold.set_gold(prediction=item.prediction, value=truth, actor="dana")
    found = reliance(model=cast.model)["answer_first"]
    assert [(found[name]["k"], found[name]["n"]) for name in ("rair", "rsr")] == [(1, 2), (1, 2)]


def test_leads_see_every_reviewer_and_others_themselves(cast: Cast, client: Client, client_with: Any) -> None:
    _route(cast, 40, share=0.5)
    _decide_all(cast, lambda item, who: True)
    own = access.principal_of_user(cast.alice).pseudonym
    other = access.principal_of_user(cast.bob).pseudonym
    admin = client_with("admin").get(URL).json()
    assert [row["reviewer"] for row in admin["reviewers"]] == sorted([own, other])
    assert client_with("read").get(URL).json()["reviewers"] == []
    for person, seen in ((cast.alice, [own]), (cast.erin, sorted([own, other])), (cast.dana, [])):
        client.force_login(person)
        assert [row["reviewer"] for row in client.get(URL).json()["reviewers"]] == seen
        page = client.get("/models/payments/reliance/")
        assert page.status_code == 200
        assert [one in page.content.decode() for one in (own, other)] == [one in seen for one in (own, other)]
        table = client.get("/models/payments/reliance/?format=csv&table=reviewers").content.decode()
        assert [one in table for one in (own, other)] == [one in seen for one in (own, other)]
    client.force_login(cast.mallory)
    assert client.get(URL).status_code == client.get("/models/payments/reliance/").status_code == 404


@pytest.mark.parametrize("query", ["from=x", "from=2026-02-01&to=2026-01-01", "sort=gap", "to=2026-01-01T00:00"])
def test_what_is_no_window_is_refused(cast: Cast, client_with: Any, query: str) -> None:
    assert client_with("read").get(f"{URL}?{query}").status_code == 400


def test_a_window_holds_the_items_that_came_in_it(cast: Cast, client_with: Any) -> None:
    _route(cast, 20)
    _decide_all(cast, lambda item, who: True)
    QueueItem.objects.filter(prediction__external_id="r-3").update(enqueued_at=F("enqueued_at") - timedelta(days=100))
    arms = client_with("read").get(URL).json()["arms"]
    assert arms["shown"]["items"] + arms["hidden"]["items"] == 19
    arms = client_with("read").get(f"{URL}?from=2000-01-01").json()["arms"]
    assert arms["shown"]["items"] + arms["hidden"]["items"] == 20
