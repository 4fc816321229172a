from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_films import (
    BIG_ENDIAN,
    DEFLATED,
    IMPLICIT,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    SIDE,
    dataset,
    encapsulated,
    file_of,
    lookup_item,
    picture_of,
    tagged,
    wedge,
)
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import UID

from explorer.errors import Corrupt, IntakeError, NotAnImage, UnsupportedSyntax
from explorer.intake.decode import decode
from explorer.settings import Limits
from explorer.types import QueryImage

BYTES = wedge(8, False)  # 0 … 255 from left to right
HTJ2K = "1.2.840.10008.1.2.4.201"


def read(made: Dataset) -> QueryImage:
    return decode(file_of(made), Limits())


def grey(**tags: Any) -> Dataset:
    """An 8-bit wedge that is shown as it is stored."""
    return tagged(dataset(BYTES, 8), WindowCenter=128, WindowWidth=256, **tags)


def coloured(photometric: str, frame: np.ndarray) -> Dataset:
    made = tagged(dataset(frame, 8), SamplesPerPixel=3, PlanarConfiguration=0)
    return tagged(made, PhotometricInterpretation=photometric)


def test_a_film_is_described_and_nothing_else_is_said() -> None:
    seen = read(grey(Modality="CR", ViewPosition="AP", BodyPartExamined="CHEST", BurnedInAnnotation="NO"))
    assert seen.source == "DICOM"
    assert seen.notes == (
        "Computed radiography, AP, 32×32, 8 bit.",
        "Window from the file: centre 128, width 256.",
        "Names, dates and identifiers were not read.",
        "The file says that no text is burnt into the pixels; a side marker may be there all the same.",
    )


def test_the_first_of_many_windows_counts() -> None:
    several = tagged(dataset(BYTES, 8), WindowCenter=[128, 10], WindowWidth=[256, 5])
    assert read(several).digest == read(grey()).digest


def test_a_lookup_table_goes_before_a_window() -> None:
    halves = lookup_item(0, np.repeat([0, 65_535], 128))
    seen = read(grey(VOILUTSequence=[halves]))
    assert set(seen.pixels[0].tolist()) == {0, 255}
    assert "Contrast from the lookup table in the file." in seen.notes


def test_a_lookup_table_of_bytes_is_read_as_bytes() -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [256, 0, 8])
    item.add_new("LUTData", "OW", bytes(range(256)))
    assert read(grey(VOILUTSequence=[item])).digest == read(grey()).digest


def test_a_modality_lookup_table_goes_before_the_window() -> None:
    falling = lookup_item(0, np.arange(255, -1, -1))
    falling.ModalityLUTType = "US"
    seen = read(grey(ModalityLUTSequence=[falling]))
    assert seen.pixels[0].tolist() == BYTES[0, ::-1].tolist()


def test_a_lookup_table_shorter_than_it_says_is_refused() -> None:
    item = lookup_item(0, np.arange(64))
    item.LUTDescriptor = [4_096, 0, 16]
    with pytest.raises(Corrupt, match="lookup table"):
        read(grey(VOILUTSequence=[item]))


def test_presentation_shape_inverse_inverts_once_even_on_monochrome1() -> None:
    upright = read(grey())
    for tags in (
        {"PresentationLUTShape": "INVERSE"},
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    ):
        assert np.array_equal(read(grey(**tags)).pixels, 255 - upright.pixels)


def test_a_window_beside_the_pixels_is_ignored_and_the_screen_says_so() -> None:
    seen = read(tagged(dataset(BYTES, 8), WindowCenter=2_725, WindowWidth=310))
    assert (int(seen.pixels.min()), int(seen.pixels.max())) == (0, 255)
    assert any("misses the picture and was ignored" in note for note in seen.notes)


