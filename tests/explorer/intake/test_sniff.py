from __future__ import annotations

import pytest
from made_films import dataset, file_of, picture_of, png_of, wedge
from PIL import Image

from explorer.errors import NotAnImage, TooLarge
from explorer.intake.sniff import sniff
from explorer.settings import Limits


def test_the_content_says_what_a_file_is() -> None:
    grey = wedge(8, False).astype("uint8")
    assert sniff(file_of(dataset(grey, 8)), Limits()) == "DICOM"
    assert sniff(png_of(grey), Limits()) == "PNG"
    assert sniff(picture_of(Image.fromarray(grey), "JPEG"), Limits()) == "JPEG"


@pytest.mark.parametrize(
    "data",
    (b"Chest PA: no acute finding.\n" * 20, b"GIF89a" + bytes(200), b"%PDF-1.7", b"DICM", bytes(4_000), b"\xff\xd8"),
    ids=("text", "gif", "pdf", "misplaced magic", "zeros", "two bytes of a jpeg"),
)
def test_anything_else_is_refused_as_not_an_image(data: bytes) -> None:
    with pytest.raises(NotAnImage, match="Export the film as one of these"):
        sniff(data, Limits())


def test_an_empty_file_is_refused_in_its_own_words() -> None:
    with pytest.raises(NotAnImage, match="empty"):
        sniff(b"", Limits())


def test_dicom_without_its_preamble_is_told_from_noise() -> None:
    with pytest.raises(NotAnImage, match="without its file header"):
        sniff(file_of(dataset(wedge(8, False), 8))[132:], Limits())


def test_size_is_checked_before_content() -> None:
    with pytest.raises(TooLarge, match="larger than 1 MB"):
        sniff(b"no image at all" * 100_000, Limits(upload_bytes=2**20))


def test_a_file_of_exactly_the_limit_passes() -> None:
    png = png_of(wedge(8, False).astype("uint8"))
    assert sniff(png, Limits(upload_bytes=len(png))) == "PNG"
