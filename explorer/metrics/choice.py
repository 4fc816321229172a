"""Multiple choice on score matrices: one candidate of each row is the true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.metrics.retrieval import Scores

TOLERANCE = 1e-6  # scores no farther apart are a tie


@dataclass(frozen=True, eq=False)
class Choices:
    """What became of each row, [n] float64 each."""

    strict: NDArray[np.float64]  # 1 if the true candidate is alone in front, else 0
    tie_aware: NDArray[np.float64]  # a tie in front is shared: 1 / (number of candidates in it)
    rank: NDArray[np.float64]  # from 1; a tie counts half
    margin: NDArray[np.float64]  # score of the true candidate less the best of the others


def choices(scores: Scores, true: NDArray[np.int64], tolerance: float = TOLERANCE) -> Choices:
    """Judge [n, c] scores, c at least 2, larger is better; `true` is [n], the column of the true candidate."""
    others = np.arange(scores.shape[1]) != true[:, None]
    margins = scores[np.arange(len(scores)), true][:, None] - scores  # [n, c]
    before = (others & (margins < -tolerance)).sum(axis=1)
    tied = (others & (np.abs(margins) <= tolerance)).sum(axis=1)
    return Choices(
        strict=((before + tied) == 0).astype(np.float64),
        tie_aware=np.where(before == 0, 1 / (1 + tied), 0.0),
        rank=1 + before + tied / 2,
        margin=np.where(others, margins, np.inf).min(axis=1),
    )
