from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from made_films import (
    BIG_ENDIAN,
    IMPLICIT,
    JPEG_2000,
    JPEG_LOSSLESS,
    JPEG_LS,
    RLE,
    compressed,
    dataset,
    file_of,
    lookup_item,
    tagged,
    wedge,
)
from pydicom.dataset import Dataset

from explorer.intake.decode import decode
from explorer.settings import Limits
from explorer.types import QueryImage

BITS = (8, 10, 12, 14, 16)
RESCALES = ((1.0, 0.0), (2.0, -1024.0))
CONTRASTS = ("none", "window", "sigmoid", "lookup", "off-range")


def read(data: bytes) -> QueryImage:
    return decode(data, Limits())


def window_of(bits: int, signed: bool, slope: float, intercept: float) -> tuple[float, float]:
    """The middle half of the wedge in modality units, as whole centre and width."""
    lowest = -(2 ** (bits - 1)) if signed else 0
    return slope * (lowest + 2 ** (bits - 1)) + intercept, slope * 2 ** (bits - 1)


def lookup_of(bits: int, centre: float) -> tuple[int, np.ndarray]:
    """A straight rise over as many inputs as half the stored range, about the centre."""
    entries = np.arange(2 ** (bits - 1))
    return int(centre) - len(entries) // 2, entries


def film(bits: int, signed: bool, photometric: str, contrast: str, rescale: tuple[float, float]) -> Dataset:
    made = tagged(dataset(wedge(bits, signed), bits, signed), PhotometricInterpretation=photometric)
    tagged(made, RescaleSlope=rescale[0], RescaleIntercept=rescale[1])
    centre, width = window_of(bits, signed, *rescale)
    if contrast in ("window", "sigmoid"):
        tagged(made, WindowCenter=centre, WindowWidth=width)
    if contrast == "sigmoid":
        made.VOILUTFunction = "SIGMOID"
    if contrast == "off-range":
        tagged(made, WindowCenter=centre + 100 * width, WindowWidth=width)
    if contrast == "lookup":
        first, entries = lookup_of(bits, centre)
        made.VOILUTSequence = [lookup_item(first, entries, signed=first < 0)]
    return made


def grey(value: float, contrast: str, bits: int, window: tuple[float, float], ends: tuple[float, float]) -> float:
    """PS3.3 C.11.2.1, for one modality value → 0–1."""
    centre, width = window
    if contrast == "window":
        if value <= centre - 0.5 - (width - 1) / 2:
            return 0.0
        if value > centre - 0.5 + (width - 1) / 2:
            return 1.0
        return (value - (centre - 0.5)) / (width - 1) + 0.5
    if contrast == "sigmoid":
        return 1 / (1 + math.exp(-4 * (value - centre) / width))
    if contrast == "lookup":
        first, entries = lookup_of(bits, centre)
        return float(np.clip((round(value) - first) / (len(entries) - 1), 0, 1))
    return (value - ends[0]) / (ends[1] - ends[0])  # the wedge has equal steps: its extremes are its percentiles


def expected(bits: int, signed: bool, photometric: str, contrast: str, rescale: tuple[float, float]) -> list[int]:
    values = [rescale[0] * stored + rescale[1] for stored in wedge(bits, signed)[0].tolist()]
    window = window_of(bits, signed, *rescale)
    row = [grey(value, contrast, bits, window, (values[0], values[-1])) for value in values]
    return [round(255 * (1 - g if photometric == "MONOCHROME1" else g)) for g in row]


@pytest.mark.parametrize("rescale", RESCALES, ids=("stored", "rescaled"))
@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("photometric", ("MONOCHROME1", "MONOCHROME2"))
@pytest.mark.parametrize("signed", (False, True), ids=("unsigned", "signed"))
@pytest.mark.parametrize("bits", BITS)
def test_every_grey_follows_the_standard(
    bits: int, signed: bool, photometric: str, contrast: str, rescale: tuple[float, float]
) -> None:
    seen = read(file_of(film(bits, signed, photometric, contrast, rescale)))
    wanted = expected(bits, signed, photometric, contrast, rescale)
    assert np.abs(seen.pixels.astype(int) - np.array(wanted)).max() <= 1
    assert any("ignored" in note for note in seen.notes) == (contrast == "off-range")


@pytest.mark.parametrize("photometric", ("MONOCHROME1", "MONOCHROME2"))
@pytest.mark.parametrize("signed", (False, True), ids=("unsigned", "signed"))
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("syntax", (IMPLICIT, BIG_ENDIAN, RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000))
def test_lossless_syntaxes_give_the_same_film_bit_for_bit(
    syntax: str, bits: int, signed: bool, photometric: str, tmp_path: Path
) -> None:
    stored = wedge(bits, signed)
    plain = tagged(dataset(stored, bits, signed), PhotometricInterpretation=photometric)
    other = tagged(dataset(stored, bits, signed, syntax=BIG_ENDIAN if syntax == BIG_ENDIAN else IMPLICIT))
    other.PhotometricInterpretation = photometric
    data = file_of(other) if syntax in (IMPLICIT, BIG_ENDIAN) else compressed(other, syntax, tmp_path)
    seen, wanted = read(data), read(file_of(plain))
    assert np.array_equal(seen.display, wanted.display)
    assert seen.digest == wanted.digest


@pytest.mark.parametrize("contrast", ("none", "window", "sigmoid", "off-range"))
@pytest.mark.parametrize("bits", BITS)
def test_a_film_stored_dark_on_bright_looks_like_its_twin(bits: int, contrast: str) -> None:
    twin = film(bits, False, "MONOCHROME2", contrast, (1.0, 0.0))
    turned = tagged(dataset(2**bits - 1 - wedge(bits, False), bits), PhotometricInterpretation="MONOCHROME1")
    if contrast != "none":
        mirror = 2**bits - 1 if contrast == "sigmoid" else 2**bits  # LINEAR has its centre half a level up
        tagged(turned, WindowCenter=mirror - float(twin.WindowCenter), WindowWidth=twin.WindowWidth)
    if contrast == "sigmoid":
        turned.VOILUTFunction = "SIGMOID"
    seen, wanted = read(file_of(turned)), read(file_of(twin))
    assert np.abs(seen.pixels.astype(int) - wanted.pixels).max() <= 1
    assert np.array_equal(seen.display, wanted.display)
    assert np.all(np.diff(seen.pixels[0].astype(int)) >= 0)  # dense, on the right, is bright
