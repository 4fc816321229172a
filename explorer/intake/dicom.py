"""A DICOM file to a query image. Runs on untrusted bytes: the app calls it in the sandbox only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from explorer.errors import Corrupt
from explorer.intake import greyscale, notes
from explorer.intake.greyscale import Codes, Counts, Curve, Table, Window
from explorer.intake.header import COLOUR, OWN_DEPTH, PALETTE, Header, read_header
from explorer.settings import Limits
from explorer.types import QueryImage


def read_dicom(data: bytes, limits: Limits) -> QueryImage:
    """Return the first frame of a DICOM file, bright = dense.

    Raises an `IntakeError`, or whatever pydicom and its codecs raise on damaged bytes; `decode` turns those into
    one of ours.
    """
    header, encoded = read_header(data, limits)
    codes = _first_frame(header, encoded)
    counts = greyscale.count(codes)
    depth = 8 * codes.itemsize if header.syntax in OWN_DEPTH else min(header.stored, 8 * codes.itemsize)
    values = _modality_values(header, greyscale.stored_values(8 * codes.itemsize, depth, header.signed))
    curve, ends, contrast = _contrast(header, values, counts)
    stray = greyscale.has_stray_bits(counts, depth, header.signed)
    said = notes.describe(header, contrast, stray_bits=stray)
    return greyscale.develop(codes, values, curve, ends, inverted=header.inverted, source="DICOM", notes=said)


def _first_frame(header: Header, encoded: bytes) -> Codes:
    """Decode the first frame → [h, w] as stored, two's complement left as it is; colour as luminance.

    Only checked numbers reach the decoder, never the dataset.
    """
    frame, described = get_decoder(UID(header.syntax)).as_array(
        encoded,
        index=0,
        rows=header.rows,
        columns=header.columns,
        number_of_frames=header.frames,
        samples_per_pixel=header.samples,
        photometric_interpretation=header.photometric,
        planar_configuration=header.planar,
        bits_allocated=header.allocated,
        bits_stored=header.stored,
        pixel_representation=int(header.signed),
        pixel_keyword="PixelData",
        pixel_vr="OW" if header.swapped else "OB",
        correct_unused_bits=False,  # done on the table of values, where stray bits can be told
    )
    if frame.shape[:2] != (header.rows, header.columns) or frame.dtype.itemsize > 2:
        raise Corrupt("The picture does not have the size its file says. Export the film again, or as PNG.")
    if frame.ndim == 2:
        return _codes(frame)
    if described["photometric_interpretation"] != "RGB":
        return _codes(frame[..., 0])  # Y of YBR is the luminance
    return _codes(greyscale.luminance(*np.moveaxis(frame, -1, 0)).astype(f"u{frame.dtype.itemsize}"))


def _codes(frame: NDArray[Any]) -> Codes:
    """Return 8- or 16-bit samples of any sign and byte order as the bit patterns they are."""
    native = np.ascontiguousarray(frame, dtype=frame.dtype.newbyteorder("="))
    return native.view(np.uint8) if native.itemsize == 1 else native.view(np.uint16)


def _modality_values(header: Header, stored: Table) -> Table:
    if header.photometric == PALETTE:
        return greyscale.luminance(*(primary.at(stored) for primary in header.palette)).astype(np.float64)
    if header.photometric in COLOUR:
        return stored
    if header.modality_lookup is not None:
        return header.modality_lookup.at(stored)
    return header.slope * stored + header.intercept


def _contrast(header: Header, values: Table, counts: Counts) -> tuple[Curve, tuple[float, float], str]:
    """Return the curve, the values at the ends of the display, and the sentence that says where they come from."""
    ends = greyscale.span(values, counts)
    if header.photometric in (PALETTE, *COLOUR):
        top = max(255.0, 2.0 ** int(values.max()).bit_length() - 1)
        curve = greyscale.window_curve(values, Window(top / 2, top, "LINEAR_EXACT"))
        return curve, (0.0, top), "Colour was reduced to its luminance."
    curve, sentence = greyscale.choose_curve(values, counts, header.voi)
    return curve, ends, sentence
