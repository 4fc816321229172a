"""What the stages learn from: pairs of report texts, and films with findings.

Only training-split studies and training patients give examples; validation studies and choosing patients give figures.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from explorer.corpora.sections import collapse, scope_text, without_redactions
from explorer.language.labels import LABELS, NO_FINDING, labels_of_codes, labels_of_nih
from explorer.language.sentences import sentences
from explorer.types import SCOPES, Report
from models.interfaces import SEARCH_INSTRUCTION, SUMMARY_INSTRUCTION, CxrError

Shorten = Callable[[str, np.random.Generator], str]


@dataclass(frozen=True)
class Pair:
    """A query, the document that answers it, and the family it belongs to."""

    instruction: str
    query: str
    document: str
    normal: bool  # the study is coded normal: normal studies are no negatives of one another


def epoch_pairs(reports: Sequence[Report], shorten: Shorten, seed: int, epoch: int) -> list[Pair]:
    """Return one epoch's pairs, shuffled; a pure function of its arguments.

    Three families, paper section 3: findings → impression; a report in other words and order → the report; one or two
    sentences, or the impression → the report that holds them.
    """
    draw = np.random.default_rng((seed, epoch))
    pairs = [pair for report in reports for pair in _pairs(report, shorten, draw)]
    return [pairs[index] for index in draw.permutation(len(pairs))]


def _pairs(report: Report, shorten: Shorten, draw: np.random.Generator) -> list[Pair]:
    texts = {scope: without_redactions(scope_text(report.sections, scope)) for scope in SCOPES}
    normal = NO_FINDING in labels_of_codes(report.meta.codes)
    pairs = []
    if texts["findings"] and texts["impression"]:
        findings = _maybe(shorten, texts["findings"], draw, 0.3)
        pairs.append(Pair(SUMMARY_INSTRUCTION, findings, texts["impression"], normal))
    if texts["report"]:
        query = _excerpt(texts["report"], shorten, draw)
        pairs.append(Pair(SEARCH_INSTRUCTION, query, texts["report"], normal))
    return pairs


def _excerpt(text: str, shorten: Shorten, draw: np.random.Generator) -> str:
    """Part of a report, as somebody might dictate it: some of its sentences, in any order, often in shorthand."""
    parts = [sentence.text for sentence in sentences(text)]
    kept = 1 + int(draw.integers(len(parts)))
    chosen = " ".join(parts[index] for index in draw.permutation(len(parts))[:kept])
    return _maybe(shorten, chosen, draw, 0.6)


def _maybe(shorten: Shorten, text: str, draw: np.random.Generator, share: float) -> str:
    return shorten(text, draw) if draw.random() < share else text


def says_the_same(pairs: Sequence[Pair]) -> np.ndarray:
    """Return [n, n] bool: True where two documents are equal, or both studies are coded normal."""
    texts = np.array([collapse(pair.document) for pair in pairs])
    normal = np.array([pair.normal for pair in pairs])
    same: np.ndarray = (texts[:, None] == texts[None, :]) | (normal[:, None] & normal[None, :])
    return same


FilmSplit = Literal["train", "choosing", "reporting"]
FRONTAL = ("PA", "AP", "")


@dataclass(frozen=True)
class Film:
    """A radiograph with its findings."""

    file: Path
    source: str
    patient: str
    view: str  # "PA" | "AP" | ""
    labels: frozenset[str]


def film_split(patient: str) -> FilmSplit:
    """Return the split of a patient, by the last digit of the sha256 of the name."""
    last = hashlib.sha256(patient.encode()).hexdigest()[-1]
    if last in "01":
        return "reporting"
    return "choosing" if last == "2" else "train"


def images_folder() -> Path:
    """Return the folder of radiographs named by `CXR_IMAGES`.

    It holds `manifest.csv` with the columns image (path in the folder), source, patient, view, labels ("A|B").

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
    return Film(folder / row["image"], row["source"], row["patient"], view, labels)


def label_matrix(labels: Sequence[frozenset[str]], names: Sequence[str] = LABELS) -> np.ndarray:
    """Return [n, c] float32 of 0 and 1, columns as `names`."""
    return np.array([[name in found for name in names] for found in labels], dtype=np.float32).reshape(-1, len(names))


def fingerprint(texts: Sequence[str]) -> str:
    """Return the sha256 over texts in order."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()
