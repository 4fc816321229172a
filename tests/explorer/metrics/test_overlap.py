from __future__ import annotations

import numpy as np
import pytest

from explorer.metrics.overlap import bag_f1, off_diagonal_mean, rank_biased_overlap


def test_bags_by_hand():
    one = np.array([[2, 1, 0], [0, 0, 0]])
    other = np.array([[1, 1, 1], [0, 0, 3], [0, 0, 0]])
    assert bag_f1(one, other) == pytest.approx(np.array([[2 * 2 / 6, 0, 0], [0, 0, 1]]))


def test_only_different_things_enter_the_chance():
    assert off_diagonal_mean(np.array([[9.0, 1.0, 2.0], [3.0, 9.0, 4.0], [5.0, 6.0, 9.0]])) == 3.5
    with pytest.raises(ValueError, match="at least two"):
        off_diagonal_mean(np.ones((1, 1)))


@pytest.mark.parametrize(
    ("one", "other", "p", "expected"),
    [
        ("abc", "abc", 0.9, 1.0),
        ("abc", "xyz", 0.9, 0.0),
        ("ab", "ba", 0.9, 0.9),  # agreement 0 at rank 1, 1 at rank 2: 0.1 · 0.9 + 0.81
        ("ab", "ba", 0.5, 0.5),
        ("abc", "abx", 0.5, 11 / 12),  # 0.5 + 0.25 + 2/3 · 0.125 + 2/3 · 0.125
        ("a", "ab", 0.5, 1.0),  # as far as the shorter goes they are the same
        ("a", "xa", 0.5, 0.25),  # 1/2 · 0.25 seen at rank 2, and 1/2 · 0.25 beyond
        ("", "", 0.9, 1.0),
        ("", "abc", 0.9, 0.0),
    ],
)
def test_rank_biased_overlap_by_hand(one, other, p, expected):
    assert rank_biased_overlap(one, other, p) == pytest.approx(expected)
    assert rank_biased_overlap(other, one, p) == pytest.approx(expected)


def test_a_difference_far_down_counts_less_than_one_at_the_top():
    assert rank_biased_overlap("abcdefghij", "abcdefghix") > 0.96
    assert rank_biased_overlap("abcdefghij", "xbcdefghij") < 0.75
