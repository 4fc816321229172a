from __future__ import annotations

import numpy as np
import pytest

from explorer.metrics.retrieval import all_ranks, answer_ranks, floor_at, precision_at, recall_at
from explorer.metrics.significance import bootstrap

SCORES = np.array(
    [
        [0.9, 0.5, 0.1, 0.3],  # answer 0: first
        [0.2, 0.7, 0.8, 0.1],  # answer 0: third
        [0.5, 0.5, 0.5, 0.5],  # answer 2: two equal scores stand before it
        [0.4, 0.4, 0.9, 0.4],  # answer 1: behind 2, and behind its equal 0
    ]
)
ANSWERS = np.array([0, 0, 2, 1])


def test_ranks_computed_by_hand_with_ties_broken_by_position():
    assert answer_ranks(SCORES, ANSWERS).tolist() == [1, 3, 3, 3]


def test_an_answer_that_nothing_was_found_for_is_behind_what_was():
    scores = np.array([[-np.inf, 0.1, -np.inf], [-np.inf, -np.inf, -np.inf]])
    assert answer_ranks(scores, np.array([2, 1])).tolist() == [3, 2]


@pytest.mark.parametrize(("k", "expected"), [(1, [1, 0, 0, 0]), (2, [1, 0, 0, 0]), (3, [1, 1, 1, 1])])
def test_recall_is_whether_the_answer_is_among_the_first_k(k, expected):
    assert recall_at(SCORES, ANSWERS, k).astype(int).tolist() == expected


def test_random_scores_reach_chance():
    scores = np.random.default_rng(0).random((4_000, 20))
    answers = np.random.default_rng(1).integers(20, size=4_000)
    assert recall_at(scores, answers, 5).mean() == pytest.approx(5 / 20, abs=0.02)


def test_the_floor_answers_with_what_most_queries_ask_for():
    answers = np.array([4, 4, 4, 1, 1, 0])
    assert floor_at(answers, 1).tolist() == [True, True, True, False, False, False]
    assert floor_at(answers, 2).mean() == pytest.approx(5 / 6)
    assert floor_at(answers, 9).all()


def test_precision_is_the_share_of_relevant_documents_among_the_first():
    relevant = np.array([[1, 0, 1, 1], [0, 0, 0, 1]], dtype=bool)
    assert precision_at(relevant, 1).tolist() == [1, 0]
    assert precision_at(relevant, 3).tolist() == pytest.approx([2 / 3, 0])
    assert precision_at(relevant, 4).tolist() == [0.75, 0.25]


def test_an_interval_is_the_same_every_time_and_holds_the_mean():
    values = np.arange(10) ** 2 / 100
    interval = bootstrap(values)
    assert interval == bootstrap(values)
    assert interval != bootstrap(values, seed=1)
    assert (interval.mean, interval.n) == (pytest.approx(0.285), 10)
    assert 0 < interval.low < 0.285 < interval.high < 0.81


def test_an_interval_has_the_width_that_theory_gives():
    """For a proportion, 1.96 √(p (1 − p) / n) on either side."""
    interval = bootstrap(np.arange(1_000) < 300)
    half = 1.96 * np.sqrt(0.3 * 0.7 / 1_000)
    assert interval.low == pytest.approx(0.3 - half, abs=0.004)
    assert interval.high == pytest.approx(0.3 + half, abs=0.004)


def test_equal_values_leave_no_doubt():
    interval = bootstrap([1.0, 1.0, 1.0])
    assert (interval.low, interval.mean, interval.high) == (1, 1, 1)


def test_no_values_have_no_interval():
    with pytest.raises(ValueError, match="at least one value"):
        bootstrap([])
