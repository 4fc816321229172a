"""Values out of a pydicom dataset, whatever state it is in: numbers, our own words, windows, lookup tables."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from explorer.errors import Corrupt
from explorer.intake.greyscale import Lookup, Window

FUNCTIONS: tuple[Literal["LINEAR_EXACT", "SIGMOID"], ...] = ("LINEAR_EXACT", "SIGMOID")
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio")
LARGEST_LOOKUP = 65_536


def values(dataset: Dataset, keyword: str) -> list[Any]:
    """Return the values of an element; empty where it is missing, empty, or not what its type promises."""
    try:
        value = dataset.get(keyword)
    except (ValueError, TypeError, OverflowError, NotImplementedError):
        return []
    if value is None or isinstance(value, str | bytes | int | float):
        return [] if value in (None, "", b"") else [value]
    return list(value)


def number(dataset: Dataset, keyword: str, missing: float) -> float:
    """Return the first value as a finite number, else `missing`."""
    try:
        first = float(values(dataset, keyword)[0])
    except (IndexError, ValueError, TypeError):
        return missing
    return first if math.isfinite(first) else missing


def whole(dataset: Dataset, keyword: str, missing: int | None = None) -> int:
    """Return the first value as a whole number from 0. Raises `Corrupt` where there is none and no `missing`."""
    first = number(dataset, keyword, -1.0)
    if first >= 0:
        return int(first)
    if missing is None:
        raise Corrupt("The description of the pixels is missing or damaged. Export the film again, or as PNG.")
    return missing


def word(dataset: Dataset, keyword: str) -> str:
    """Return the first value in capitals. It is the file's text: compare it, never show it."""
    found = values(dataset, keyword)
    return str(found[0]).strip().upper() if found else ""


def window(dataset: Dataset) -> Window | None:
    """Return the first window, or none where its centre or width cannot be used."""
    centre, width = number(dataset, "WindowCenter", math.nan), number(dataset, "WindowWidth", 0.0)
    if not math.isfinite(centre) or width <= 0:
        return None
    asked = word(dataset, "VOILUTFunction")
    return Window(centre, width, next((name for name in FUNCTIONS if name == asked), "LINEAR"))


def spacing(dataset: Dataset) -> tuple[float, float] | None:
    """Return the distance between rows and between columns, in mm or as an aspect ratio; none if unknown."""
    for keyword in SPACINGS:
        try:
            rows, columns = (float(value) for value in values(dataset, keyword))
        except (ValueError, TypeError):
            continue
        if 0 < rows < math.inf and 0 < columns < math.inf:
            return rows, columns
    return None


def first_lookup(dataset: Dataset, keyword: str, signed: bool, order: str) -> Lookup | None:
    """Return the lookup table of a sequence's first item, or none where the sequence is missing or empty."""
    items = values(dataset, keyword)
    return lookup(items[0], "LUT", signed, order) if items else None


def lookup(item: Dataset, prefix: str, signed: bool, order: str) -> Lookup:
    """Return the lookup table in `prefix`Descriptor (entries, first input, bits) and `prefix`Data.

    PS3.3, C.11.1.1. `order` is "<" or ">", the byte order of the file. Raises `Corrupt` where they disagree.
    """
    described, raw = values(item, f"{prefix}Descriptor"), values(item, f"{prefix}Data")
    if len(described) == 1 and isinstance(described[0], bytes):  # the parser could not tell US from SS
        described = np.frombuffer(described[0], f"{order}u2").tolist()
    count = int(described[0]) or LARGEST_LOOKUP if len(described) == 3 else 0
    entries = _entries(raw, count, order)
    if not 1 <= count <= min(LARGEST_LOOKUP, len(entries)):
        raise Corrupt("A lookup table in this file is damaged. Export the film again, or as PNG.")
    first = int(described[1])
    return Lookup(first - 2**16 if signed and first >= 2**15 else first, entries[:count])


def _entries(raw: list[Any], count: int, order: str) -> NDArray[np.float64]:
    if not raw or not isinstance(raw[0], bytes):
        return np.array(raw, dtype=np.float64)
    packed = raw[0]
    if len(packed) < 2 * count:  # one byte per entry
        return np.frombuffer(packed, "u1").astype(np.float64)
    return np.frombuffer(packed[: 2 * count], f"{order}u2").astype(np.float64)
