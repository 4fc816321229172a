from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.interfaces import Frame, TowerError
from models.vision import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    EvaConfig,
    EvaTower,
    Viewing,
    VisionConfig,
    VisionTower,
    normalised,
    normalised_as_clip,
    whole_film,
)


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


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((100, 50), (0.0, -0.5, 1.0, 1.5)), ((50, 100), (-0.5, 0.0, 1.5, 1.0)), ((80, 80), (0.0, 0.0, 1.0, 1.0))],
)
def test_a_whole_film_lies_within_its_square_and_margins_are_beyond_its_edges(shape, expected):
    assert Viewing(64).frame(*shape) == Frame(*expected)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((100, 50), (0.25, 0.0, 0.75, 1.0)), ((50, 100), (0.0, 0.25, 1.0, 0.75)), ((80, 80), (0.0, 0.0, 1.0, 1.0))],
)
def test_a_cut_film_shows_its_middle(shape, expected):
    assert Viewing(64, "centre").frame(*shape) == Frame(*expected)


def test_the_frame_tells_where_a_mark_in_the_film_went():
    film = np.zeros((90, 60), dtype=np.uint8)
    film[20:24, 40:44] = 255
    frame = Viewing(45).frame(90, 60)
    row, column = np.argwhere(whole_film(film, 45) > 128).mean(axis=0) + 0.5
    assert (frame.top + row / 45 * (frame.bottom - frame.top)) * 90 == pytest.approx(22, abs=1)
    assert (frame.left + column / 45 * (frame.right - frame.left)) * 60 == pytest.approx(42, abs=1)


def test_films_are_seen_in_the_colours_asked_for():
    film = np.full((8, 8), 128, dtype=np.uint8)
    assert Viewing(8).films([film]).shape == (1, 1, 8, 8)
    assert torch.equal(Viewing(8, colours="clip").films([film]), normalised_as_clip([film]))


def test_the_features_of_a_film_are_the_mean_of_those_of_its_places():
    torch.manual_seed(0)
    tower = VisionTower(VisionConfig("test_efficientnet", 96)).eval()
    films = torch.randn(2, 1, 96, 96)
    with torch.inference_mode():
        places = tower.patches(films)
        assert places.shape == (2, 3, 3, tower.width)
        assert torch.allclose(places.mean(dim=(1, 2)), tower(films), atol=1e-5)


def test_a_transformer_gives_one_place_for_each_patch_in_reading_order():
    torch.manual_seed(0)
    tower = VisionTower(VisionConfig("test_vit", 64)).eval()
    films = torch.zeros(1, 1, 64, 64)
    marked = films.clone()
    marked[:, :, 16:32, 48:] = 1  # row 1, column 3 of the patches of 16 pixels
    with torch.inference_mode():
        moved = (tower.patches(marked) - tower.patches(films)).norm(dim=-1)[0]
    assert moved.shape == (4, 4)
    assert divmod(int(moved.argmax()), 4) == (1, 3)


def test_a_network_that_timm_lacks_or_a_size_it_refuses_is_an_error_in_words():
    with pytest.raises(TowerError, match="timm has no network 'no_such_net'"):
        VisionTower(VisionConfig("no_such_net", 64))


def test_the_published_towers_places_go_through_its_head():
    tower = EvaTower(EvaConfig(size=28, patch=14, width=64, depth=1, dim=5)).eval()
    with torch.inference_mode():
        assert tower.patches(torch.randn(2, 3, 28, 28)).shape == (2, 2, 2, 5)
