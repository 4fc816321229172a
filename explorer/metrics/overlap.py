"""How much two lists of results have in common."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

PERSISTENCE = 0.9  # how likely a reader of a ranking goes on to the next rank


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


def rank_biased_overlap(one: Sequence[Hashable], other: Sequence[Hashable], p: float = PERSISTENCE) -> float:
    """Return how much two rankings agree, 0–1, the first ranks counting most; 1 for two empty ones.

    The extrapolated form for lists of any lengths, RBO_ext of Webber, Moffat and Zobel 2010, equation 32,
    https://doi.org/10.1145/1852102.1852106. Every item stands at most once in a list.

    Args:
        one: best first.
        other: best first.
        p: how far a reader goes on, above 0 and below 1; at 0.9 the first ten ranks hold 86 % of the weight.
    """
    short, long = sorted((one, other), key=len)
    if not long or not short:
        return float(not long)
    common = np.array([len(set(short[:rank]) & set(long[:rank])) for rank in range(1, len(long) + 1)], np.float64)
    ranks = np.arange(1, len(long) + 1)
    in_short = common[len(short) - 1]
    beyond = np.maximum(0, ranks - len(short)) * in_short / len(short)  # as many again, had the shorter gone on
    seen = (1 - p) / p * float(((common + beyond) / ranks * p**ranks).sum())
    unseen = (common[-1] - in_short) / len(long) + in_short / len(short)
    return seen + float(unseen) * p ** len(long)
