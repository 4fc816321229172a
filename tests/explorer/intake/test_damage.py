"""Random damage to real kinds of file: a film or an `IntakeError`, never anything else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_films import (
    IMPLICIT,
    JPEG_2000,
    JPEG_BASELINE,
    JPEG_LOSSLESS,
    JPEG_LS,
    RLE,
    compressed,
    dataset,
    encapsulated,
    file_of,
    lookup_item,
    picture_of,
    png_of,
    tagged,
    wedge,
)
from PIL import Image

from explorer.errors import IntakeError
from explorer.intake.decode import decode
from explorer.intake.sandbox import Intake
from explorer.settings import MEGABYTE, Limits

Tally = Callable[[str, object], None]

HERE = ("explicit", "implicit", "RLE", "PNG", "plain JPEG")
# What gdcm decodes is damaged in the sandbox only: a few flipped bytes make it end the whole process.
SANDBOXED = ("JPEG", "JPEG Lossless", "JPEG-LS", "JPEG 2000")
# In-process runs must be bounded too: no memory limit of a child protects them.
SMALL = Limits(pixels=4_000_000, decoded_bytes=16 * MEGABYTE)
FILM = file_of(dataset(wedge(8, False), 8))
HEADER = FILM[: FILM.index(b"\x08\x00\x16\x00")]


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("seeds")
    bytes_, deep = wedge(8, False).astype(np.uint8), wedge(12, False)
    table = [lookup_item(0, np.arange(4_096))]
    jpeg = picture_of(Image.fromarray(bytes_), "JPEG")
    made = {
        "explicit": file_of(tagged(dataset(deep, 12), VOILUTSequence=table, RescaleSlope=2)),
        "implicit": file_of(tagged(dataset(deep, 12, syntax=IMPLICIT), WindowCenter=[1, 2], WindowWidth=[3, 4])),
        "JPEG": file_of(encapsulated(dataset(bytes_, 8), JPEG_BASELINE, jpeg)),
        "PNG": png_of(bytes_),
        "plain JPEG": jpeg,
    }
    for kind, syntax in (
        ("RLE", RLE),
        ("JPEG Lossless", JPEG_LOSSLESS),
        ("JPEG-LS", JPEG_LS),
        ("JPEG 2000", JPEG_2000),
    ):
        made[kind] = compressed(dataset(deep, 12, syntax=IMPLICIT), syntax, folder)
    return made


def damaged(seed: bytes, random: np.random.Generator) -> bytes:
    """Flip up to twelve bytes, and once in three cases cut the file."""
    data = bytearray(seed)
    for place in random.integers(130 if seed[128:132] == b"DICM" else 8, len(data), random.integers(1, 13)):
        data[place] = random.integers(256)
    return bytes(data[: random.integers(len(data)) if random.random() < 1 / 3 else len(data)])


def survives(data: bytes) -> None:
    try:
        film = decode(data, SMALL)
    except IntakeError as refusal:
        assert str(refusal).endswith(".")
        return
    assert film.pixels.shape == film.display.shape
    assert np.isfinite(film.window).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", HERE)
def test_a_few_damages_end_as_a_film_or_a_refusal(kind: str, seeds: dict[str, bytes]) -> None:
    random = np.random.default_rng(len(kind))
    for _ in range(8):
        survives(damaged(seeds[kind], random))


def test_one_damage_of_every_other_kind_is_survived_in_the_sandbox(seeds: dict[str, bytes], intake: Intake) -> None:
    random = np.random.default_rng(3)
    for kind in SANDBOXED:
        with suppress(IntakeError):
            intake.read(damaged(seeds[kind], random))
    assert intake.read(seeds["explicit"]).pixels.shape == (32, 32)


@pytest.mark.filterwarnings("ignore")
@given(st.binary(max_size=600))
def test_any_bytes_behind_a_dicom_header_are_survived(noise: bytes) -> None:
    survives(HEADER + noise)


@pytest.mark.fuzz
@pytest.mark.timeout(1_800)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", HERE)
def test_thousands_of_damages_end_as_a_film_or_a_refusal(
    kind: str, seeds: dict[str, bytes], record_property: Tally
) -> None:
    random = np.random.default_rng(0)
    for _ in range(2_000):
        survives(damaged(seeds[kind], random))
    record_property("faults", 2_000)


@pytest.mark.fuzz
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("kind", SANDBOXED)
def test_hundreds_of_damages_leave_the_app_as_it_was(
    kind: str, seeds: dict[str, bytes], record_property: Tally
) -> None:
    random, process = np.random.default_rng(1), psutil.Process()
    with Intake(Limits()) as own:
        wanted = own.read(seeds[kind]).digest
        before = process.memory_info().rss
        for _ in range(150):
            with suppress(IntakeError):
                own.read(damaged(seeds[kind], random))
        assert process.memory_info().rss - before < 50 * MEGABYTE
        assert own.read(seeds[kind]).digest == wanted
    record_property("faults", 150)


def test_a_panic_outside_exception_is_a_damaged_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class PanicException(BaseException):
        """What codecs written in Rust raise."""

    def panic(*_: object) -> None:
        raise PanicException("rust says the patient's name")

    monkeypatch.setattr("explorer.intake.decode.read_dicom", panic)
    with pytest.raises(IntakeError, match="damaged"):
        decode(FILM, Limits())
