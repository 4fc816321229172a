"""The gap between texts and films in a space they share: how far apart the two clouds lie.

Measured among the vectors themselves, never on a map. Liang et al. 2022 (https://arxiv.org/abs/2203.02053) describe it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.neighbourhoods import Floats, unit_rows

_FOLDS = 5


@dataclass(frozen=True)
class ModalityGap:
    """How far texts and films lie apart. Vectors are of unit length."""

    distance: float  # between the two means, 0 to 2; 0 for clouds that lie on one another
    pairs: float | None  # mean cosine of a film and the report of its study, −1 to 1; None without pairs
    unpaired: float  # mean cosine of a film and any report: what `pairs` has to be read against
    separability: float  # AUC of telling one kind from the other along one direction; 0.5 where nothing tells them
    texts: int
    films: int
    paired: int


def modality_gap(texts: Floats, films: Floats, pairs: NDArray[np.int64]) -> ModalityGap:
    """Measure the gap between texts [n, d] and films [m, d] of unit length.

    pairs: [p, 2] rows (text, film) of one study. Separability is the area under the curve along the difference of the
    two means, each point judged by means that leave out its fold: a direction found by chance separates nothing.
    """
    text_mean, film_mean = texts.mean(axis=0), films.mean(axis=0)
    cosine = np.einsum("pd,pd->p", texts[pairs[:, 0]], films[pairs[:, 1]]).mean() if len(pairs) else None
    return ModalityGap(
        distance=float(np.linalg.norm(text_mean - film_mean)),
        pairs=None if cosine is None else float(cosine),
        unpaired=float(text_mean @ film_mean),
        separability=_separability(texts, films),
        texts=len(texts),
        films=len(films),
        paired=len(pairs),
    )


def centred(vectors: Floats) -> Floats:
    """Return [n, d] with the mean of the cloud taken off, scaled to length 1 again: after the fact, not by training."""
    return unit_rows(vectors - vectors.mean(axis=0))


def area_under_curve(higher: NDArray[np.float64], lower: NDArray[np.float64]) -> float:
    """Return the share of pairs in which the first exceeds the second; a tie counts half."""
    ordered = np.sort(lower)
    below = np.searchsorted(ordered, higher, side="left")
    up_to = np.searchsorted(ordered, higher, side="right")
    return float((below + up_to).mean() / (2 * len(lower)))


def _separability(texts: Floats, films: Floats) -> float:
    folds = min(_FOLDS, len(texts), len(films))
    if folds < 2:
        return 0.5
    held_texts, held_films = np.arange(len(texts)) % folds, np.arange(len(films)) % folds
    areas = []
    for fold in range(folds):
        text_out, film_out = held_texts == fold, held_films == fold
        direction = texts[~text_out].mean(axis=0) - films[~film_out].mean(axis=0)
        along = [np.asarray(part @ direction, np.float64) for part in (texts[text_out], films[film_out])]
        areas.append(area_under_curve(*along))
    return float(np.mean(areas))
