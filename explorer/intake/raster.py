"""A PNG or JPEG to a query image. Runs on untrusted bytes: the app calls it in the sandbox only."""

from __future__ import annotations

from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from explorer.errors import TooLarge
from explorer.intake import greyscale
from explorer.intake.greyscale import Codes, Window
from explorer.settings import Limits
from explorer.types import QueryImage

EXIF_ORIENTATION = 0x0112
UPRIGHT = 1
PNG_BIT_DEPTH = 24  # where that byte stands in the IHDR chunk, which is always the first
DEEP = "I;16"
GREY = ("1", "L", "LA", DEEP)
BYTE = Window(127.5, 255.0, "LINEAR_EXACT")  # shows 8-bit greys as they are


def read_raster(data: bytes, kind: Literal["PNG", "JPEG"], limits: Limits) -> QueryImage:
    """Return a PNG or JPEG, bright = dense as exported.

    Raises an `IntakeError`, or whatever Pillow raises on damaged bytes; `decode` turns those into one of ours.
    """
    with Image.open(BytesIO(data), formats=[kind]) as opened:
        if opened.width * opened.height > limits.pixels:
            raise TooLarge("The picture is too large to be one radiograph. Export a smaller one.")
        bits = data[PNG_BIT_DEPTH] if kind == "PNG" else 8
        done = _done(opened, bits)
        codes = _grey(ImageOps.exif_transpose(opened))
    notes = (
        f"{kind}, {codes.shape[0]}×{codes.shape[1]}, {bits} bit.",
        "Bright is taken as dense, as exported: invert it if bones are dark.",
        *done,
        "Only the pixels and their orientation were read; text may be burnt into the pixels.",
    )
    return _develop(codes, kind, notes)


def _done(image: Image.Image, bits: int) -> list[str]:
    """Say what reading this picture as grey changes."""
    said = {
        "Turned upright, as its orientation mark says.": image.getexif().get(EXIF_ORIENTATION, UPRIGHT) != UPRIGHT,
        "Colour was reduced to its luminance.": image.mode not in GREY,
        "Only the upper 8 of 16 bits could be read.": bits > 8 and image.mode != DEEP,
        "Transparent parts were laid on black.": image.has_transparency_data and image.mode != DEEP,
        "The first of several pictures in the file is shown.": getattr(image, "n_frames", 1) > 1,
    }
    return [sentence for sentence, applies in said.items() if applies]


def _grey(image: Image.Image) -> Codes:
    if image.mode == DEEP:
        return np.array(image, dtype=np.uint16)
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return np.array(image.convert("L"), dtype=np.uint8)


def _develop(codes: Codes, kind: str, notes: tuple[str, ...]) -> QueryImage:
    counts = greyscale.count(codes)
    values = np.arange(len(counts), dtype=np.float64)
    ends = greyscale.span(values, counts)
    if codes.itemsize == 1:
        curve, ends = greyscale.window_curve(values, BYTE), (0.0, 255.0)
    else:
        curve, contrast = greyscale.choose_curve(values, counts, None)
        notes = (*notes[:2], contrast, *notes[2:])
    return greyscale.develop(codes, values, curve, ends, inverted=False, source=kind, notes=notes)
