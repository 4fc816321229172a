"""Whether a picture is of the kind an image tower was trained on: frontal chest films, and not a hand or a lateral.

The tower's last features of its training films, as unit vectors, are described by a Gaussian with a free variance
along their principal axes and one variance for all other directions (probabilistic PCA: Tipping and Bishop 1999,
https://doi.org/10.1111/1467-9868.00196). How far out a film lies is its squared Mahalanobis distance per dimension.
Where "too far" begins is a quantile over held-out films.
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
LIMIT = 0.98  # share of held-out films that lie nearer than the limit


@dataclass(frozen=True)
class Measurements:
    """What an image tower makes of the films it knows."""

    tower: str  # revision of the weights that made the features
    mean: Vectors  # [d]
    axes: Vectors  # [k, d], orthonormal
    variances: Vectors  # [k], along the axes
    rest: float  # variance in every other direction
    held_out: Vectors  # [n], distances of held-out films, sorted
    limit: float  # distance beyond which a film is unlike them

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


def measure(tower: str, known: Vectors, held_out: Vectors, axes: int) -> Measurements:
    """Describe features of training films, and set the limit on those of other patients.

    Args:
        tower: revision of the weights that made them.
        known: [n, d] unit rows, n > axes.
        held_out: [m, d] unit rows.
        axes: how many directions have a variance of their own.
    """
    mean = known.mean(axis=0)
    _, spread, directions = np.linalg.svd(known - mean, full_matrices=False)
    variances = np.square(spread) / (len(known) - 1)
    rest = float(variances[axes:].sum() / (known.shape[1] - axes))
    fitted = Measurements(tower, mean, directions[:axes], variances[:axes], rest, np.zeros(0, np.float32), 0.0)
    distances = np.sort(fitted.distances(held_out))
    limit = float(np.quantile(distances, LIMIT, method="higher"))
    return Measurements(tower, mean, directions[:axes], variances[:axes], rest, distances, limit)


class MeasuredCheck:
    """`FilmCheck` by what was measured. `features` must be the tower that `known` was measured with."""

    def __init__(self, features: ImageEncoder, known: Measurements) -> None:
        self._features = features
        self._known = known

    def judge(self, film: NDArray[np.uint8]) -> Likeness:
        """Compare a grey film, [h, w] uint8 with bright = dense, with those the tower knows."""
        distance = float(self._known.distances(self._features.encode([film]))[0])
        farther = float((self._known.held_out > distance).mean())
        return Likeness(distance > self._known.limit, farther, len(self._known.held_out))


def save_known_films(folder: Path, known: Measurements, about: Mapping[str, Any]) -> None:
    """Write measurements, and what else is to be known about them, as a checkpoint."""
    names = ("mean", "axes", "variances", "held_out")
    tensors = {name: torch.from_numpy(np.ascontiguousarray(getattr(known, name))) for name in names}
    manifest = {"kind": "film check", "tower": known.tower, "rest": known.rest, "limit": known.limit, **about}
    save_checkpoint(folder, tensors, manifest)


def known_films(folder: Path) -> Measurements | None:
    """Read what `save_known_films` wrote; None where nothing was. Raises WeightsDamaged."""
    try:
        kept = open_checkpoint(folder)
    except WeightsMissing:
        return None
    arrays = {name: tensor.numpy() for name, tensor in kept.tensors().items()}
    about = kept.manifest
    return Measurements(about["tower"], rest=about["rest"], limit=about["limit"], **arrays)
