"""BM25 of queries against texts that are in no corpus: over a word index made for them and thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explorer.corpora.base import Corpus
from explorer.store import ReportStore
from explorer.types import Report, StudyMeta


def word_scores(queries: Sequence[str], bank: Sequence[str]) -> NDArray[np.float64]:
    """Return BM25 [q, n] of every query against every document of a bank of distinct texts, 0 without a shared word.

    How much a word counts hangs on how many documents of the bank have it.
    """
    scores = {text: np.zeros(len(bank)) for text in queries}
    with tempfile.TemporaryDirectory() as folder:
        documents = (Report(f"{n:06}", "", {"findings": text}, (), StudyMeta(), "") for n, text in enumerate(bank))
        store = ReportStore.build(Path(folder) / "bank", Corpus("", "", "", "", "", tuple(documents)))
        for text, row in scores.items():
            for near in store.bm25(text, "findings", len(bank), None):
                row[int(near.id)] = near.score
        store.close()
    return np.stack([scores[text] for text in queries])
