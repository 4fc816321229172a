"""A made-up engine of which every way to rank finds other reports, so that a review can be made from it."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.interfaces import EncoderInfo, Vectors

sys.path.append(str(Path(__file__).parents[1] / "ui"))  # the made-up engine of the other pages

from made_explorer import TEXTS, FakeExplorer, film, hit, report

from explorer.errors import NotAnImage
from explorer.types import QueryImage, Report, SearchResult

STUDIES = 12
SECTIONS = ("findings", "impression")
STEPS = {"pocket": 1, "base": 2, "minilm": 3, "bm25": 5}


@dataclass(frozen=True)
class WordCounter:
    """An encoder that counts words in drawn directions, so that a changed word changes the vector."""

    name: str
    seed: int
    dim: int = 32

    @property
    def info(self) -> EncoderInfo:
        return EncoderInfo(self.name, "report", self.dim, 512, "cosine", "fp32", "cpu", self.name)

    def encode(self, texts: Sequence[str], instruction: str = "") -> Vectors:
        rows = np.stack(
            [sum((self._word(word) for word in text.lower().split()), np.zeros(self.dim)) for text in texts]
        )
        unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit

    def _word(self, word: str) -> NDArray[np.float64]:
        return np.random.default_rng((self.seed, zlib.crc32(word.strip(".,").encode()))).normal(size=self.dim)


@dataclass
class ReviewedExplorer(FakeExplorer):
    def reports(self, corpus: str | None = None) -> Iterator[Report]:
        return (told(number) for number in range(STUDIES))

    def choice(self, encoder: str) -> object:
        return next(one for one in self.choices() if one.name == encoder)

    def read_image(self, data: bytes) -> QueryImage:
        if not data.startswith(b"film"):
            raise NotAnImage("This file is neither DICOM nor PNG nor JPEG.")
        return film(data, 56, 46)  # as the other pages' films, and fast

    def tower(self, encoder: str) -> WordCounter:
        return WordCounter(encoder, seed=STEPS[encoder])

    def by_text(self, text: str, **asked: object) -> SearchResult:
        found = super().by_text(text, **asked)  # type: ignore[arg-type]
        step = STEPS[found.encoder]
        hits = tuple(replace(hit(place), report=told(place * step + len(text)), identical=()) for place in range(1, 9))
        return replace(found, hits=hits)


def told(number: int) -> Report:
    """A made-up study whose text is its own."""
    made = report(number)
    findings, impression = TEXTS[number % len(TEXTS)]
    return replace(made, sections={"findings": f"{findings} Study {number}.".strip(), "impression": impression})
