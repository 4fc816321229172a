"""What a file is, by its first bytes. Its name and suffix are never looked at."""

from __future__ import annotations

from typing import Literal

from explorer.errors import NotAnImage, TooLarge
from explorer.settings import MEGABYTE, Limits

Format = Literal["DICOM", "PNG", "JPEG"]

PREAMBLE = 128  # bytes before the letters DICM (PS3.10, 7.1)
HEAD = PREAMBLE + 4
BARE_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")  # first tag group of a DICOM stream saved without preamble


def sniff(data: bytes, limits: Limits) -> Format:
    """Return the format of an uploaded file.

    Raises `TooLarge` above `limits.upload_bytes`, `NotAnImage` if it is none of the three formats.
    """
    if len(data) > limits.upload_bytes:
        raise TooLarge(f"The file is larger than {limits.upload_bytes // MEGABYTE} MB. Export a smaller one.")
    if data[PREAMBLE:HEAD] == b"DICM":
        return "DICOM"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    raise NotAnImage(_refusal(data))


def _refusal(data: bytes) -> str:
    if not data:
        return "The file is empty. Choose a DICOM, PNG or JPEG file."
    if data[:2] in BARE_GROUPS:
        return "This may be DICOM without its file header. Export it again as a DICOM file, or as PNG."
    return "This is neither a DICOM, a PNG nor a JPEG file. Export the film as one of these."
