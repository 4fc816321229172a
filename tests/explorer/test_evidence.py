from __future__ import annotations

import numpy as np
import pytest

from explorer.evidence import LONGEST_SIDE, HeatMap, strengths
from models.interfaces import FilmPatches, Frame

WHOLE = Frame(0.0, 0.0, 1.0, 1.0)
TEXT, USUAL = np.array([1, 0], dtype=np.float32), np.array([0, 1], dtype=np.float32)


def grid(values):
    """Places that are near the text by `values` and near all reports alike."""
    nearness = np.array(values, dtype=np.float32)
    return np.stack((nearness, np.full_like(nearness, 0.3)), axis=-1)


def peak_of(values):
    return HeatMap(values, "phrase", 0.5, "cosine", "toy").peak


def test_the_place_nearest_to_the_text_is_the_strongest_and_the_median_counts_for_nothing():
    values = strengths(FilmPatches(grid([[0, 0, 0], [0, 0, 5], [0, 0, 0]]), WHOLE), TEXT, USUAL, (300, 300))
    assert values.shape == (LONGEST_SIDE, LONGEST_SIDE)
    assert (values.min(), values.max()) == (0, 1)
    row, column = peak_of(values)
    assert row == pytest.approx(LONGEST_SIDE / 2, abs=1)
    assert column > LONGEST_SIDE * 5 / 6 - 1
    assert (values[:, : LONGEST_SIDE // 2] == 0).all()


def test_what_every_report_has_in_common_moves_nothing():
    common = np.zeros((3, 3, 2), dtype=np.float32)
    common[0, 0] = 9  # near this text, and as near to all others
    common[2, 2, 0] = 1
    row, column = peak_of(strengths(FilmPatches(common, WHOLE), TEXT, USUAL, (90, 90)))
    assert (row, column) > (50, 50)


def test_the_margin_around_a_film_is_not_part_of_the_map():
    upright = Frame(0.0, -0.5, 1.0, 1.5)  # half as wide as high: a quarter of margin on each side
    values = grid([[9, 0, 0, 9], [9, 0, 1, 9], [9, 0, 0, 9], [9, 0, 0, 9]])
    found = strengths(FilmPatches(values, upright), TEXT, USUAL, (200, 100))
    assert found.shape == (LONGEST_SIDE, LONGEST_SIDE // 2)


@pytest.mark.parametrize(("cell", "expected"), [((0, 0), (8, 8)), ((1, 3), (24, 56)), ((3, 2), (56, 40))])
def test_the_middle_of_a_place_is_read_as_that_place(cell, expected):
    values = np.zeros((4, 4))
    values[cell] = 1
    found = strengths(FilmPatches(grid(values), WHOLE), TEXT, USUAL, (64, 64))
    assert found[expected] > 0.9
    assert found.max() == 1


def test_a_film_that_speaks_nowhere_is_all_zero_and_finite():
    found = strengths(FilmPatches(grid(np.zeros((5, 5))), WHOLE), TEXT, USUAL, (10, 20))
    assert (found == 0).all()
    assert found.shape == (32, 64)


def test_a_film_of_one_place_is_all_zero():
    assert (strengths(FilmPatches(grid([[4.0]]), WHOLE), TEXT, USUAL, (10, 10)) == 0).all()
