"""Who is near whom in an encoder's space, and how much of that a flat picture keeps.

A map of thousands of texts cannot keep every neighbourhood. How many it keeps is measured here and printed beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]

NEAREST = 15  # neighbours that are compared
PROBED = 2_000  # points whose neighbourhoods are measured where there are more
_AT_ONCE = 2**24  # similarities held at once: 64 MB


@dataclass(frozen=True)
class Preservation:
    """How far the picture can be trusted. Shares lie between 0 and 1."""

    kept: float  # share of the nearest in the original space that are among the nearest on the map
    chance: float  # the same share on a map whose points lie anywhere
    trustworthiness: float  # 1: nobody is drawn near who is far in the original space (Venna and Kaski 2001)
    nearest: int  # how many neighbours were compared
    probed: int  # points this was measured on
    points: int


def unit_rows(vectors: Floats) -> Floats:
    """Return [n, d] scaled to length 1; a row of zeros stays."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)


def nearest_by_cosine(asked: Floats, bank: Floats, k: int, own: NDArray[np.int64] | None = None) -> tuple[Rows, Floats]:
    """Return rows [q, k] of `bank` nearest to each of `asked`, best first, ties by row, and their cosines [q, k].

    asked: [q, d], bank: [n, d], both of unit length. own: where the asked ones lie in `bank`, to be left out.
    """
    rows, cosines = np.empty((len(asked), k), np.int32), np.empty((len(asked), k), np.float32)
    step = max(1, _AT_ONCE // max(1, len(bank)))
    for start in range(0, len(asked), step):
        part = slice(start, start + step)
        similar = asked[part] @ bank.T
        if own is not None:
            similar[np.arange(len(similar)), own[part]] = -np.inf
        rows[part] = _largest(similar, k)
        cosines[part] = np.take_along_axis(similar, rows[part], axis=1)
    return rows, cosines


def nearest_on_map(places: Floats, asked: NDArray[np.int64], k: int) -> Rows:
    """Return rows [q, k] of the points [n, 2] nearest to those in rows `asked`, themselves left out."""
    rows = np.empty((len(asked), k), np.int32)
    step = max(1, _AT_ONCE // max(1, len(places)))
    for start in range(0, len(asked), step):
        part = asked[start : start + step]
        across, up = (places[part, axis][:, None] - places[None, :, axis] for axis in (0, 1))
        near = -(across * across + up * up)
        near[np.arange(len(part)), part] = -np.inf
        rows[start : start + step] = _largest(near, k)
    return rows


def preservation(vectors: Floats, places: Floats, k: int = NEAREST, seed: int = 0) -> Preservation:
    """Measure how well places [n, 2] keep the neighbourhoods of unit vectors [n, d], on `PROBED` points at most.

    Trustworthiness is 1 − 2 / (m k (2n − 3k − 1)) Σ (rank − k), summed over the m points probed and those drawn among
    the k nearest that are not among them; rank is the place in the original order, from 1. k is at most (n − 1) / 2.
    """
    n = len(vectors)
    k = min(k, (n - 1) // 2)
    probed = np.arange(n) if n <= PROBED else np.sort(np.random.default_rng(seed).choice(n, PROBED, replace=False))
    true, _ = nearest_by_cosine(vectors[probed], vectors, k, probed)
    drawn = nearest_on_map(places, probed, k)
    kept = np.mean([len(np.intersect1d(*pair)) for pair in zip(true, drawn, strict=True)]) / k
    penalty = sum(_intrusion(vectors, int(row), *pair) for row, *pair in zip(probed, true, drawn, strict=True))
    trust = 1 - 2 * penalty / (len(probed) * k * (2 * n - 3 * k - 1))
    return Preservation(float(kept), k / (n - 1), float(trust), k, len(probed), n)


def between_neighbours(places: Floats, rows: Rows, cosines: Floats) -> Floats:
    """Return [q, 2]: the mean place of each point's neighbours [q, k], the nearer the heavier.

    This is where UMAP itself starts when it adds points to a finished layout. Weights fall with the distance beyond
    the nearest neighbour, scaled by the mean of it.
    """
    far = 1 - cosines
    beyond = far - far.min(axis=1, keepdims=True)
    scale = np.maximum(beyond.mean(axis=1, keepdims=True), 1e-6)
    weights = np.exp(-beyond / scale)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("qk,qkc->qc", weights, places[rows]), np.float32)


def _largest(values: NDArray[np.float32], k: int) -> Rows:
    """Return the columns of the k largest of each row, largest first, ties by column."""
    if k < values.shape[1]:
        edge = -np.partition(-values, k - 1, axis=1)[:, k - 1 : k]
        values = np.where(values >= edge, values, -np.inf)
    return np.argsort(-values, axis=1, kind="stable")[:, :k].astype(np.int32)


def _intrusion(vectors: Floats, row: int, true: Rows, drawn: Rows) -> int:
    """Return how far down the original order those stand that the map draws near a point, beyond its k nearest."""
    strangers = np.setdiff1d(drawn, true)
    if not len(strangers):
        return 0
    similar = vectors @ vectors[row]
    similar[row] = -np.inf
    ranks = 1 + (similar[None, :] > similar[strangers][:, None]).sum(axis=1)
    return int(np.maximum(ranks - len(true), 0).sum())
