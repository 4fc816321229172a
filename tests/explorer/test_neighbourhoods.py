from __future__ import annotations

import numpy as np
import pytest

from explorer.neighbourhoods import (
    between_neighbours,
    nearest_by_cosine,
    nearest_on_map,
    preservation,
    unit_rows,
)


def circle(degrees):
    angles = np.radians(degrees)
    return np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32)


def test_rows_get_length_one_and_a_row_of_zeros_stays():
    scaled = unit_rows(np.array([[3, 4], [0, 0]], np.float32))
    assert scaled == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))


def test_the_nearest_by_cosine_come_first_without_oneself_and_ties_by_row():
    bank = circle([0, 10, -10, 90])
    rows, cosines = nearest_by_cosine(bank[:1], bank, 3, np.array([0]))
    assert rows.tolist() == [[1, 2, 3]]
    assert cosines[0] == pytest.approx([np.cos(np.radians(10))] * 2 + [0], abs=1e-6)


def test_without_rows_of_their_own_the_asked_ones_may_find_themselves():
    bank = circle([0, 30, 60])
    rows, _ = nearest_by_cosine(circle([31]), bank, 2)
    assert rows.tolist() == [[1, 2]]


def test_the_nearest_on_the_map_are_those_at_the_shortest_distance():
    places = np.array([[0, 0], [1, 0], [0, 3], [9, 9]], np.float32)
    assert nearest_on_map(places, np.array([0, 3]), 2).tolist() == [[1, 2], [2, 1]]


def test_a_map_that_is_the_space_itself_keeps_every_neighbour():
    vectors = circle(np.arange(0, 90, 3))
    kept = preservation(vectors, vectors, k=4)
    assert (kept.kept, kept.trustworthiness, kept.nearest, kept.points) == (1.0, 1.0, 4, 30)
    assert kept.chance == pytest.approx(4 / 29)


def test_what_a_map_breaks_is_counted_as_computed_by_hand():
    # Seven points along an arc; the map swaps the first with the last. k = 1, so each point has one true neighbour,
    # the one on its left where both sides are equally far; the point at 0 has the one at 1.
    vectors = circle([0, 1, 3, 6, 10, 15, 21])
    places = np.array([[21, 0], [1, 0], [3, 0], [6, 0], [10, 0], [15, 0], [0, 0]], np.float32)
    # true: 0→1 1→0 2→1 3→2 4→3 5→4 6→5; drawn: 0→5 1→6 2→1 3→2 4→3 5→4 6→1
    # ranks of the strangers: 5 seen from 0 is 5th, 6 seen from 1 is 6th, 1 seen from 6 is 5th
    kept = preservation(vectors, places, k=1)
    assert kept.kept == pytest.approx(4 / 7)
    assert kept.trustworthiness == pytest.approx(1 - 2 * (4 + 5 + 4) / (7 * 1 * (14 - 3 - 1)))


def test_a_shuffled_map_keeps_about_as_many_as_chance():
    draw = np.random.default_rng(0)
    vectors = unit_rows(draw.normal(size=(600, 8)).astype(np.float32))
    kept = preservation(vectors, draw.normal(size=(600, 2)).astype(np.float32))
    assert kept.kept == pytest.approx(kept.chance, abs=0.01)
    assert kept.trustworthiness == pytest.approx(0.5, abs=0.03)


@pytest.mark.slow
def test_trustworthiness_is_the_one_of_scikit_learn():
    from sklearn.manifold import trustworthiness

    draw = np.random.default_rng(1)
    vectors = unit_rows(draw.normal(size=(300, 12)).astype(np.float32))
    places = vectors[:, :2].copy()
    theirs = trustworthiness(vectors, places, n_neighbors=9, metric="cosine")
    assert preservation(vectors, places, k=9).trustworthiness == pytest.approx(theirs, abs=1e-6)


def test_a_point_between_two_equally_near_neighbours_lies_in_the_middle_and_a_nearer_one_pulls_harder():
    places = np.array([[0, 0], [2, 0]], np.float32)
    rows = np.array([[0, 1], [0, 1]], np.int32)
    cosines = np.array([[0.9, 0.9], [0.9, 0.7]], np.float32)
    middle, pulled = between_neighbours(places, rows, cosines)
    assert middle == pytest.approx([1, 0])
    # beyond the nearest: 0 and .2, scaled by their mean .1: weights 1 and e^-2
    assert pulled == pytest.approx([2 * np.exp(-2) / (1 + np.exp(-2)), 0], abs=1e-5)
