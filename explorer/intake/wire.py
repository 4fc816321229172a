"""What crosses the pipe between the app and its decoding child: lengths, JSON and raw pixels. Never a pickle."""

from __future__ import annotations

import json
import math
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from explorer.errors import Corrupt, IntakeError, NotAnImage, TooLarge, UnsupportedSyntax
from explorer.intake.greyscale import query_image
from explorer.settings import Limits
from explorer.types import QueryImage

ERRORS = {kind.__name__: kind for kind in (Corrupt, NotAnImage, TooLarge, UnsupportedSyntax)}
SOURCES = ("DICOM", "PNG", "JPEG")
LENGTH_BYTES = 8
HEADER_BYTES = 16 * 1024
MALFORMED = (EOFError, OSError, LookupError, TypeError, ValueError, RecursionError)  # what a broken answer raises


def send_file(stream: BinaryIO, data: bytes) -> None:
    """Write one uploaded file."""
    stream.write(len(data).to_bytes(LENGTH_BYTES, "big"))
    stream.write(data)
    stream.flush()


def receive_file(stream: BinaryIO) -> bytes | None:
    """Return the next uploaded file, or None when the app has closed the pipe."""
    length = stream.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    return stream.read(int.from_bytes(length, "big"))


def send_film(stream: BinaryIO, film: QueryImage) -> None:
    """Write a decoded film."""
    header = {"shape": film.pixels.shape, "window": film.window, "source": film.source, "notes": film.notes}
    _send_header(stream, header)
    stream.write(np.ascontiguousarray(film.pixels).data)
    stream.write(np.ascontiguousarray(film.display).data)
    stream.flush()


def send_error(stream: BinaryIO, error: IntakeError) -> None:
    """Write why a file was refused: the class and our own sentence."""
    _send_header(stream, {"error": type(error).__name__, "message": str(error)})
    stream.flush()


def receive_film(stream: BinaryIO, limits: Limits) -> QueryImage:
    """Return the child's film, or raise the `IntakeError` it sent.

    The child has handled hostile bytes, so its answer is checked like any input: raises one of `MALFORMED` where
    it breaks off or is not what a child of ours says.
    """
    header = _receive_header(stream)
    if "error" in header:
        raise ERRORS[header["error"]](_sentence(header["message"]))
    height, width = (int(side) for side in header["shape"])
    centre, breadth = (float(number) for number in header["window"])
    sane = height > 0 and width > 0 and height * width <= limits.pixels and math.isfinite(centre + breadth)
    if not sane or header["source"] not in SOURCES:
        raise ValueError("answer out of range")
    notes = tuple(_sentence(note) for note in header["notes"])
    pixels: NDArray[np.uint8] = np.empty((height, width), np.uint8)
    display: NDArray[np.uint16] = np.empty((height, width), np.uint16)
    for array in (pixels, display):
        _fill(stream, array.data.cast("B"))
    return query_image(pixels, display, (centre, breadth), header["source"], notes)


def _send_header(stream: BinaryIO, header: dict[str, Any]) -> None:
    encoded = json.dumps(header).encode()
    stream.write(len(encoded).to_bytes(LENGTH_BYTES, "big"))
    stream.write(encoded)


def _receive_header(stream: BinaryIO) -> dict[str, Any]:
    prefix = bytearray(LENGTH_BYTES)
    _fill(stream, memoryview(prefix))
    length = int.from_bytes(prefix, "big")
    if length > HEADER_BYTES:
        raise ValueError("answer too long")
    encoded = bytearray(length)
    _fill(stream, memoryview(encoded))
    return dict(json.loads(encoded))


def _fill(stream: BinaryIO, target: memoryview) -> None:
    """Read until `target` is full, straight into it."""
    done = 0
    while done < len(target):
        got = stream.readinto(target[done:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        done += got


def _sentence(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError("answer holds something else than text")
    return text
