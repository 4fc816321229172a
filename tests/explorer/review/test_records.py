from __future__ import annotations

import pytest
from made_review import made_case, said

from explorer.errors import BadReview
from explorer.review.records import Candidate, Origin, blinded, merged, read_answer

MARK = {"candidate": 1, "kind": "omission", "start": 0, "end": 19, "critical": True}


def test_the_order_shown_hangs_on_seed_and_case_alone():
    candidates = [Candidate(name, ()) for name in "abcdef"]
    assert blinded(3, candidates, 11) == blinded(3, candidates, 11)
    assert sorted(one.text for one in blinded(3, candidates, 11)) == list("abcdef")
    orders = {blinded(number, candidates, 11) for number in range(1, 9)}
    assert len(orders) == 8
    assert blinded(3, candidates, 12) != blinded(3, candidates, 11)


def test_every_place_falls_to_every_model_about_equally_often():
    candidates = [Candidate(name, ()) for name in "abc"]
    first = [blinded(number, candidates, 4096)[0].text for number in range(1, 1_001)]
    assert all(280 < first.count(name) < 390 for name in "abc")


def test_equal_texts_are_one_candidate_of_several_models():
    given = [(Origin("a", "1"), "No effusion."), (Origin("b", "2"), "No  effusion.\n"), (Origin("c", ""), "Effusion.")]
    found = merged(given)
    assert [one.models for one in found] == [("a", "b"), ("c",)]


def test_an_answer_is_read_with_its_marks_inside_the_right_text():
    answer = read_answer(said(levels=[2, 1, 2], marks=[MARK]), made_case(1))
    assert answer.ranks == (2, 1, 2)
    assert answer.marks[0].kind == "omission"


@pytest.mark.parametrize(
    "wrong",
    [
        {"levels": [1, 2]},
        {"levels": [1, 2, 4]},
        {"levels": [1, 2, True]},
        {"levels": "123"},
        {"marks": [{**MARK, "candidate": 3}]},
        {"marks": [{**MARK, "kind": "typo"}]},
        {"marks": [{**MARK, "end": 99}]},  # past the end of the ground truth
        {"marks": [{**MARK, "start": 9, "end": 3}]},
        {"marks": [MARK] * 81},
        {"state": "won"},
        {"seconds": "long"},
        {"first": [1]},
    ],
)
def test_what_is_no_answer_is_refused(wrong):
    with pytest.raises(BadReview, match="no answer"):
        read_answer(said(**wrong), made_case(1))


@pytest.mark.parametrize("raw", [None, 3, [], {}, "{}"])
def test_what_is_no_record_is_refused(raw):
    with pytest.raises(BadReview):
        read_answer(raw, made_case(1))
