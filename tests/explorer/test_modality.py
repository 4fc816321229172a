from __future__ import annotations

import numpy as np
import pytest

from explorer.modality import area_under_curve, centred, modality_gap
from explorer.neighbourhoods import unit_rows

NO_PAIRS = np.empty((0, 2), np.int64)


def test_two_clouds_that_are_the_same_have_no_gap():
    cloud = unit_rows(np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32))
    gap = modality_gap(cloud, cloud, np.stack((np.arange(40), np.arange(40)), axis=1))
    assert gap.distance == pytest.approx(0, abs=1e-6)
    assert gap.pairs == pytest.approx(1)
    assert gap.separability == pytest.approx(0.5, abs=0.1)
    assert (gap.texts, gap.films, gap.paired) == (40, 40, 40)


def test_the_gap_of_two_points_at_right_angles_is_the_root_of_two():
    texts = np.repeat([[1, 0]], 10, axis=0).astype(np.float32)
    films = np.repeat([[0, 1]], 10, axis=0).astype(np.float32)
    gap = modality_gap(texts, films, np.array([[0, 0], [3, 4]]))
    assert gap.distance == pytest.approx(2**0.5)
    assert gap.pairs == pytest.approx(0)
    assert gap.unpaired == pytest.approx(0)
    assert gap.separability == 1.0


def test_pairs_are_read_against_films_and_reports_that_do_not_belong_together():
    texts = np.array([[1, 0], [0, 1]], np.float32)
    gap = modality_gap(texts, texts, np.array([[0, 0], [1, 1]]))
    assert gap.pairs == pytest.approx(1)
    assert gap.unpaired == pytest.approx(0.5)  # a mean over all four


def test_without_pairs_there_is_no_mean_cosine_of_pairs():
    cloud = np.eye(3, dtype=np.float32)
    assert modality_gap(cloud, cloud, NO_PAIRS).pairs is None


def test_centring_takes_the_gap_away_and_keeps_length_one():
    draw = np.random.default_rng(0)
    texts = unit_rows((draw.normal(size=(200, 8)) * 0.2 + np.eye(8)[0]).astype(np.float32))
    films = unit_rows((draw.normal(size=(200, 8)) * 0.2 + np.eye(8)[1]).astype(np.float32))
    before = modality_gap(texts, films, NO_PAIRS)
    after = modality_gap(centred(texts), centred(films), NO_PAIRS)
    assert np.linalg.norm(centred(texts), axis=1) == pytest.approx(np.ones(200), abs=1e-5)
    assert after.distance < 0.1 * before.distance
    assert before.separability > 0.99
    assert after.separability < 0.7


def test_the_area_under_the_curve_counts_pairs_and_half_of_the_ties():
    assert area_under_curve(np.array([2.0, 3.0]), np.array([1.0, 2.0])) == pytest.approx(3.5 / 4)
