from __future__ import annotations

import numpy as np
import pytest

from explorer.corpora.sections import scope_text
from explorer.language.error_injection import Injector
from explorer.language.findings import FindingsReader
from explorer.review.practice import expected_ranks, practice_case
from explorer.review.records import Candidate, Case, Origin
from explorer.review.rule_judge import RuleJudge, judged

JUDGE = RuleJudge(FindingsReader.open())
TRUTH = "Small left pleural effusion. No pneumothorax."


@pytest.mark.parametrize(
    ("candidate", "faults"),
    [
        (TRUTH, []),
        ("No pneumothorax. There is a small pleural effusion on the left.", []),
        ("Small left pleural effusion. Right pneumothorax.", [("false prediction", 8, True)]),
        ("Small left pleural effusion. Rib fracture. No pneumothorax.", [("false prediction", 4, False)]),
        ("No pleural effusion. No pneumothorax.", [("omission", 3, False)]),
        ("Small right pleural effusion. No pneumothorax.", [("wrong location", 2, False)]),
        ("Small pleural effusion. No pneumothorax.", [("wrong location", 1, False)]),  # the side is left out
        ("Moderate left pleural effusion. No pneumothorax.", [("wrong severity", 1, False)]),
        ("Large left pleural effusion. No pneumothorax.", [("wrong severity", 2, True)]),
    ],
)
def test_the_four_errors_cost_what_the_protocol_says(candidate, faults):
    assert [(one.kind, one.penalty, one.critical) for one in JUDGE.faults(TRUTH, candidate)] == faults


def test_a_length_that_differs_is_an_error_of_severity():
    assert JUDGE.penalty("Nodule of 12 mm.", "Nodule of 1.2 cm.") == 0
    assert JUDGE.penalty("Nodule of 12 mm.", "Nodule of 16 mm.") == 1


def test_the_practice_case_is_ranked_as_it_is_meant():
    case = practice_case()
    ranks = JUDGE.ballot(case).ranks
    assert tuple(ranks[candidate.models[0]] for candidate in case.candidates) == expected_ranks()


def test_equal_penalties_tie_and_the_practice_case_is_not_judged():
    candidates = tuple(Candidate(text, (Origin(text[:5], ""),)) for text in (TRUTH, "No effusion.", "Normal chest."))
    ballots, notes = judged(JUDGE, [practice_case(), Case(1, "", "", TRUTH, candidates)])
    assert [one.case for one in ballots] == [1]
    assert ballots[0].ranks == {"Small": 1, "No ef": 2, "Norma": 2}
    assert notes[1][0] == "–"
    assert "omission: Pleural Effusion" in notes[1][1]


def put_below(reports, count):
    """On real reports: the identical text comes first, and a copy with one injected error of any kind below it."""
    injector, draw = Injector.open("testing"), np.random.default_rng(4096)
    texts = [text for report in reports if (text := scope_text(report.sections, "report"))]
    below = made = 0
    for index in draw.permutation(len(texts)):
        errors = injector.several(texts[index], 9, draw)
        if errors and made < count:
            made += 1
            wrong = errors[int(draw.integers(len(errors)))].text
            candidates = (Candidate(wrong, (Origin("wrong", ""),)), Candidate(texts[index], (Origin("right", ""),)))
            ranks = JUDGE.ballot(Case(1, "", "", texts[index], candidates)).ranks
            assert ranks["right"] == 1
            below += ranks["wrong"] == 2
        if made == count:
            break
    assert made == count
    return below / made


def test_real_reports_with_an_injected_error_are_put_below_the_original(open_i):
    assert put_below(open_i.reports, 20) >= 0.95


@pytest.mark.slow
def test_200_real_reports_with_an_injected_error_are_put_below_the_original(open_i):
    assert put_below(open_i.reports, 200) >= 0.95
