"""Whether a picture is of the kind an image tower was trained on: upright frontal chest films, and not a hand.

Two questions are asked of the tower's last features, as unit vectors. A linear head tells frontal films from lateral,
turned and inverted ones, which it was shown. For all that nobody showed it there is a distance: the features of the
tower's training films are described by a Gaussian with a free variance along their principal axes and one variance for
all other directions (probabilistic PCA: Tipping and Bishop 1999, https://doi.org/10.1111/1467-9868.00196); how far out
a film lies is its squared Mahalanobis distance per dimension. Where "too far" begins is a quantile over films that the
description was made without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.checkpoint import open_checkpoint, save_checkpoint
from models.interfaces import ImageEncoder, Likeness, Vectors, WeightsMissing

FILM_CHECK = "film_check"  # folder beside the towers
LIMIT = 0.995  # share of held-out films that lie nearer than the limit
FRONTAL = "a frontal film"
FORM = "film check by kind and distance"  # of what is written; another one is that of another version


@dataclass(frozen=True)
class Cloud:
    """Where the features of known films lie."""

    mean: Vectors  # [d]
    axes: Vectors  # [k, d], orthonormal
    variances: Vectors  # [k], along the axes
    rest: float  # variance in every other direction

    def distances(self, features: Vectors) -> Vectors:
        """Return how far out films lie: squared Mahalanobis distance per dimension.

        features: [n, d] unit rows → [n].
        """
        off = features - self.mean
        along = off @ self.axes.T
        aside = np.square(off).sum(axis=1) - np.square(along).sum(axis=1)
        squared = (np.square(along) / self.variances).sum(axis=1) + np.maximum(aside, 0) / self.rest
        distances: Vectors = (squared / features.shape[1]).astype(np.float32)
        return distances


@dataclass(frozen=True)
class Kinds:
    """A linear head that tells kinds of films apart."""

    names: tuple[str, ...]  # in words for the screen; one of them is `FRONTAL`
    weights: Vectors  # [kinds, d]
    bias: Vectors  # [kinds]

    def of(self, features: Vectors) -> list[str]:
        """Return the likeliest kind of each film; features: [n, d] unit rows."""
        return [self.names[row] for row in (features @ self.weights.T + self.bias).argmax(axis=1)]


@dataclass(frozen=True)
class Measurements:
    """What an image tower makes of the films it knows."""

    tower: str  # digest of the weights that made the features
    cloud: Cloud
    kinds: Kinds
    held_out: Vectors  # [n], distances of held-out films, sorted
    limit: float  # distance beyond which a film is unlike them

    def judged(self, features: Vectors) -> list[Likeness]:
        """Compare films with those the tower knows; features: [n, d] unit rows."""
        return judged(self.kinds.of(features), self.cloud.distances(features), self.held_out, self.limit)


def describe(known: Vectors, axes: int) -> Cloud:
    """Describe features of films.

    Args:
        known: [n, d] unit rows, n > axes.
        axes: how many directions have a variance of their own.
    """
    mean = known.mean(axis=0)
    _, spread, directions = np.linalg.svd(known - mean, full_matrices=False)
    variances = np.square(spread) / (len(known) - 1)
    rest = float(variances[axes:].sum() / (known.shape[1] - axes))
    return Cloud(mean, directions[:axes], variances[:axes], rest)


def limit_of(held_out: Vectors) -> float:
    """Return the distance that `LIMIT` of the held-out films do not pass; held_out: [n]."""
    return float(np.quantile(held_out, LIMIT, method="higher"))


def judged(kinds: list[str], distances: Vectors, held_out: Vectors, limit: float) -> list[Likeness]:
    """Return what kinds and distances of films amount to."""
    return [
        Likeness(
            unlike=kind != FRONTAL or float(distance) > limit,
            farther=float((held_out > distance).mean()),
            held_out=len(held_out),
            kind="" if kind == FRONTAL else kind,
        )
        for kind, distance in zip(kinds, distances, strict=True)
    ]


class MeasuredCheck:
    """`FilmCheck` by what was measured. `features` must be the tower that `known` was measured with."""

    def __init__(self, features: ImageEncoder, known: Measurements) -> None:
        self._features = features
        self._known = known

    def judge(self, film: NDArray[np.uint8]) -> Likeness:
        """Compare a grey film, [h, w] uint8 with bright = dense, with those the tower knows."""
        return self._known.judged(self._features.encode([film]))[0]


def save_known_films(folder: Path, known: Measurements, about: Mapping[str, Any]) -> None:
    """Write measurements, and what else is to be known about them, as a checkpoint."""
    cloud, kinds = known.cloud, known.kinds
    arrays = {
        "mean": cloud.mean,
        "axes": cloud.axes,
        "variances": cloud.variances,
        "weights": kinds.weights,
        "bias": kinds.bias,
        "held_out": known.held_out,
    }
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    told = {"tower": known.tower, "rest": cloud.rest, "limit": known.limit, "kinds": list(kinds.names)}
    save_checkpoint(folder, tensors, {"kind": FORM, **told, **about})


def known_films(folder: Path) -> Measurements | None:
    """Read what `save_known_films` wrote; None where nothing was, or by another version. Raises WeightsDamaged."""
    try:
        kept = open_checkpoint(folder)
    except WeightsMissing:
        return None
    if kept.manifest.get("kind") != FORM:
        return None
    arrays = {name: tensor.numpy() for name, tensor in kept.tensors().items()}
    about = kept.manifest
    cloud = Cloud(arrays["mean"], arrays["axes"], arrays["variances"], about["rest"])
    kinds = Kinds(tuple(about["kinds"]), arrays["weights"], arrays["bias"])
    return Measurements(about["tower"], cloud, kinds, arrays["held_out"], about["limit"])
