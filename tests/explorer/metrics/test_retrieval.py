from __future__ import annotations

import numpy as np
import pytest

from explorer.metrics.retrieval import all_ranks, answer_ranks, floor_at, precision_at, recall_at, reciprocal_ranks

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


def test_every_document_has_a_rank_and_the_answers_rank_is_among_them():
    ranks = all_ranks(SCORES)
    assert ranks.tolist() == [[1, 2, 4, 3], [3, 2, 1, 4], [1, 2, 3, 4], [2, 3, 1, 4]]
    assert ranks[np.arange(4), ANSWERS].tolist() == answer_ranks(SCORES, ANSWERS).tolist()


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


def test_the_reciprocal_rank_is_that_of_the_first_relevant_document():
    relevant = np.array([[0, 0, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=bool)
    assert reciprocal_ranks(relevant).tolist() == [1 / 3, 1.0, 0.0]
