"""What the image stage learns from: films with findings.

Only training patients give examples; choosing patients give figures.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from explorer.language.labels import LABELS, labels_of_nih
from models.interfaces import CxrError
from models.vision import whole_film

FilmSplit = Literal["train", "choosing", "reporting"]
FRONTAL = ("PA", "AP", "")
SOURCES = ("nih_cxr14",)  # the films whose findings are labelled
NOT_IN_NIH = {"Enlarged Cardiomediastinum", "Fracture", "Support Devices"}
SHARED_LABELS = tuple(name for name in LABELS if name not in NOT_IN_NIH)  # what both NIH and Open-I's experts can say


@dataclass(frozen=True)
class Film:
    """A radiograph with its findings."""

    file: Path
    source: str
    patient: str
    view: str  # "PA" | "AP" | ""
    labels: frozenset[str]
    age: int | None = None  # in years
    sex: str = ""  # "F" | "M" | ""


def film_split(patient: str) -> FilmSplit:
    """Return the split of a patient, by the last digit of the sha256 of the name."""
    last = hashlib.sha256(patient.encode()).hexdigest()[-1]
    if last in "01":
        return "reporting"
    return "choosing" if last == "2" else "train"


def images_folder() -> Path:
    """Return the folder of radiographs named by `CXR_IMAGES`.

    It holds `manifest.csv` with the columns image (path in the folder), source, patient, view, labels ("A|B"), and, if
    known, age and sex.

    Raises:
        CxrError: the variable is not set, or the folder has no manifest.
    """
    folder = Path(os.environ.get("CXR_IMAGES", ""))
    if not (folder / "manifest.csv").is_file():
        raise CxrError("Set CXR_IMAGES to a folder of radiographs with a manifest.csv.")
    return folder


def films(folder: Path, sources: Sequence[str], split: FilmSplit) -> tuple[Film, ...]:
    """Return the frontal films of a split, in the manifest's order; a film of unknown view counts as frontal."""
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["source"] in sources]
    found = (_film(folder, row) for row in rows if film_split(row["patient"]) == split)
    return tuple(film for film in found if film.view in FRONTAL)


def _film(folder: Path, row: dict[str, str]) -> Film:
    labels = labels_of_nih(label for label in row["labels"].split("|") if label)
    view = row["view"].upper().partition(" ")[0]
    age, sex = row.get("age", ""), row.get("sex", "").upper()
    return Film(
        folder / row["image"],
        row["source"],
        row["patient"],
        view,
        labels,
        int(age) if age.isdecimal() else None,
        sex if sex in ("F", "M") else "",
    )


def pixels_of(shown: Sequence[Film], size: int) -> np.ndarray:
    """Read films whole → one array [n, size, size] uint8, so that an epoch decodes nothing."""
    read = np.zeros((len(shown), size, size), dtype=np.uint8)
    for row, film in enumerate(shown):
        with Image.open(film.file) as image:
            read[row] = whole_film(np.asarray(image.convert("L")), size)
    return read


def label_matrix(labels: Sequence[frozenset[str]], names: Sequence[str] = LABELS) -> np.ndarray:
    """Return [n, c] float32 of 0 and 1, columns as `names`."""
    return np.array([[name in found for name in names] for found in labels], dtype=np.float32).reshape(-1, len(names))


def fingerprint(texts: Sequence[str]) -> str:
    """Return the sha256 over texts in order."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()
