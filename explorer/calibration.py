"""What a score is worth: how high pairs score that have nothing to do with each other.

A sentence is farther from every report than reports are from each other, so it has a scale of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.corpora.sections import has_words
from explorer.index_writing import Encode, Passage, checked
from explorer.language.sentences import sentences
from models.interfaces import Vectors

if TYPE_CHECKING:
    from explorer.index import IndexKey

Quantiles = NDArray[np.float64]  # 101, or none where there is no pair
PAIRS = 20_000  # behind the quantiles; the 95th is then known to within 0.2 percentage points
NOTES = 200  # sentences that are set against other texts, each as a query
_PAIRS_AT_ONCE = 250


class Notes:
    """One sentence each of texts drawn at random, the same ones every time, taken while the texts go by."""

    def __init__(self, total: int) -> None:
        """total: how many texts will go by."""
        self._draw = np.random.default_rng(1)
        self._rows = frozenset(self._draw.permutation(total)[:NOTES].tolist())
        self.taken: list[tuple[int, str]] = []  # row of the text, its sentence

    def of(self, chunks: Iterator[tuple[list[Passage], Vectors]]) -> Iterator[tuple[list[Passage], Vectors]]:
        """Let chunks through, and take the sentences."""
        row = 0
        for chunk, vectors in chunks:
            for text, _ in chunk:
                if row in self._rows:
                    self._take(row, text)
                row += 1
            yield chunk, vectors

    def _take(self, row: int, text: str) -> None:
        said = [one.text for one in sentences(text) if has_words(one.text)]
        if said:
            self.taken.append((row, said[int(self._draw.integers(len(said)))]))


def between_texts(path: Path, rows: int) -> Quantiles:
    """Return quantiles of the score between distinct rows of vectors drawn at random, the same ones every time."""
    if rows < 2:
        return np.empty(0)
    draw = np.random.default_rng(0)
    first = draw.integers(rows, size=PAIRS)
    second = (first + draw.integers(1, rows, size=PAIRS)) % rows
    scores = []
    for start in range(0, PAIRS, _PAIRS_AT_ONCE):  # mapped anew each time: pages that were read are let go
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        pairs = slice(start, start + _PAIRS_AT_ONCE)
        scores.append(np.einsum("nd,nd->n", vectors[first[pairs]], vectors[second[pairs]]))
    return _quantiles(scores)


def from_notes(path: Path, rows: int, key: IndexKey, taken: Sequence[tuple[int, str]], ask: Encode) -> Quantiles:
    """Return quantiles of the score between sentences, as queries, and texts that they were not taken from.

    ask: queries → [n, key.dim]. Raises TowerError if it returns another shape, or numbers that are not finite.
    """
    if rows < 2 or not taken:
        return np.empty(0)
    asked = checked(key, ask([text for _, text in taken]), len(taken))
    draw = np.random.default_rng(2)
    scores = []
    for (row, _), query in zip(taken, asked, strict=True):
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        others = (row + draw.integers(1, rows, size=PAIRS // NOTES)) % rows
        scores.append(vectors[others] @ query)
    return _quantiles(scores)


def share_below(quantiles: Quantiles, score: float) -> float | None:
    """Return the share, 0–1, of pairs that a score is above, rounded down to .01; None if there is no pair."""
    if not len(quantiles):
        return None
    return max(0, int(np.searchsorted(quantiles, score, side="left")) - 1) / 100


def _quantiles(scores: Sequence[Vectors]) -> Quantiles:
    return np.quantile(np.concatenate(scores).astype(np.float64), np.linspace(0, 1, 101))
