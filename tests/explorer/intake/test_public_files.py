from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from explorer.errors import IntakeError
from explorer.intake.sandbox import Intake
from explorer.settings import Limits

PACKAGES = ("pydicom", "data_store")


def shipped() -> list[Path]:
    """Every file in the test data of pydicom and pydicom-data, DICOM or not."""
    found: list[Path] = []
    for name in PACKAGES:
        package = find_spec(name)
        assert package is not None
        assert package.submodule_search_locations is not None
        found += [file for file in (Path(package.submodule_search_locations[0]) / "data").rglob("*") if file.is_file()]
    return sorted(found)


def test_every_twentieth_shipped_file_is_a_film_or_a_refusal() -> None:
    assert read_all(shipped()[::20]) > 3


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_every_shipped_file_is_a_film_or_a_refusal(record_property: Callable[[str, object], None]) -> None:
    files = shipped()
    assert len(files) > 200
    films = read_all(files)
    assert films > 80
    record_property("cases", len(files))
    record_property("said", f"files of pydicom and pydicom-data: {len(files)}, films {films}, the rest typed refusals")


def read_all(files: list[Path]) -> int:
    """Read every file in the sandbox, each within ten seconds; return how many are films."""
    films = 0
    with Intake(Limits()) as intake:
        for file in files:
            started = time.monotonic()
            try:
                films += intake.read(file.read_bytes()).pixels.size > 0
            except IntakeError as refusal:
                assert type(refusal) is not IntakeError
                assert str(refusal).endswith(".")
                assert file.name not in str(refusal)
            assert time.monotonic() - started < 10
    return films
