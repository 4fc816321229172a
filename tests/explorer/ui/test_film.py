from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from explorer.types import QueryImage
from explorer.ui import film


def query_image(display: np.ndarray, window: tuple[float, float] = (2_000.0, 1_000.0)) -> QueryImage:
    return QueryImage((display >> 8).astype(np.uint8), display, window, "DICOM", "0" * 64, ())


def shown(view: film.FilmView) -> np.ndarray:
    """The grey values that the browser's canvas reads back."""
    head, _, body = view.address.partition(",")
    assert head == "data:image/png;base64"
    red, green, _ = np.moveaxis(np.asarray(Image.open(io.BytesIO(base64.b64decode(body)))), -1, 0)
    return red.astype(np.uint16) << 8 | green


def test_a_small_film_arrives_with_all_its_sixteen_bits():
    display = np.random.default_rng(7).integers(0, 65_536, (37, 53), dtype=np.uint16)
    view = film.view(query_image(display))
    assert (view.width, view.height) == (53, 37)
    np.testing.assert_array_equal(shown(view), display)


def test_a_large_film_is_averaged_in_whole_blocks():
    display = np.zeros((2_048, 6), dtype=np.uint16)
    display[1::2] = 10  # each 2×2 block holds two rows: 0 and 10
    view = film.view(query_image(display))
    assert (view.width, view.height) == (3, 1_024)
    assert set(shown(view).ravel()) == {5}


@pytest.mark.parametrize("shape", [(1, 1), (5_000, 1), (1, 5_000), (1_025, 1_024)])
def test_no_shape_is_longer_than_the_limit_or_empty(shape):
    view = film.view(query_image(np.full(shape, 9, dtype=np.uint16)))
    assert 1 <= min(view.width, view.height) <= max(view.width, view.height) <= film.LONGEST_SIDE


def test_the_default_window_is_first_and_the_full_range_last():
    display = np.arange(1_000, 5_000, dtype=np.uint16).reshape(40, 100)
    windows = film.view(query_image(display)).windows
    assert windows[0] == film.Window("1", "default", 2_000.0, 1_000.0)
    assert windows[-1] == film.Window("4", "full", 2_999.5, 3_999.0)
    lung, bone = windows[1:3]
    assert lung.centre < bone.centre


def test_a_flat_film_still_has_windows_of_some_width():
    windows = film.view(query_image(np.full((8, 8), 300, dtype=np.uint16))).windows
    assert min(window.width for window in windows) >= 1


def test_the_windows_lie_at_the_percentiles_of_the_pixels():
    grey = np.random.default_rng(3).integers(0, 4_000, (61, 47), dtype=np.uint16)
    low, lung, half, high = np.percentile(grey, (0.5, 55, 45, 99.5))
    _, of_lung, of_bone, _ = film.view(query_image(grey)).windows
    assert of_lung == film.Window("2", "lung", pytest.approx((low + lung) / 2), pytest.approx(lung - low))
    assert of_bone == film.Window("3", "bone", pytest.approx((half + high) / 2), pytest.approx(high - half))
