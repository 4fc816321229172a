from __future__ import annotations

import numpy as np
import pytest

from explorer.metrics.choice import choices

SCORES = np.array(
    [
        [0.9, 0.5, 0.1, 0.3],  # alone in front
        [0.7, 0.7, 0.1, 0.3],  # shares the front with one
        [0.5, 0.5, 0.5, 0.5],  # with three
        [0.2, 0.9, 0.2, 0.1],  # behind one, beside one
        [0.1, 0.9, 0.8, 0.7],  # last
    ]
)
FIRST = np.zeros(5, dtype=np.int64)


def test_choices_by_hand():
    found = choices(SCORES, FIRST)
    assert found.strict.tolist() == [1, 0, 0, 0, 0]
    assert found.tie_aware.tolist() == [1, 0.5, 0.25, 0, 0]
    assert found.rank.tolist() == [1, 1.5, 2.5, 2.5, 4]
    assert found.margin.tolist() == pytest.approx([0.4, 0, 0, -0.7, -0.8])


def test_scores_within_the_tolerance_are_a_tie_and_beyond_it_are_not():
    close = np.array([[1.0, 1.0 + 5e-7], [1.0, 1.0 + 2e-6], [1.0, 1.0 - 2e-6]])
    found = choices(close, np.zeros(3, dtype=np.int64))
    assert found.strict.tolist() == [0, 0, 1]
    assert found.tie_aware.tolist() == [0.5, 0, 1]


def test_the_true_candidate_may_stand_anywhere():
    found = choices(SCORES[:1], np.array([3]))
    assert (found.strict.tolist(), found.rank.tolist(), found.margin.tolist()) == ([0], [3], pytest.approx([-0.6]))


def test_equal_scores_share_the_credit_to_exactly_chance():
    assert choices(np.zeros((8, 4)), np.arange(8) % 4).tie_aware.mean() == 0.25
    assert choices(np.zeros((8, 4)), np.arange(8) % 4).strict.mean() == 0
