from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from made_review import made_cases

from explorer.errors import EndpointError
from explorer.review.llm_judge import TRIES, LlmJudge, endpoint, forget_answers, prompt, ranking_in

sys.path.append(str(Path(__file__).parents[1] / "language"))

from stub_model import running, saying


def ranking(*ranks):
    return json.dumps({"ranking": [{"report": n, "rank": rank, "why": f"why {n}"} for n, rank in enumerate(ranks, 1)]})


@pytest.mark.parametrize(
    ("answer", "ranks"),
    [
        (ranking(1, 2, 2), [1, 2, 2]),
        (f"```json\n{ranking(2, 1, 3)}\n```", [2, 1, 3]),
        (
            '{"ranking": [{"report": "Report 2", "rank": 1}, {"report": "1", "rank": 2}, {"report": 3, "rank": 3}]}',
            [2, 1, 3],
        ),
        (None, None),
        ("", None),
        ("I rank them 1, 2, 3.", None),
        (ranking(1, 2), None),  # one is missing
        (ranking(1, 2, 3, 4), None),
        (ranking(1, 2, 4), None),  # no rank of three
        (ranking(1, 2, 1.5), None),
        (ranking(1, 2, True), None),
        ('{"ranking": [{"report": 1, "rank": 1}, {"report": 1, "rank": 2}, {"report": 2, "rank": 3}]}', None),
        ('{"ranking": 3}', None),
        ('{"ranking": ["a", "b", "c"]}', None),
        ("[" * 100_000, None),
    ],
)
def test_a_ranking_is_read_or_refused(answer, ranks):
    found = ranking_in(answer, 3)
    assert (found if found is None else [rank for rank, _ in found]) == ranks


def test_what_is_sent_is_the_texts_in_the_order_shown_and_no_name():
    case = made_cases()[2]
    sent = prompt(case)
    assert sent.index("Truth 2") < sent.index("Large right effusion") < sent.index("Small left effusion. Case 2")
    assert not any(word in sent for word in ("alpha", "beta", "gamma", "made-up"))


def test_ballots_come_of_good_answers_and_nothing_is_sent_twice(tmp_path):
    with running(lambda number, body: (200, saying(ranking(3, 1, 1)))) as model:
        judge = LlmJudge.open(endpoint(model.url, "m", "", confirmed=False), tmp_path)
        found = judge.judge(made_cases())
        again = judge.judge(made_cases())
        assert len(model.asked) == 3
    assert found == again
    assert [one.ranks for one in found.ballots][:2] == [
        {"alpha": 3, "beta": 1, "gamma": 1},
        {"gamma": 3, "alpha": 1, "beta": 1},  # case 2 shows gamma first
    ]
    assert found.ballots[0].rater == "LLM judge m"
    assert found.notes[1] == ("why 1", "why 2", "why 3")
    assert (found.asked, found.repeated, found.unusable) == (3, 0, ())


def test_malformed_answers_are_asked_for_again_then_counted(tmp_path):
    """The model answers every case at the second try, and case 3 never."""

    def answer(number, body):
        question = body["messages"][0]["content"]
        good = "answer number 1" in question and "Truth 3" not in question
        return 200, saying(ranking(1, 2, 3) if good else "no")

    with running(answer) as model:
        judge = LlmJudge.open(endpoint(model.url, "m", "", confirmed=False), tmp_path)
        found = judge.judge(made_cases())
        assert len(model.prompts) == len(set(model.prompts)) == 2 + 2 + TRIES
    assert [one.case for one in found.ballots] == [1, 2]
    assert (found.repeated, found.unusable) == (1 + 1 + 2, (3,))


def test_kept_answers_can_be_deleted(tmp_path):
    with running(lambda number, body: (200, saying(ranking(1, 2, 3)))) as model:
        LlmJudge.open(endpoint(model.url, "m", "", confirmed=False), tmp_path).judge(made_cases())
    assert forget_answers(tmp_path) == 3
    assert forget_answers(tmp_path) == 0


def test_another_machine_needs_a_confirmation():
    with pytest.raises(EndpointError, match="another machine"):
        endpoint("https://example.org/v1", "m", "", confirmed=False)
    assert endpoint("https://example.org/v1", "m", "k", confirmed=True).host == "example.org"


@pytest.mark.parametrize("url", ["", "example.org", "ftp://127.0.0.1/", "http://[", "file:///etc/passwd"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(EndpointError):
        endpoint(url, "m", "", confirmed=True)


def test_a_model_that_does_not_answer_is_told(tmp_path):
    with running(lambda number, body: (500, b"")) as model, pytest.raises(EndpointError, match="did not answer"):
        LlmJudge.open(endpoint(model.url, "m", "", confirmed=False), tmp_path).judge(made_cases())
