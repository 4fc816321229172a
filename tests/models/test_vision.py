from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.vision import IMAGENET_MEAN, IMAGENET_STD, VisionConfig, VisionTower, normalised, whole_film


def test_a_wide_film_is_fitted_with_black_above_and_below():
    fitted = whole_film(np.full((50, 100), 200, dtype=np.uint8), 64)
    assert fitted.shape == (64, 64)
    assert fitted.dtype == np.uint8
    assert (fitted[:16] == 0).all()
    assert (fitted[48:] == 0).all()
    assert (fitted[16:48] == 200).all()


def test_a_tall_film_is_fitted_with_black_on_both_sides():
    fitted = whole_film(np.full((400, 100), 200, dtype=np.uint8), 64)
    assert (fitted[:, :24] == 0).all()
    assert (fitted[:, 40:] == 0).all()
    assert (fitted[:, 24:40] == 200).all()


def test_nothing_is_cut_all_four_corners_are_seen():
    film = np.zeros((300, 200), dtype=np.uint8)
    film[:30, :30], film[:30, -30:], film[-30:, :30], film[-30:, -30:] = 60, 120, 180, 240
    fitted = whole_film(film, 90)  # 90 × 60, columns 15 to 75
    corners = [fitted[4, 19], fitted[4, 70], fitted[85, 19], fitted[85, 70]]
    assert corners == [60, 120, 180, 240]


def test_sides_and_up_stay_what_they_were():
    film = np.zeros((100, 100), dtype=np.uint8)
    film[:50, :50] = 255
    fitted = whole_film(film, 32)
    assert fitted[:15, :15].min() == 255
    assert fitted[17:].max() == fitted[:, 17:].max() == 0


@given(st.integers(1, 60), st.integers(1, 60), st.integers(8, 40))
def test_any_shape_fills_the_longer_side_and_keeps_its_proportions(height, width, size):
    fitted = whole_film(np.full((height, width), 255, dtype=np.uint8), size)
    seen = fitted > 0
    extent = int(seen.any(axis=1).sum()), int(seen.any(axis=0).sum())
    assert fitted.shape == (size, size)
    assert max(extent) == size
    assert extent[0] == pytest.approx(size * height / max(height, width), abs=1)
    assert extent[1] == pytest.approx(size * width / max(height, width), abs=1)


def test_a_read_only_film_is_left_as_it_is():
    film = np.arange(100, dtype=np.uint8).reshape(10, 10)
    film.setflags(write=False)
    assert np.array_equal(whole_film(film, 10), film)


def test_values_are_normalised_as_the_networks_expect():
    films = [np.full((4, 4), value, dtype=np.uint8) for value in (0, 255)]
    batch = normalised(films)
    assert batch.shape == (2, 1, 4, 4)
    assert batch.dtype == torch.float32
    assert batch[0].unique().item() == pytest.approx(-IMAGENET_MEAN / IMAGENET_STD)
    assert batch[1].unique().item() == pytest.approx((1 - IMAGENET_MEAN) / IMAGENET_STD)


def test_the_tower_gives_one_feature_vector_per_grey_film():
    tower = VisionTower(VisionConfig("test_efficientnet", 32)).eval()
    with torch.inference_mode():
        features = tower(torch.randn(3, 1, 32, 32))
    assert features.shape == (3, tower.width)
