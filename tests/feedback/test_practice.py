"""Practice: known cases with the keys taught one by one, each answer told, and nothing of it is a decision."""

from __future__ import annotations

import pytest
from django.test import Client

from feedback import gold, practice
from feedback.models import PracticeAnswer
from models_registry import access
from models_registry.errors import Conflict
from models_registry.models import RegisteredModel
from review.models import Lease, Prediction, ReviewDecision
from tests.conftest import Cast, make_model
from tests.feedback.cases import make_case

PAGE = "/practice/payments/"


def keep(model: RegisteredModel, name: str, *, score: float = 0.8, right: bool = True) -> Prediction:
    made = make_case(model, name, review="none", scores=[score, 1 - score])
    gold.set_gold(prediction=made, value=model.classes[0 if right else 1], actor="erin", practice=True)
    return made


@pytest.fixture
def bob(cast: Cast, client: Client) -> Client:
    client.force_login(cast.bob)
    return client


def test_cases_come_easy_ones_first_and_half_of_them_with_the_model_wrong(cast: Cast) -> None:
    for place in range(10):
        keep(cast.model, f"r-{place}", score=0.6 + place / 100)
        keep(cast.model, f"w-{place}", score=0.6 + place / 100, right=False)
    names = [case.prediction.external_id for case in practice.cases_of(cast.model)]
    assert names == [*(f"r-{9 - place}" for place in range(6)), *(f"w-{9 - place}" for place in range(6))]


def test_cases_among_real_ones_are_none_for_practice(cast: Cast) -> None:
    made = make_case(cast.model, "real", review="none")
    gold.set_gold(prediction=made, value="ok", actor="erin")
    assert practice.cases_of(cast.model) == []
    with pytest.raises(Conflict):
        practice.answer(prediction=made, reviewer="r", label="ok")


def test_a_reviewer_goes_through_them_and_is_told_each_time(bob: Client, cast: Cast) -> None:
    keep(cast.model, "easy", score=0.9)
    keep(cast.model, "hard", score=0.9, right=False)
    text = bob.get(PAGE).content.decode()
    assert "case 1 of 2" in text
    assert "There are only 2 so far" in text
    assert "One key is one answer" in text
    assert 'value="agree"' not in text
    told = bob.post(f"{PAGE}answer/", {"case": 0, "answer": "label:0"}, follow=True).content.decode()
    assert "Right: ok" in told
    text = bob.get(PAGE).content.decode()
    assert "case 2 of 2" in text
    assert 'value="agree"' in text
    told = bob.post(f"{PAGE}answer/", {"case": 1, "answer": "agree"}, follow=True).content.decode()
    assert "Not quite: it is fraud" in told
    assert "and so did the model" in told
    end = bob.get(PAGE).content.decode()
    assert "1 of 2 right at the first try" in end
    assert "/queues/payments/review/" in end
    assert not ReviewDecision.objects.exists()
    assert not Lease.objects.exists()


def test_the_first_answer_counts_however_often_it_is_tried_again(bob: Client, cast: Cast) -> None:
    keep(cast.model, "easy")
    for given in ("other", "abstain", "label:0"):
        bob.post(f"{PAGE}answer/", {"case": 0, "answer": given})
    assert list(PracticeAnswer.objects.order_by("id").values_list("label", flat=True)) == ["fraud", None, "ok"]
    assert "0 of 1 right at the first try" in bob.get(PAGE).content.decode()


def test_skip_goes_on_and_undo_goes_back_and_neither_is_kept(bob: Client, cast: Cast) -> None:
    for place in range(3):
        keep(cast.model, f"c-{place}", score=0.9 - place / 100)
    assert bob.post(f"{PAGE}answer/", {"case": 0, "answer": "skip"}).url == f"{PAGE}?case=2"
    assert bob.post(f"{PAGE}answer/", {"case": 2, "answer": "skip"}).url == PAGE
    assert bob.post(f"{PAGE}answer/", {"case": 1, "answer": "undo"}).url == f"{PAGE}?case=1"
    assert bob.post(f"{PAGE}answer/", {"case": 0, "answer": "undo"}).url == f"{PAGE}?case=1"
    assert not PracticeAnswer.objects.exists()


@pytest.mark.parametrize("sent", [{}, {"case": "9", "answer": "agree"}, {"case": "x"}, {"case": "-1"}, {"case": "٣"}])
def test_what_is_no_answer_leads_back(bob: Client, cast: Cast, sent: dict[str, str]) -> None:
    keep(cast.model, "easy")
    assert bob.post(f"{PAGE}answer/", sent).url.startswith(PAGE)
    assert bob.post(f"{PAGE}answer/", {"case": 0, "answer": "label:7"}).url == f"{PAGE}?case=1"
    assert not PracticeAnswer.objects.exists()


def test_an_answer_of_somebody_else_is_not_told(bob: Client, cast: Cast) -> None:
    case = keep(cast.model, "easy")
    other = practice.answer(prediction=case, reviewer="r-other", label="ok")
    assert bob.get(PAGE, {"told": other.pk}).status_code == 404
    assert bob.get(PAGE, {"told": "x"}).status_code == 200


def test_without_a_known_case_it_says_who_can_keep_some(bob: Client) -> None:
    text = bob.get(PAGE).content.decode()
    assert "Nothing to practise on yet" in text
    assert "A lead or an owner" in text


def test_more_than_two_classes_have_no_other_label(cast: Cast, client: Client) -> None:
    model, _ = make_model("digits", classes=["0", "1", "2"], task="multiclass", positive_class="")
    access.grant_role(user=cast.bob, model=model, role="reviewer", actor="test")
    client.force_login(cast.bob)
    for place in range(4):
        made = make_case(model, f"d-{place}", review="none", scores=[0.6, 0.3, 0.1])
        gold.set_gold(prediction=made, value="0", actor="erin", practice=True)
    assert "other" not in practice.lessons(model)
    assert client.post("/practice/digits/answer/", {"case": 0, "answer": "other"}).url.endswith("?case=1")
    assert client.get("/practice/digits/?case=4").status_code == 200


def test_it_is_for_reviewers_and_offered_to_who_never_practised(bob: Client, cast: Cast) -> None:
    assert "Practise first" not in bob.get("/queues/").content.decode()
    case = keep(cast.model, "easy")
    assert "Practise first" in bob.get("/queues/").content.decode()
    practice.answer(prediction=case, reviewer=access.principal_of_user(cast.bob).pseudonym, label="ok")
    assert "Practise first" not in bob.get("/queues/").content.decode()
    for person, status in ((cast.dana, 403), (cast.mallory, 404)):
        bob.force_login(person)
        assert bob.get(PAGE).status_code == status
        assert bob.post(f"{PAGE}answer/", {"case": 0, "answer": "agree"}).status_code == status
