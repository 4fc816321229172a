"""From stored codes to brightness: the DICOM grey-scale rules, in the order of PS3.4 N.2.

A film has at most 65,536 different codes, so every step works on a table with one row per code, and the
pixels themselves are touched once, at the end. That keeps a 40-megapixel film within a few copies of itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from explorer.errors import Corrupt
from explorer.types import QueryImage

Table = NDArray[np.float64]  # [codes]
Counts = NDArray[np.int64]  # [codes], pixels that hold each code
Codes = NDArray[np.uint8] | NDArray[np.uint16]  # [h, w]

FULL = 65_535  # brightest value of `QueryImage.display`
TAILS = (0.005, 0.995)  # what is kept where no window can be used
LEAST_INSIDE = 0.05  # a window that holds fewer of the pixels does not belong to them
LEAST_CONTRAST = 0.05  # nor does one that leaves them less of the grey scale
STEEP = (0.02, 0.98)  # the part of a lookup table that a straight window stands for
NARROWEST = 1e-6  # a window of width 0 is a threshold


@dataclass(frozen=True)
class Lookup:
    """A DICOM lookup table: `entries[i]` answers the input `first + i`; inputs outside take the nearest end."""

    first: int
    entries: Table  # [n], n ≥ 1

    def at(self, inputs: Table) -> Table:
        """Return the entry of each input → [codes]."""
        steps = np.clip(np.rint(inputs) - self.first, 0, len(self.entries) - 1)
        answers: Table = self.entries[steps.astype(np.intp)]
        return answers


@dataclass(frozen=True)
class Window:
    """A VOI window in units of the modality values (PS3.3, C.11.2.1.2 and C.11.2.1.3)."""

    centre: float
    width: float
    function: Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"] = "LINEAR"


@dataclass(frozen=True)
class Curve:
    """The brightness of every code, and the straight window that comes nearest to it."""

    brightness: Table  # [codes], 0–1
    lower: float  # the modality value where brightness leaves 0 (or 1, where the curve falls)
    upper: float  # and where it arrives
    falling: bool = False  # bright means a low value: a lookup table may turn the scale round


def luminance(red: NDArray[np.generic], green: NDArray[np.generic], blue: NDArray[np.generic]) -> NDArray[np.uint32]:
    """Return the luminance (ITU-R BT.601) of integers up to 65,535, rounded; equal primaries keep their value."""
    weighted = np.full(red.shape, 32_768, np.uint32)
    for weight, primary in ((19_595, red), (38_470, green), (7_471, blue)):
        weighted += primary.astype(np.uint32) * np.uint32(weight)
    weighted >>= 16
    return weighted


def count(codes: Codes) -> Counts:
    """Return how many pixels hold each code → [256] or [65,536]."""
    return np.bincount(codes.ravel(), minlength=2 ** (8 * codes.itemsize))


def stored_values(bits: int, stored: int, signed: bool) -> Table:
    """Return the number each `bits`-wide code stands for when only its lowest `stored` bits count → [2**bits]."""
    codes: NDArray[np.int64] = np.arange(2**bits) % 2**stored
    if signed:
        codes[codes >= 2 ** (stored - 1)] -= 2**stored
    return codes.astype(np.float64)


def has_stray_bits(counts: Counts, stored: int, signed: bool) -> bool:
    """Say whether pixels use bits above the stored depth for anything but their sign."""
    above = np.arange(len(counts)) >> stored
    sign = (len(counts) - 1) >> stored if signed else 0
    return bool(counts[(above != 0) & (above != sign)].any())


def window_curve(values: Table, window: Window) -> Curve:
    """Return the curve of a window of positive width."""
    centre, width = window.centre, window.width
    if window.function == "LINEAR":  # the standard counts whole grey levels here, ends included
        centre, width = centre - 0.5, width - 1
    width = max(width, NARROWEST)
    lower, upper = centre - width / 2, centre + width / 2
    if window.function == "SIGMOID":
        steps = np.clip(-4 * (values - centre) / width, -700, 700)  # keeps exp() finite
        return Curve(1 / (1 + np.exp(steps)), lower, upper)
    return Curve(np.clip((values - lower) / width, 0, 1), lower, upper)


def lookup_curve(values: Table, lookup: Lookup) -> Curve:
    """Return the curve of a VOI lookup table; its output is stretched to the whole grey scale."""
    low, high = lookup.entries.min(), lookup.entries.max()
    if low == high:
        return Curve(np.zeros_like(values), lookup.first, lookup.first)
    scaled = Lookup(lookup.first, (lookup.entries - low) / (high - low))
    steep = np.flatnonzero((scaled.entries > STEEP[0]) & (scaled.entries < STEEP[1]))
    ends = (steep[0], steep[-1]) if len(steep) else (0, len(scaled.entries) - 1)
    falling = bool(scaled.entries[0] > scaled.entries[-1])
    return Curve(scaled.at(values), float(lookup.first + ends[0]), float(lookup.first + ends[1]), falling)


def percentile_curve(values: Table, counts: Counts) -> Curve:
    """Return the straight curve between the 0.5 and the 99.5 percentile of the pixels, or their extremes."""
    present, pixels = values[counts > 0], counts[counts > 0]
    order = np.argsort(present)
    reached = np.cumsum(pixels[order]) / pixels.sum()
    lower, upper = (float(present[order[np.searchsorted(reached, tail)]]) for tail in TAILS)
    if lower == upper:
        lower, upper = span(values, counts)
    return window_curve(values, Window((lower + upper) / 2, upper - lower, "LINEAR_EXACT"))


def span(values: Table, counts: Counts) -> tuple[float, float]:
    """Return the lowest and the highest value that occurs. Raises `Corrupt` where they are one, or not finite."""
    present = values[counts > 0]
    low, high = float(present.min()), float(present.max())
    if low == high:
        raise Corrupt("The picture is blank: all its pixels are the same. Choose another film.")
    if not (np.isfinite(high - low) and np.isfinite(FULL / (high - low))):
        raise Corrupt("The grey-scale description of the file is damaged. Export the film again, or as PNG.")
    return low, high


def fits(curve: Curve, values: Table, counts: Counts) -> bool:
    """Say whether a curve shows these pixels: enough of them inside it, and some contrast left between them."""
    inside = counts[(values >= curve.lower) & (values <= curve.upper)].sum() / counts.sum()
    seen = curve.brightness[counts > 0]
    return bool(inside >= LEAST_INSIDE and seen.max() - seen.min() >= LEAST_CONTRAST)


def choose_curve(values: Table, counts: Counts, asked: Window | Lookup | None) -> tuple[Curve, str]:
    """Return the curve the file asks for if it fits its pixels, else the percentile curve; and say which."""
    if asked is None:
        return percentile_curve(values, counts), (
            "The file names no window: contrast runs from the 0.5 to the 99.5 percentile."
        )
    if isinstance(asked, Lookup):
        curve, name = lookup_curve(values, asked), "Contrast from the lookup table in the file"
    else:
        curve = window_curve(values, asked)
        name = f"Window from the file: centre {asked.centre:g}, width {asked.width:g}"
        name += ", sigmoid" if asked.function == "SIGMOID" else ""
    if fits(curve, values, counts):
        return curve, f"{name}."
    return percentile_curve(values, counts), (
        f"{name}; it misses the picture and was ignored: contrast runs from the 0.5 to the 99.5 percentile."
    )


def develop(
    codes: Codes,
    values: Table,
    curve: Curve,
    ends: tuple[float, float],
    *,
    inverted: bool,
    source: str,
    notes: tuple[str, ...],
) -> QueryImage:
    """Turn codes [h, w] into the query image.

    `values` [codes] are the modality values, `ends` those drawn as display 0 and 65,535. `inverted` turns the
    grey scale round once, after the curve, on brightness 0–1.
    """
    low, high = ends
    scale = FULL / (high - low)
    height = np.clip((values - low) * scale, 0, FULL)
    lower, upper = (curve.lower - low) * scale, (curve.upper - low) * scale
    if inverted != curve.falling:
        height = FULL - height
        lower, upper = FULL - upper, FULL - lower
    brightness = 1 - curve.brightness if inverted else curve.brightness
    return query_image(
        np.rint(brightness * 255).astype(np.uint8).take(codes),
        np.rint(height).astype(np.uint16).take(codes),
        ((lower + upper) / 2, upper - lower),
        source,
        notes,
    )


def query_image(
    pixels: NDArray[np.uint8],
    display: NDArray[np.uint16],
    window: tuple[float, float],
    source: str,
    notes: tuple[str, ...],
) -> QueryImage:
    """Seal pixels and display, each [h, w], into a record: read-only, with the digest of the pixels."""
    pixels.setflags(write=False)
    display.setflags(write=False)
    digest = hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()
    return QueryImage(pixels, display, window, source, digest, notes)