@pytest.mark.parametrize("window", (("nan", "10"), ("128", "0"), ("128", "-5"), ("12,5", "3"), ("", "")))
def test_a_window_that_is_no_window_is_as_good_as_none(window: tuple[str, str]) -> None:
    data = file_of(tagged(dataset(BYTES, 8), WindowCenter="111111", WindowWidth="222222"))
    data = data.replace(b"111111", window[0].ljust(6).encode()).replace(b"222222", window[1].ljust(6).encode())
    assert any("names no window" in note for note in decode(data, Limits()).notes)


def test_bits_above_the_stored_depth_are_ignored_with_a_note() -> None:
    stored = wedge(12, False)
    clean = read(dataset(stored, 12))
    drawn_on = read(dataset(stored | 0x8000 * (np.arange(SIDE) % 2), 12))
    assert drawn_on.digest == clean.digest
    assert "Bits above the lowest 12 were ignored." in drawn_on.notes
    assert "Bits above the lowest 12 were ignored." not in clean.notes


@pytest.mark.parametrize("word_swapped", (False, True))
def test_eight_bit_big_endian_words_come_back_in_order(word_swapped: bool) -> None:
    made = dataset(BYTES, 8, syntax=BIG_ENDIAN)
    if word_swapped:
        made.PixelData = np.frombuffer(made.PixelData, "<u2").astype(">u2").tobytes()
        made["PixelData"].VR = "OW"
    assert read(made).digest == read(dataset(BYTES, 8)).digest


def test_colour_becomes_luminance_with_a_note() -> None:
    frame = np.zeros((2, 2, 3), np.int64)
    frame[0, 0], frame[0, 1], frame[1, 0] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    seen = read(coloured("RGB", frame))
    assert seen.pixels.tolist() == [[76, 150], [29, 0]]
    assert "Colour was reduced to its luminance." in seen.notes


def test_the_brightness_of_ybr_is_its_luminance() -> None:
    frame = np.full((SIDE, SIDE, 3), 128)
    frame[..., 0] = BYTES
    assert np.abs(read(coloured("YBR_FULL", frame)).pixels.astype(int) - BYTES).max() <= 1


def test_a_palette_is_looked_up() -> None:
    made = tagged(dataset(BYTES, 8), PhotometricInterpretation="PALETTE COLOR")
    for primary in ("Red", "Green", "Blue"):
        made.add_new(f"{primary}PaletteColorLookupTableDescriptor", "US", [256, 0, 8])
        made.add_new(f"{primary}PaletteColorLookupTableData", "OW", bytes(range(255, -1, -1)))
    assert np.array_equal(read(made).pixels, 255 - BYTES)


def test_baseline_jpeg_is_nearly_the_film() -> None:
    jpeg = picture_of(Image.fromarray(BYTES.astype("uint8")), "JPEG", quality=95)
    seen = read(encapsulated(grey(), JPEG_BASELINE, jpeg))
    assert np.abs(seen.pixels.astype(int) - BYTES).max() <= 4
    assert "The file was compressed with loss." in seen.notes


def test_the_first_of_several_frames_is_shown_with_a_note() -> None:
    both = np.concatenate([BYTES, BYTES[:, ::-1]])
    made = tagged(dataset(both, 8), Rows=SIDE, NumberOfFrames=2, WindowCenter=128, WindowWidth=256)
    seen = read(made)
    assert np.array_equal(seen.pixels, BYTES)
    assert "The first of 2 frames is shown." in seen.notes


@pytest.mark.parametrize(
    ("keyword", "spacing", "said"),
    (
        ("PixelSpacing", ["0.2", "0.1"], True),
        ("ImagerPixelSpacing", ["0.143", "0.143"], False),
        ("PixelSpacing", ["0", "0"], False),
        ("PixelAspectRatio", ["1", "2"], True),
    ),
)
def test_oblong_pixels_are_named_and_never_resampled(keyword: str, spacing: list[str], said: bool) -> None:
    seen = read(grey(**{keyword: spacing}))
    assert seen.pixels.shape == (SIDE, SIDE)
    assert any("not square" in note for note in seen.notes) is said


