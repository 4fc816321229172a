from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from explorer.errors import CorpusMissing
from explorer.intake import examples
from explorer.intake.decode import decode
from explorer.intake.examples import example_film
from explorer.intake.sandbox import Intake
from explorer.settings import Limits
from explorer.types import QueryImage


def film(name: str) -> QueryImage:
    package = find_spec("data_store")
    assert package is not None
    assert package.submodule_search_locations is not None
    return decode((Path(package.submodule_search_locations[0]) / "data" / f"{name}.dcm").read_bytes(), Limits())


@pytest.fixture(scope="module")
def chest() -> QueryImage:
    return film("RG1_UNCR")


def test_the_example_is_a_chest_film_with_dense_bones_bright(chest: QueryImage) -> None:
    assert chest.pixels.shape == chest.display.shape == (1955, 1841)
    spine, lung, room_air = (
        chest.pixels[900:1100, 870:930],
        chest.pixels[500:600, 1150:1250],
        chest.pixels[60:120, 20:80],
    )
    assert spine.mean() > 200 > lung.mean() > 80 > room_air.mean()
    assert chest.notes == (
        "Computed radiography, PA, 1955×1841, 15 bit.",
        "MONOCHROME1: inverted, so that dense is bright.",
        "Window from the file: centre 15000, width 30000.",
        "Names, dates and identifiers were not read.",
        "The file does not say that no text is burnt into the pixels.",
    )


def test_lossless_jpeg_2000_gives_the_same_film(chest: QueryImage) -> None:
    packed = film("RG1_J2KR")
    assert packed.digest == chest.digest
    assert np.array_equal(packed.display, chest.display)


def test_lossy_jpeg_2000_gives_nearly_the_same_film_and_says_so(chest: QueryImage) -> None:
    lossy = film("RG1_J2KI")
    assert np.abs(lossy.pixels.astype(int) - chest.pixels).max() <= 4
    assert "The file was compressed with loss." in lossy.notes


def test_the_lossy_film_saved_uncompressed_is_the_same_lossy_film() -> None:
    assert film("RG1_UNCI").digest == film("RG1_J2KI").digest


def test_a_leg_is_read_and_called_no_chest() -> None:
    assert any("another part of the body" in note for note in film("RG3_J2KI").notes)


def test_the_example_film_goes_through_the_sandbox_unchanged(chest: QueryImage, intake: Intake) -> None:
    seen = intake.read(example_film())
    assert seen.digest == chest.digest
    assert np.array_equal(seen.display, chest.display)
    assert (seen.window, seen.notes, seen.source) == (chest.window, chest.notes, chest.source)


def test_a_missing_example_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "PACKAGE", "a_package_that_is_not_installed")
    with pytest.raises(CorpusMissing, match="pip install pydicom-data"):
        example_film()
