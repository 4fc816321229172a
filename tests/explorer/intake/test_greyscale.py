from __future__ import annotations

import hashlib

import numpy as np
import pytest

from explorer.errors import Corrupt
from explorer.intake import greyscale
from explorer.intake.greyscale import Curve, Lookup, Window
from explorer.types import QueryImage


def develop(codes: list[int], curve: Curve, ends: tuple[float, float], *, inverted: bool = False) -> QueryImage:
    values = np.arange(256, dtype=np.float64)
    pixels = np.array([codes], dtype=np.uint8)
    return greyscale.develop(pixels, values, curve, ends, inverted=inverted, source="PNG", notes=())


def byte_values() -> np.ndarray:
    return np.arange(256, dtype=np.float64)


def test_unused_high_bits_do_not_count() -> None:
    table = greyscale.stored_values(8, 4, signed=False)
    assert [table[0x0F], table[0xF0], table[0x1A]] == [15, 0, 10]


def test_a_signed_value_is_extended_from_its_own_highest_bit() -> None:
    table = greyscale.stored_values(16, 12, signed=True)
    assert [table[0x07FF], table[0x0800], table[0x0FFF], table[0xFFFF]] == [2047, -2048, -1, -1]


def test_overlay_bits_are_noticed_and_sign_bits_are_not() -> None:
    counts = np.zeros(256, np.int64)
    counts[[0x05, 0xF9]] = 1  # 5 and, in four bits of two's complement, -7
    assert greyscale.has_stray_bits(counts, 4, signed=False)
    assert not greyscale.has_stray_bits(counts, 4, signed=True)


def test_a_linear_window_counts_whole_levels_as_the_standard_does() -> None:
    curve = greyscale.window_curve(byte_values(), Window(100, 51))  # 0 up to 74.5, 1 from 124.5
    assert [curve.brightness[74], curve.brightness[99], curve.brightness[125]] == [0, 0.49, 1]


def test_an_exact_window_is_the_plain_line() -> None:
    curve = greyscale.window_curve(byte_values(), Window(100, 50, "LINEAR_EXACT"))
    assert [curve.brightness[75], curve.brightness[100], curve.brightness[125]] == [0, 0.5, 1]


def test_a_sigmoid_window_is_half_at_its_centre() -> None:
    curve = greyscale.window_curve(byte_values(), Window(100, 40, "SIGMOID"))
    assert curve.brightness[100] == 0.5
    assert curve.brightness[110] == pytest.approx(1 / (1 + np.exp(-1)))


def test_a_window_of_width_one_is_a_threshold() -> None:
    curve = greyscale.window_curve(byte_values(), Window(100, 1))
    assert [curve.brightness[99], curve.brightness[100]] == [0, 1]


def test_a_lookup_table_holds_its_ends_beyond_them() -> None:
    assert Lookup(10, np.array([3.0, 5.0, 9.0])).at(np.array([0.0, 11.0, 99.0])).tolist() == [3, 5, 9]


def test_percentiles_leave_out_half_a_percent_at_each_end() -> None:
    counts = np.zeros(256, np.int64)
    counts[[0, 255]] = 1  # two wild pixels
    counts[50:150] = 10
    curve = greyscale.percentile_curve(byte_values(), counts)
    assert (curve.lower, curve.upper) == (50, 149)


def test_a_nearly_flat_film_is_shown_between_its_extremes() -> None:
    counts = np.zeros(256, np.int64)
    counts[7], counts[9] = 100_000, 1
    curve = greyscale.percentile_curve(byte_values(), counts)
    assert (curve.lower, curve.upper) == (7, 9)


@pytest.mark.parametrize(
    ("window", "fits"),
    (
        (Window(50, 100), True),
        (Window(97.5, 6), True),  # exactly 5 of 100 pixels inside
        (Window(98, 5), False),
        (Window(500, 100), False),  # beside the pixels
        (Window(50, 10_000), False),  # so wide that they are all one grey
    ),
)
def test_a_window_must_hold_and_part_the_pixels(window: Window, fits: bool) -> None:
    values = np.arange(100, dtype=np.float64)
    counts = np.ones(100, np.int64)
    assert greyscale.fits(greyscale.window_curve(values, window), values, counts) is fits


def test_a_flat_film_is_refused() -> None:
    with pytest.raises(Corrupt, match="blank"):
        greyscale.span(np.full(256, 3.0), np.ones(256, np.int64))


@pytest.mark.parametrize("slope", (1e-320, 1e308))
def test_a_scale_beyond_numbers_is_refused(slope: float) -> None:
    with pytest.raises(Corrupt, match="grey-scale description"), np.errstate(over="ignore"):
        greyscale.span(byte_values() * slope * 10, np.ones(256, np.int64))


def test_inverting_turns_pixels_display_and_window_round_once() -> None:
    curve = greyscale.window_curve(byte_values(), Window(60, 80, "LINEAR_EXACT"))  # 20 … 100
    plain = develop([0, 20, 100, 200], curve, (0, 200))
    turned = develop([0, 20, 100, 200], curve, (0, 200), inverted=True)
    assert plain.pixels.tolist() == [[0, 0, 255, 255]]
    assert plain.display.tolist() == [[0, 6554, 32768, 65535]]
    assert plain.window == pytest.approx((60 * 327.675, 80 * 327.675))
    assert turned.pixels.tolist() == [[255, 255, 0, 0]]
    assert turned.display.tolist() == [[65535, 58982, 32768, 0]]
    assert turned.window == pytest.approx((140 * 327.675, 80 * 327.675))


def test_the_window_applied_to_the_display_gives_the_pixels() -> None:
    curve = greyscale.window_curve(byte_values(), Window(90, 77))
    film = develop(list(range(10, 200)), curve, (10, 199), inverted=True)
    centre, width = film.window
    shown = np.clip((film.display - (centre - width / 2)) / width, 0, 1) * 255
    assert np.abs(shown - film.pixels).max() < 1


def test_a_falling_lookup_table_turns_the_display_with_the_pixels() -> None:
    curve = greyscale.lookup_curve(byte_values(), Lookup(0, np.linspace(255.0, 0.0, 256)))
    film = develop([0, 128, 255], curve, (0, 255))
    assert film.pixels.tolist() == [[255, 127, 0]]
    assert film.display.tolist() == [[65535, 32639, 0]]


def test_luminance_keeps_grey_and_weighs_green_most() -> None:
    red, green, blue = np.array([65_535, 255, 0, 0]), np.array([65_535, 0, 255, 0]), np.array([65_535, 0, 0, 255])
    assert greyscale.luminance(red, green, blue).tolist() == [65_535, 76, 150, 29]


def test_the_record_is_sealed_and_named_by_its_pixels() -> None:
    film = develop([1, 2, 3], greyscale.window_curve(byte_values(), Window(127.5, 255, "LINEAR_EXACT")), (0, 255))
    assert film.digest == hashlib.sha256(bytes([1, 2, 3])).hexdigest()
    with pytest.raises(ValueError, match="read-only"):
        film.pixels[0, 0] = 9
    with pytest.raises(ValueError, match="read-only"):
        film.display[0, 0] = 9
