from __future__ import annotations

import numpy as np
import pytest

from explorer.metrics.significance import approximate_randomisation, bootstrap, holm


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


def ratio(means):
    return means[..., 0] / means[..., 1]


def test_a_figure_that_is_no_mean_is_resampled_query_by_query():
    """A ratio of sums: 2 / 8 over all; no resample of these rows leaves the range of the rows' own ratios."""
    interval = bootstrap(np.array([[1.0, 2.0], [1.0, 6.0]]), ratio)
    assert interval.mean == 0.25
    assert (interval.low, interval.high) == (pytest.approx(1 / 6), 0.5)


def test_p_of_two_queries_by_hand():
    """Differences 1 and 1: of the four exchanges, (+1 +1) and (−1 −1) are as large as what was seen: p = ½."""
    p = approximate_randomisation(np.array([1, 1]), np.array([0, 0]))
    assert p == pytest.approx(0.5, abs=0.02)


def test_p_of_eight_queries_that_all_agree_by_hand():
    """Two of 2⁸ exchanges keep all eight differences on one side: p = 1/128."""
    better, worse = np.ones(8), np.zeros(8)
    assert approximate_randomisation(better, worse) == pytest.approx(1 / 128, abs=0.003)
    assert approximate_randomisation(worse, better) == approximate_randomisation(better, worse)


def test_p_of_a_mixed_case_by_hand():
    """Differences +1 +1 +1 −1 (sum 2): |sum| ≥ 2 unless two are on either side, 6 of 16: p = 10/16."""
    p = approximate_randomisation(np.array([1, 1, 1, 0]), np.array([0, 0, 0, 1]))
    assert p == pytest.approx(10 / 16, abs=0.02)


def test_no_difference_is_never_significant():
    same = np.array([1, 0, 1, 1, 0])
    assert approximate_randomisation(same, same) == 1.0


def test_the_smallest_p_is_that_of_the_observed_round_alone():
    assert approximate_randomisation(np.ones(100), np.zeros(100), rounds=99) == 0.01


def test_p_falls_evenly_where_nothing_differs():
    draw = np.random.default_rng(0)
    ps = [approximate_randomisation(draw.normal(size=30), draw.normal(size=30), rounds=200, seed=n) for n in range(200)]
    assert np.mean(np.array(ps) <= 0.1) == pytest.approx(0.1, abs=0.06)


def test_a_ratio_is_compared_by_exchanging_whole_queries():
    """Row by row the same: exchanging changes nothing, so every round is as large as the observed 0."""
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert approximate_randomisation(rows, rows, ratio) == 1.0
    assert approximate_randomisation(rows, rows[:, ::-1].copy(), ratio) < 1.0


def test_results_on_other_queries_are_not_compared():
    with pytest.raises(ValueError, match="same queries"):
        approximate_randomisation(np.ones(3), np.ones(4))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
