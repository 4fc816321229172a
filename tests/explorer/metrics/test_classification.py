from __future__ import annotations

import math

import numpy as np
import pytest

from explorer.metrics.classification import auroc, aurocs, enough, mean_auroc


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([3, 2, 1, 0], [1, 1, 0, 0], 1.0),
        ([0, 1, 2, 3], [1, 1, 0, 0], 0.0),
        ([3, 1, 2, 0], [1, 1, 0, 0], 3 / 4),  # of four pairs one is out of order
        ([1, 1, 1, 1], [1, 0, 1, 0], 0.5),
        ([2, 1, 1], [1, 1, 0], 3 / 4),  # a tie is half in order
    ],
)
def test_the_share_of_pairs_in_order(scores, positive, expected):
    assert auroc(np.array(scores, float), np.array(positive, bool)) == pytest.approx(expected)


def test_one_kind_alone_has_no_figure():
    assert math.isnan(auroc(np.array([1.0, 2.0]), np.array([True, True])))


def test_a_label_needs_enough_positives_and_negatives():
    flags = np.zeros((40, 3), dtype=bool)
    flags[:15, 0], flags[:14, 1], flags[:26, 2] = True, True, True
    assert enough(flags).tolist() == [True, False, False]


def test_the_mean_over_labels_and_an_interval_over_patients():
    draw = np.random.default_rng(0)
    flags = draw.random((300, 2)) < 0.3
    scores = flags + draw.normal(0, 1, flags.shape)
    patients = [f"p{number // 3}" for number in range(300)]
    found = mean_auroc(scores, flags, patients, resamples=200)
    assert found.mean == pytest.approx(aurocs(scores, flags).mean())
    assert found.low < found.mean < found.high
    assert found.n == 100


def test_within_groups_only_films_of_the_same_one_are_compared():
    scores = np.array([[9.0], [8.0], [7.0], [1.0], [3.0], [2.0]])
    flags = np.array([[True], [True], [False], [False], [True], [False]])
    groups = ["a", "a", "a", "b", "b", "b"]
    assert aurocs(scores, flags)[0] == pytest.approx(8 / 9)  # nine pairs, one out of order
    assert aurocs(scores, flags, groups)[0] == pytest.approx(4 / 4)  # 9 and 8 over 7, 3 over 1 and 2
    turned = scores * [[-1], [-1], [-1], [1], [1], [1]]
    assert aurocs(turned, flags, groups)[0] == pytest.approx(2 / 4)
    assert mean_auroc(scores, flags, list("pqrstu"), groups, resamples=50).mean == pytest.approx(1)


def test_a_score_that_knows_the_group_alone_gets_one_half_within_groups():
    flags = np.array([[True]] * 8 + [[False]] * 2 + [[True]] * 2 + [[False]] * 8)
    groups = ["ill"] * 10 + ["well"] * 10
    knows = np.array([[1.0]] * 10 + [[0.0]] * 10)
    patients = [str(number) for number in range(20)]
    assert mean_auroc(knows, flags, patients, resamples=20).mean == pytest.approx(0.8)
    within = mean_auroc(knows, flags, patients, groups, resamples=20)
    assert (within.mean, within.low, within.high) == (0.5, 0.5, 0.5)


def test_films_of_a_patient_are_drawn_together():
    draw = np.random.default_rng(1)
    flags = (draw.random((60, 1)) < 0.5) & True
    scores = flags + draw.normal(0, 1, flags.shape)
    again = {"alone": [str(row) for row in range(60)] * 4, "together": [str(row // 3) for row in range(60)] * 4}
    width = {}
    for name, patients in again.items():
        found = mean_auroc(np.tile(scores, (4, 1)), np.tile(flags, (4, 1)), patients, resamples=300)
        width[name] = found.high - found.low
    one_each = mean_auroc(np.tile(scores, (4, 1)), np.tile(flags, (4, 1)), [str(n) for n in range(240)], resamples=300)
    assert width["alone"] > 1.5 * (one_each.high - one_each.low)  # four copies of a film tell no more than one
