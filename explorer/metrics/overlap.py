"""How much two lists of results have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def bag_f1(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return [p, q]: 2 Σ min / Σ sum of every two rows of counts, [p, m] and [q, m], 0–1; two empty rows agree: 1."""
    common = np.minimum(one[:, None], other[None]).sum(axis=-1)
    size = one.sum(axis=-1)[:, None] + other.sum(axis=-1)[None]
    scores: NDArray[np.float64] = np.where(size > 0, 2 * common / np.where(size > 0, size, 1), 1.0)
    return scores


def off_diagonal_mean(scores: NDArray[np.floating]) -> float:
    """Return the mean of [n, n] scores between different things. Raises ValueError if there is only one."""
    if len(scores) < 2:
        raise ValueError("Different things are at least two.")
    return float(scores[~np.eye(len(scores), dtype=np.bool_)].mean())
