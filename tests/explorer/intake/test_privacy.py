"""Nothing that names a patient leaves the intake: not in the film, not in its notes, not in an error."""

from __future__ import annotations

import io
import traceback

import numpy as np
import pytest
from made_films import MARK, file_of, planted, png_of, wedge
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from explorer.errors import IntakeError
from explorer.intake import wire
from explorer.intake.decode import decode
from explorer.intake.sandbox import Intake
from explorer.settings import Limits
from explorer.types import QueryImage


def told(film: QueryImage) -> bytes:
    """Everything of a film that crosses the wire, and its record written out."""
    stream = io.BytesIO()
    wire.send_film(stream, film)
    return stream.getvalue() + repr(film).encode()


def test_the_planted_film_is_full_of_names() -> None:
    assert len(planted()) > 200
    assert file_of(planted()).count(MARK.encode()) > 200


def test_no_planted_text_reaches_the_film_or_its_notes(intake: Intake) -> None:
    film = intake.read(file_of(planted()))
    assert MARK.encode() not in told(film)
    assert film.notes[0] == "Modality not named, 32×32, 12 bit."


@pytest.mark.parametrize(
    ("old", "new"),
    (
        (b"1.2.840.10008.1.2.1\x00", b"ZQX.840.10008.1.2.1\x00"),  # an unknown syntax with a name in it
        (b"(\x00\x10\x00US\x02\x00 \x00", b"(\x00\x10\x00US\x02\x00\x00\x00"),  # no rows
        (b"MONOCHROME2 ", b"ZQX^PATIENT "),
        (b"\x28\x00\x00\x01US\x02\x00\x10\x00", b"\x28\x00\x00\x01LO\x02\x00ZQ"),  # a word where bits belong
        (b"\xe0\x7f\x10\x00OW", b"\xe0\x7f\x10\x00ZQ"),
    ),
    ids=("syntax", "rows", "photometric", "bits", "pixel type"),
)
def test_no_planted_text_reaches_an_error(old: bytes, new: bytes) -> None:
    data = file_of(planted())
    assert old in data
    with pytest.raises(IntakeError) as refusal:
        decode(data.replace(old, new), Limits())
    assert MARK not in "".join(traceback.format_exception(refusal.value))


def test_no_planted_text_reaches_an_error_of_the_sandbox(intake: Intake) -> None:
    data = file_of(planted()).replace(b"MONOCHROME2 ", f"{MARK}^PATIENT ".encode())
    with pytest.raises(IntakeError) as refusal:
        intake.read(data)
    assert MARK not in "".join(traceback.format_exception(refusal.value))


def test_a_file_cut_anywhere_names_nobody() -> None:
    data = file_of(planted())
    for length in range(132, len(data), 97):
        try:
            seen = told(decode(data[:length], Limits())).decode("latin-1")
        except IntakeError as refusal:
            seen = "".join(traceback.format_exception(refusal))
        assert MARK not in seen


def test_texts_of_a_png_and_a_jpeg_stay_behind(intake: Intake) -> None:
    text, exif = PngInfo(), Image.Exif()
    text.add_text("Patient", f"{MARK}^PNG")
    exif[0x010E] = f"{MARK} description"
    grey = wedge(8, False).astype(np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(grey).save(jpeg, "JPEG", exif=exif, comment=f"{MARK} comment")
    for data in (png_of(grey, pnginfo=text), jpeg.getvalue()):
        assert MARK.encode() in data
        assert MARK.encode() not in told(intake.read(data))
