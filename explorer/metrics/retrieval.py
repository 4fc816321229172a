"""Retrieval metrics on score matrices: recall@k with ties broken by position, and the floor of a constant answer."""

from __future__ import annotations

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


def all_ranks(scores: Scores) -> NDArray[np.int64]:
    """Return [q, n]: the rank, from 1, of every document for every query; ties as in `answer_ranks`."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty(scores.shape, dtype=np.int64)
    np.put_along_axis(ranks, order, np.arange(1, scores.shape[1] + 1)[None, :], axis=1)
    return ranks


def recall_at(scores: Scores, answers: NDArray[np.int64], k: int) -> Flags:
    """Return [q] bool: whether the answer is among the first k."""
    hits: Flags = answer_ranks(scores, answers) <= k
    return hits


def floor_at(answers: NDArray[np.int64], k: int) -> Flags:
    """Return [q] bool: recall@k of always answering with the k documents that most queries ask for."""
    commonest = np.argsort(-np.bincount(answers), kind="stable")[:k]
    hits: Flags = np.isin(answers, commonest)
    return hits


def precision_at(relevant: Flags, k: int) -> NDArray[np.float64]:
    """Return [q]: the share of relevant documents among the first k.

    Args:
        relevant: [q, n] bool, columns in the order ranked.
        k: at most n.
    """
    shares: NDArray[np.float64] = relevant[:, :k].mean(axis=1)
    return shares


def reciprocal_ranks(relevant: Flags) -> NDArray[np.float64]:
    """Return [q]: 1 / rank of the first relevant document, 0 where none is.

    Args:
        relevant: [q, n] bool, columns in the order ranked.
    """
    first = relevant.argmax(axis=1) + 1
    found: NDArray[np.float64] = np.where(relevant.any(axis=1), 1 / first, 0.0)
    return found
