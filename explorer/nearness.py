"""When is nothing similar? As near as this, texts about other things come too.

Every encoder finds a nearest report for every text. What that is worth is measured: forty texts about cooking, law,
knees and teeth (`assets/lexicons/strangers.tsv`) are asked as queries are, and the score of the nearest report to each
is taken. Only few of them find a report nearer than the 95th percentile of those scores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.language.phrases import table
from explorer.vector_index import VectorIndex
from models.interfaces import Vectors

PERCENTILE = 95


@dataclass(frozen=True)
class Floor:
    """The score that a query about something else reaches, too."""

    score: float  # in the index's score; `PERCENTILE` per cent of the strangers find no report nearer
    texts: int  # strangers asked


class Floors:
    """The floor of each index, measured when it is first asked for. Safe to call from many threads."""

    def __init__(self) -> None:
        self._known: dict[str, Floor] = {}
        self._measuring = threading.Lock()

    def of(self, index: VectorIndex, encode: Callable[[Sequence[str]], Vectors]) -> Floor | None:
        """Return the floor of an index, None if it is empty. encode: queries → [n, dim] in the space of the index."""
        with self._measuring:
            name = index.key.folder_name
            if name not in self._known and len(index.sample):
                self._known[name] = _measured(index, encode)
            return self._known.get(name)


def _measured(index: VectorIndex, encode: Callable[[Sequence[str]], Vectors]) -> Floor:
    texts = [row["text"] for row in table("strangers.tsv")]
    nearest = [found[0].score for found in index.search(encode(texts), 1, None)]
    return Floor(float(np.percentile(nearest, PERCENTILE)), len(texts))
