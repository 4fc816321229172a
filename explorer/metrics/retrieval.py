"""Retrieval metrics on score matrices: recall@k with ties broken by position, chance, floor, intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Flags = NDArray[np.bool_]


def answer_ranks(scores: Scores, answers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rank, from 1, of each query's answer.

    Args:
        scores: [q, n], larger is better.
        answers: [q], the column of the document that answers query i.

    A document with the same score and a lower column ranks first.
    """
    own = scores[np.arange(len(scores)), answers][:, None]  # [q, 1]
    before = (scores == own) & (np.arange(scores.shape[1]) < answers[:, None])
    better: NDArray[np.int64] = ((scores > own) | before).sum(axis=1)
    return better + 1


def recall_at(scores: Scores, answers: NDArray[np.int64], k: int) -> Flags:
    """Return [q] bool: whether the answer is among the first k."""
    hits: Flags = answer_ranks(scores, answers) <= k
    return hits


def floor_at(answers: NDArray[np.int64], k: int) -> Flags:
    """Return [q] bool: recall@k of always answering with the k documents that most queries ask for."""
    commonest = np.argsort(-np.bincount(answers), kind="stable")[:k]
    hits: Flags = np.isin(answers, commonest)
    return hits


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    n: int


def bootstrap(values: Sequence[float] | NDArray[np.generic], resamples: int = 2_000, seed: int = 4096) -> Interval:
    """Return the mean of per-query values and its percentile interval over resampled queries.

    Raises:
        ValueError: there are no values.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        raise ValueError("An interval needs at least one value.")
    draws = np.random.default_rng(seed).integers(len(array), size=(resamples, len(array)))
    low, high = np.percentile(array[draws].mean(axis=1), (2.5, 97.5))
    return Interval(float(array.mean()), float(low), float(high), len(array))


def precision_at(relevant: Flags, k: int) -> NDArray[np.float64]:
    """Return [q]: the share of relevant documents among the first k.

    Args:
        relevant: [q, n] bool, columns in the order ranked.
        k: at most n.
    """
    shares: NDArray[np.float64] = relevant[:, :k].mean(axis=1)
    return shares