@pytest.mark.parametrize(
    ("tags", "sentence"),
    (
        ({"Modality": "CT", "BodyPartExamined": "CHEST"}, "This is not a plain radiograph"),
        ({"BodyPartExamined": "HAND"}, "another part of the body"),
        ({}, "does not say that it shows a chest"),
        ({"BurnedInAnnotation": "YES"}, "it may name the patient"),
        ({}, "does not say that no text is burnt in"),
    ),
)
def test_what_the_file_says_about_itself_is_passed_on(tags: dict[str, str], sentence: str) -> None:
    assert any(sentence in note for note in read(grey(**tags)).notes)


def test_implicit_files_with_ambiguous_lookup_tables_are_read() -> None:
    made = tagged(dataset(wedge(12, True), 12, True, syntax=IMPLICIT), VOILUTSequence=[])
    made.VOILUTSequence = [lookup_item(-2_048, np.arange(4_096), signed=True)]
    assert np.array_equal(read(made).pixels, read(dataset(wedge(12, True), 12, True)).pixels)


@pytest.mark.parametrize(
    ("syntax", "name"),
    ((DEFLATED, "deflated"), (JPEG_EXTENDED, "JPEG Extended with 12 bits"), (HTJ2K, "High-Throughput JPEG 2000")),
)
def test_a_syntax_nothing_here_decodes_is_named_and_a_way_out_given(syntax: str, name: str) -> None:
    made = encapsulated(dataset(wedge(12, False), 12), syntax, b"\xff\xd8\xff\xd9")
    if syntax == DEFLATED:
        made = dataset(wedge(12, False), 12)
        made.file_meta.TransferSyntaxUID = UID(DEFLATED)
    with pytest.raises(UnsupportedSyntax, match=f"{name}.*PNG"):
        read(made)


def test_an_unknown_syntax_is_refused_without_repeating_it() -> None:
    made = dataset(BYTES, 8)
    data = file_of(made).replace(b"1.2.840.10008.1.2.1\x00", b"1.2.840.99999.9.9.9\x00")
    with pytest.raises(UnsupportedSyntax) as refusal:
        decode(data, Limits())
    assert "99999" not in str(refusal.value)


def test_the_contents_of_a_disc_are_not_a_film() -> None:
    made = dataset(BYTES, 8)
    made.SOPClassUID = UID("1.2.840.10008.1.3.10")
    with pytest.raises(NotAnImage, match="Choose one of the films"):
        read(made)


@pytest.mark.parametrize(
    "tags",
    (
        {"BitsAllocated": 32, "BitsStored": 32},
        {"BitsAllocated": 1, "BitsStored": 1},
        {"BitsStored": 12},
        {"SamplesPerPixel": 3},
        {"PhotometricInterpretation": "CMYK"},
    ),
    ids=str,
)
def test_pixels_described_in_another_way_are_refused(tags: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedSyntax):
        read(grey(**tags))


@pytest.mark.parametrize("keyword", ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelData"))
def test_a_film_without_what_every_film_has_is_corrupt(keyword: str) -> None:
    made = grey()
    delattr(made, keyword)
    with pytest.raises(Corrupt):
        read(made)


def test_a_file_cut_short_is_corrupt() -> None:
    data = file_of(grey())
    for length in (133, 200, 400, len(data) - 100):
        with pytest.raises(IntakeError):
            decode(data[:length], Limits())


def test_a_slope_of_zero_leaves_a_blank_film() -> None:
    with pytest.raises(Corrupt, match="blank"):
        read(grey(RescaleSlope=0, RescaleIntercept=7))


def test_a_jpeg_of_another_size_than_the_header_is_refused() -> None:
    jpeg = picture_of(Image.fromarray(np.tile(BYTES, (2, 2)).astype("uint8")), "JPEG")
    with pytest.raises(IntakeError):
        read(encapsulated(grey(), JPEG_BASELINE, jpeg))
