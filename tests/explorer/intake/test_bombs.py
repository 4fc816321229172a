"""Small files that unfold: each is refused quickly, costs the app no memory, and the next film is read."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable

import numpy as np
import psutil
import pytest
from made_films import (
    DEFLATED,
    JPEG_BASELINE,
    RLE,
    dataset,
    encapsulated,
    file_of,
    picture_of,
    png_of,
    tagged,
    wedge,
)
from PIL import Image
from pydicom.uid import UID

from explorer.errors import Corrupt, IntakeError, TooLarge, UnsupportedSyntax
from explorer.intake.decode import decode
from explorer.intake.sandbox import Intake
from explorer.settings import MEGABYTE, Limits

FILM = file_of(dataset(wedge(12, False), 12))
PIXELS = FILM.index(b"\xe0\x7f\x10\x00")  # where the pixel data element starts
DATASET = FILM.index(b"\x08\x00\x16\x00")  # and where the data set does
UNDEFINED = b"\xff\xff\xff\xff"


def deflated() -> bytes:
    """0.9 MB that inflate to 896: the same flushed block again and again."""
    made = dataset(wedge(12, False), 12)
    made.file_meta.TransferSyntaxUID = UID(DEFLATED)
    film = file_of(made)
    meta = 144 + int.from_bytes(film[140:144], "little")  # the group length stands there, and counts from there
    press = zlib.compressobj(9, wbits=-15)
    block = press.compress(bytes(8 * MEGABYTE)) + press.flush(zlib.Z_FULL_FLUSH)
    return film[:meta] + block * 112 + press.flush()


def run_lengths(frames: int) -> bytes:
    made = tagged(dataset(np.zeros((1, 1), np.int64), 16), Rows=65_535, Columns=65_535, NumberOfFrames=frames)
    return file_of(encapsulated(made, RLE, bytes(100)))


def png_header(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    first = (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    body = b""
    for kind, content in (first, *chunks, (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        body += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return b"\x89PNG\r\n\x1a\n" + body


def nested_sequences(depth: int) -> bytes:
    opening = b"\x08\x00\x15\x11SQ\x00\x00" + UNDEFINED + b"\xfe\xff\x00\xe0" + UNDEFINED
    return FILM[:DATASET] + opening * depth


def listed_sequences(depth: int) -> bytes:
    opening = b"\x28\x00\x10\x30SQ\x00\x00" + UNDEFINED + b"\xfe\xff\x00\xe0" + UNDEFINED
    return FILM[:DATASET] + opening * depth


def test_the_deflated_bomb_is_a_bomb() -> None:
    data = deflated()
    assert len(data) < MEGABYTE
    unpacked = zlib.decompressobj(-15).decompress(data[144 + int.from_bytes(data[140:144], "little") :], 9 * MEGABYTE)
    assert len(unpacked) == 9 * MEGABYTE


def four_gigabytes() -> bytes:
    return FILM[:PIXELS] + b"\xe0\x7f\x10\x00OW\x00\x00" + b"\xfe\xff\xff\xff" + bytes(100)


def jpeg_of_another_size() -> bytes:
    jpeg = bytearray(picture_of(Image.fromarray(wedge(8, False).astype(np.uint8)), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 65_500, 65_500)
    return file_of(encapsulated(dataset(wedge(8, False), 8), JPEG_BASELINE, bytes(jpeg)))


BOMBS: dict[str, tuple[Callable[[], bytes], type[IntakeError]]] = {
    "deflated 896 MB": (deflated, UnsupportedSyntax),
    "RLE 65535²": (lambda: run_lengths(1), TooLarge),
    "RLE 65535² in 1000 frames": (lambda: run_lengths(1_000), TooLarge),
    "1000 frames of one film": (
        lambda: file_of(tagged(dataset(wedge(12, False), 12), Rows=2_000, Columns=2_000, NumberOfFrames=1_000)),
        TooLarge,
    ),
    "PNG 13000²": (lambda: png_header(13_000, 13_000), TooLarge),
    "PNG 20000²": (lambda: png_header(20_000, 20_000), TooLarge),
    "PNG with a text of 20 MB": (
        lambda: png_header(9, 9, (b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(20 * MEGABYTE)))),
        Corrupt,
    ),
    "sequences 20000 deep": (lambda: nested_sequences(20_000), Corrupt),
    "lookup tables 20000 deep": (lambda: listed_sequences(20_000), Corrupt),
    "4 GB declared, 100 bytes there": (four_gigabytes, Corrupt),
    "JPEG of 65500² in a film of 32²": (jpeg_of_another_size, Corrupt),
    "no rows and no columns": (lambda: file_of(tagged(dataset(wedge(12, False), 12), Rows=0, Columns=0)), Corrupt),
    "flat DICOM": (lambda: file_of(dataset(np.full((64, 64), 99), 12)), Corrupt),
    "flat PNG": (lambda: png_of(np.full((64, 64), 99, np.uint8)), Corrupt),
}

WORST = ("deflated 896 MB", "PNG 13000²", "sequences 20000 deep")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # an error in the sandbox
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_a_second(name: str) -> None:
    make, refusal = BOMBS[name]
    data = make()
    started = time.process_time()
    with pytest.raises(IntakeError) as raised:
        decode(data, Limits())
    assert type(raised.value) is refusal
    assert time.process_time() - started < 1


def test_bombs_cost_the_app_no_memory_and_the_next_film_is_read(intake: Intake) -> None:
    bombs = [BOMBS[name][0]() for name in WORST]
    intake.read(FILM)
    process = psutil.Process()
    before = process.memory_info().rss
    for data in bombs:
        with pytest.raises(IntakeError):
            intake.read(data)
        assert process.memory_info().rss - before < 20 * MEGABYTE
    assert intake.read(FILM).pixels.shape == (32, 32)


@pytest.mark.slow
def test_every_bomb_through_the_sandbox_is_refused_in_time(record_property: Callable[[str, object], None]) -> None:
    process = psutil.Process()
    with Intake(Limits()) as own:
        own.read(FILM)
        before = process.memory_info().rss
        for make, refusal in BOMBS.values():
            data = make()
            started = time.monotonic()
            with pytest.raises(refusal):
                own.read(data)
            assert time.monotonic() - started < 30
            assert process.memory_info().rss - before < 100 * MEGABYTE
            assert own.read(FILM).pixels.shape == (32, 32)
    record_property("faults", len(BOMBS))
