from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from made_films import picture_of, png_of, wedge
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from explorer.errors import Corrupt, TooLarge
from explorer.intake.decode import decode
from explorer.settings import Limits
from explorer.types import QueryImage

BYTES = wedge(8, False).astype(np.uint8)[:24]  # 24 rows, 32 columns


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def read(data: bytes) -> QueryImage:
    return decode(data, Limits())


def test_an_eight_bit_png_keeps_its_greys() -> None:
    seen = read(png_of(BYTES))
    assert np.array_equal(seen.pixels, BYTES)
    assert np.array_equal(seen.display, BYTES.astype(np.uint16) * 257)
    assert (seen.source, seen.window) == ("PNG", (32_767.5, 65_535.0))
    assert seen.notes == (
        "PNG, 24×32, 8 bit.",
        "Bright is taken as dense, as exported: invert it if bones are dark.",
        "Only the pixels and their orientation were read; text may be burnt into the pixels.",
    )


def test_a_sixteen_bit_png_keeps_its_depth_and_is_windowed() -> None:
    deep = BYTES.astype(np.uint16) * 16  # a 12-bit film in 16 bits
    seen = read(png_of(deep))
    assert len(np.unique(seen.display)) == len(np.unique(deep))
    assert (int(seen.pixels.min()), int(seen.pixels.max())) == (0, 255)
    assert any("percentile" in note for note in seen.notes)


def test_a_jpeg_is_nearly_the_film() -> None:
    seen = read(picture_of(Image.fromarray(BYTES), "JPEG", quality=95))
    assert seen.source == "JPEG"
    assert np.abs(seen.pixels.astype(int) - BYTES).max() <= 4


def test_one_bit_becomes_black_and_white() -> None:
    assert read(png_of(BYTES > 100)).pixels[0, [0, -1]].tolist() == [0, 255]


def test_grey_stored_as_colour_keeps_its_greys() -> None:
    seen = read(png_of(np.repeat(BYTES[..., None], 3, axis=2)))
    assert np.array_equal(seen.pixels, BYTES)
    assert "Colour was reduced to its luminance." in seen.notes


def test_a_palette_is_looked_up() -> None:
    assert np.array_equal(read(picture_of(Image.fromarray(BYTES).convert("P"), "PNG")).pixels, BYTES)


def test_transparent_parts_are_laid_on_black() -> None:
    alpha = np.full_like(BYTES, 255)
    alpha[:, 16:] = 0
    seen = read(png_of(np.stack([BYTES, alpha], axis=2)))
    assert np.array_equal(seen.pixels[:, :16], BYTES[:, :16])
    assert not seen.pixels[:, 16:].any()
    assert "Transparent parts were laid on black." in seen.notes


def test_an_orientation_mark_is_obeyed_and_named() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter to the right
    seen = read(picture_of(Image.fromarray(BYTES), "JPEG", quality=95, exif=exif))
    assert seen.pixels.shape == (32, 24)
    assert seen.pixels[0].mean() < seen.pixels[-1].mean()  # the dark left edge went to the top
    assert "Turned upright, as its orientation mark says." in seen.notes
    assert seen.notes[0] == "JPEG, 32×24, 8 bit."


def test_deep_colour_loses_its_lower_bits_with_a_note() -> None:
    rows = np.repeat(BYTES[:, :, None].astype(">u2") * 257, 3, axis=2)
    lines = b"".join(b"\x00" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", 32, 24, 16, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    seen = read(png)
    assert np.array_equal(seen.pixels, BYTES)
    assert "Only the upper 8 of 16 bits could be read." in seen.notes


def test_the_first_of_several_pictures_is_shown_with_a_note() -> None:
    film = Image.fromarray(BYTES)
    stream = io.BytesIO()
    film.save(stream, "PNG", save_all=True, append_images=[Image.fromarray(255 - BYTES)])
    seen = read(stream.getvalue())
    assert np.array_equal(seen.pixels, BYTES)
    assert "The first of several pictures in the file is shown." in seen.notes


def test_a_colour_profile_and_text_chunks_change_nothing() -> None:
    text = PngInfo()
    text.add_text("Comment", "made for this test", zip=True)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert read(png_of(BYTES, pnginfo=text, icc_profile=profile)).digest == read(png_of(BYTES)).digest


@pytest.mark.parametrize("kind", ("PNG", "JPEG"))
def test_a_picture_cut_short_is_corrupt(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    data = picture_of(Image.fromarray(noise), kind)
    for length in (12, 40, len(data) // 2, len(data) - 200):
        with pytest.raises(Corrupt):
            read(data[:length])


def test_a_blank_picture_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="blank"):
        read(png_of(np.full((8, 8), 7, np.uint8)))


def test_a_picture_above_the_pixel_limit_is_refused_by_its_header() -> None:
    with pytest.raises(TooLarge):
        decode(png_of(BYTES), Limits(pixels=24 * 32 - 1))
