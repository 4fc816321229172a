from __future__ import annotations

import pytest
from made_review import made_cases

from explorer.review.records import Answer, Ballot, Mark
from explorer.review.statistics import (
    RaterRow,
    ballots,
    cases_needed,
    differences,
    errors_by_model,
    pooled,
    rater_rows,
    standings,
)

# Facts of the paper: Table C.9, mean rank and first places of reviewers A, B, C, then of four LLM judges.
C9 = {
    "LLM2CLIP4CXR all": "1.75/128 1.91/113 1.89/119 2.46/65 2.44/75 2.35/65 2.60/68",
    "LLM2CLIP4CXR MC": "2.21/110 2.68/73 2.49/100 2.79/64 2.78/41 2.77/60 2.66/63",
    "MAIRA2": "2.67/92 2.32/104 2.50/83 3.49/21 3.61/29 3.59/18 3.51/28",
    "BERT2CLIP": "3.17/69 3.64/40 3.82/46 4.17/11 3.85/22 4.18/24 3.82/25",
    "CXR-CLIP": "3.24/59 4.07/33 3.83/43 4.26/22 4.40/12 4.19/11 4.04/18",
    "Ko & Park": "3.37/58 3.71/43 3.34/51 3.80/24 3.92/22 3.94/22 3.91/23",
}
# Its Table 6: mean rank of humans, of LLMs, overall, and first places of humans and LLMs.
TABLE_6 = {
    "LLM2CLIP4CXR all": (1.85, 2.46, 2.19, 360, 273),
    "LLM2CLIP4CXR MC": (2.46, 2.75, 2.62, 283, 228),
    "MAIRA2": (2.50, 3.55, 3.08, 279, 96),
    "BERT2CLIP": (3.54, 4.00, 3.80, 155, 82),
    "CXR-CLIP": (3.71, 4.22, 4.00, 135, 63),
    "Ko & Park": (3.47, 3.89, 3.71, 152, 91),
}
# What Table C.9 prints as the mean of the three reviewers: for the last three models it repeats the judges' mean.
C9_PRINTED_HUMAN_MEAN = {"BERT2CLIP": 4.00, "CXR-CLIP": 4.22, "Ko & Park": 3.89}


def c9_rows():
    raters = [("A", "human"), ("B", "human"), ("C", "human"), *((f"judge {n}", "llm") for n in range(1, 5))]
    return [
        RaterRow(rater, kind, model, float(cell.split("/")[0]), int(cell.split("/")[1]), 200)
        for model, cells in C9.items()
        for (rater, kind), cell in zip(raters, cells.split(), strict=True)
    ]


def test_the_raters_of_table_c9_add_up_to_table_6():
    human, judges, overall = (
        {one.model: one for one in pooled(c9_rows(), group)} for group in ("human", "judge", "all")
    )
    for model, (human_rank, judge_rank, overall_rank, human_first, judge_first) in TABLE_6.items():
        assert human[model].mean_rank == pytest.approx(human_rank, abs=0.02)
        assert judges[model].mean_rank == pytest.approx(judge_rank, abs=0.02)
        assert overall[model].mean_rank == pytest.approx(overall_rank, abs=0.02)
        assert (human[model].first, judges[model].first) == (human_first, judge_first)


def test_the_slips_of_table_c9_are_not_reproduced():
    """The printed human means of three models are those of the judges, half a rank off; Table 6 has them right."""
    human = {one.model: one.mean_rank for one in pooled(c9_rows(), "human")}
    for model, printed in C9_PRINTED_HUMAN_MEAN.items():
        assert printed == TABLE_6[model][1]
        assert abs(human[model] - printed) > 0.4


def cast(rater, kind, *rows):
    return [Ballot(rater, kind, case, dict(zip("abc", ranks, strict=True))) for case, ranks in enumerate(rows, 1)]


HAND = [*cast("R", "human", (1, 2, 3), (1, 1, 3), (2, 1, 3)), *cast("S", "human", (1, 3, 2), (1, 2, 2), (1, 2, 3))]


def test_mean_ranks_and_first_places_of_each_rater_by_hand():
    rows = {(row.rater, row.model): (row.mean_rank, row.first, row.n) for row in rater_rows(HAND)}
    assert rows["R", "a"] == (pytest.approx(4 / 3), 2, 3)
    assert rows["R", "b"] == (pytest.approx(4 / 3), 2, 3)  # a tie in front counts for both
    assert rows["R", "c"] == (3, 0, 3)
    assert rows["S", "b"] == (pytest.approx(7 / 3), 0, 3)


def test_humans_come_before_judges_and_groups_do_not_mix():
    rows = rater_rows([*cast("z", "rule", (3, 2, 1)), *HAND])
    assert [row.rater for row in rows[::3]] == ["R", "S", "z"]
    assert {one.model: one.mean_rank for one in pooled(rows, "judge")} == {"a": 3, "b": 2, "c": 1}


def test_standings_are_means_of_means_with_an_interval_over_cases():
    first, *_ = standings(HAND, "human")
    assert (first.model, first.interval.n, first.first, first.ballots) == ("a", 3, 5, 6)
    assert first.interval.mean == pytest.approx((4 / 3 + 1) / 2)
    assert first.interval.low == pytest.approx(1.0)  # three times case 1
    assert first.interval.high == pytest.approx(1.5)  # three times case 3


def test_a_rater_who_did_fewer_cases_weighs_as_much_as_any():
    uneven = [*cast("R", "human", (1, 2, 3), (1, 2, 3), (1, 2, 3)), *cast("S", "human", (3, 2, 1))]
    assert {one.model: one.interval.mean for one in standings(uneven, "human")}["a"] == pytest.approx(2.0)


def test_a_model_that_is_always_ahead_is_told_apart_and_one_that_ties_is_not():
    ahead = cast("R", "human", *[(1, 2, 2)] * 12)
    found = {(one.model, one.against): one for one in differences(ahead, "human")}
    assert found["a", "b"].difference == -1
    assert found["a", "b"].p_holm < 0.01
    assert found["b", "c"].p == 1
    assert found["b", "c"].n == 12


def test_only_submitted_cases_are_ballots_and_the_practice_case_never_is():
    done = Answer(levels=(1, 2, 2), state="submitted")
    answers = {"AB": {1: done, 2: Answer(levels=(1, 2, 3)), 3: Answer(levels=(2, 1, 3), state="skipped")}}
    (only,) = ballots(made_cases(), answers)
    assert (only.case, only.ranks) == (1, {"alpha": 1, "beta": 2, "gamma": 2})


def test_errors_are_counted_for_the_model_behind_the_report():
    marks = (Mark(0, "omission", 0, 0, critical=True), Mark(0, "omission", 0, 5, critical=False))
    answers = {"AB": {2: Answer(levels=(1, 2, 3), marks=marks, state="submitted")}}  # gamma is Report 1 of case 2
    found = {
        (one.model, one.kind): (one.errors, one.critical, one.ballots) for one in errors_by_model(made_cases(), answers)
    }
    assert found["gamma", "omission"] == (2, 1, 1)
    assert found["alpha", "omission"] == (0, 0, 1)


def test_cases_needed_by_hand():
    assert cases_needed(0.5, 6) == 220  # 7.8489 × 7 / 0.25 = 219.8
    assert cases_needed(1.0, 3) == 16  # 7.8489 × 2 = 15.7
    with pytest.raises(ValueError, match="above 0"):
        cases_needed(0, 3)
