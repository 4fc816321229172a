"""A radiograph for the screen: a small 16-bit picture as a data address, and the windows to read it with.

The browser's canvas applies the window, so changing it asks nothing of the server and leaves no file on disk.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from explorer.types import QueryImage

LONGEST_SIDE = 1024  # pixels; a column of the page shows about 300 of them


@dataclass(frozen=True)
class Window:
    """A named window in units of `QueryImage.display`."""

    key: str  # the key that chooses it
    label: str
    centre: float
    width: float


@dataclass(frozen=True)
class FilmView:
    """What the page needs to show a film."""

    address: str  # data:image/png, high byte of a pixel in red and low byte in green
    width: int
    height: int
    windows: tuple[Window, ...]  # the default window first


def view(image: QueryImage) -> FilmView:
    """Return the picture of a film, at most `LONGEST_SIDE` pixels long, with its windows."""
    grey = _shrink(image.display)
    height, width = grey.shape
    picture = base64.b64encode(_png(_in_two_bytes(grey))).decode("ascii")
    return FilmView(f"data:image/png;base64,{picture}", width, height, _windows(image, grey))


def shown_already(image: QueryImage) -> QueryImage:
    """Return a film without its full range, which is two thirds of it and needed for its picture alone."""
    return replace(image, display=np.zeros((0, 0), np.uint16))


def _windows(image: QueryImage, grey: NDArray[np.uint16]) -> tuple[Window, ...]:
    """A radiograph has no absolute units, so the presets are shares of the pixels: bright = dense."""
    low, lung, half, high = _percentiles(grey, (0.5, 55, 45, 99.5))
    return (
        Window("1", "default", *image.window),
        _between("2", "lung", low, lung),
        _between("3", "bone", half, high),
        _between("4", "full", float(grey.min()), float(grey.max())),
    )


def _percentiles(grey: NDArray[np.uint16], shares: Sequence[float]) -> NDArray[np.float64]:
    """As `np.percentile`, from how often each grey occurs: a film has more pixels than greys."""
    up_to = np.cumsum(np.bincount(grey.ravel()))  # [greys]
    places = np.array(shares) / 100 * (grey.size - 1)
    below, above = (np.searchsorted(up_to, edge, side="right") for edge in (np.floor(places), np.ceil(places)))
    percentiles: NDArray[np.float64] = below + (above - below) * (places % 1)
    return percentiles


def _between(key: str, label: str, low: float, high: float) -> Window:
    return Window(key, label, centre=float(low + high) / 2, width=max(1.0, float(high - low)))


def _shrink(display: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Average whole blocks of pixels; a margin narrower than one block is cut off."""
    block = -(-max(display.shape) // LONGEST_SIDE)
    height, width = (max(1, side // block) for side in display.shape)
    down, across = (min(block, side) for side in display.shape)
    total = np.zeros((height, width), dtype=np.uint32)
    for row, column in np.ndindex(down, across):
        total += display[row : height * block : block, column : width * block : block]
    return np.asarray(total // (down * across), dtype=np.uint16)


def _in_two_bytes(grey: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """[h, w] uint16 → [h, w, 3] uint8: high byte, low byte, nothing."""
    return np.stack((grey >> 8, grey & 0xFF, np.zeros_like(grey)), axis=-1).astype(np.uint8)


def _png(rgb: NDArray[np.uint8]) -> bytes:
    """[h, w, 3] → PNG, each row stored as its difference from the row above (https://www.w3.org/TR/png-3/)."""
    height, width, _ = rgb.shape
    lines = np.full((height, 1 + 3 * width), 2, dtype=np.uint8)  # filter type 2: up
    lines[:, 1:] = np.diff(rgb.reshape(height, -1), axis=0, prepend=np.uint8(0))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    # Runs alone: looking for repetitions takes four times as long on a film and finds next to none.
    packing = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    packed = packing.compress(lines.tobytes()) + packing.flush()
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
