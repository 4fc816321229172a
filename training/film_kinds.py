"""What a linear head on an image tower's features tells from frontal chest films, and how well, patient by patient."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.film_check import FRONTAL, Kinds, Measurements, describe, limit_of
from models.interfaces import Vectors

FOLDS = 5
SOFTNESS = 100.0  # inverse of the penalty; of 1, 10, 100 and 1,000 the one with the fewest errors out of fold


@dataclass(frozen=True)
class Examples:
    """Films of training patients whose kind is known."""

    features: Vectors  # [n, d], unit rows
    kinds: NDArray[np.str_]  # [n]
    patients: Sequence[str]  # [n]

    def only(self, rows: NDArray[np.bool_]) -> Examples:
        """Return some of them."""
        chosen = [patient for patient, kept in zip(self.patients, rows, strict=True) if kept]
        return Examples(self.features[rows], self.kinds[rows], chosen)

    @property
    def frontal(self) -> Vectors:
        """Return the features of the upright frontal films."""
        rows: Vectors = self.features[self.kinds == FRONTAL]
        return rows


@dataclass(frozen=True)
class OutOfFold:
    """What is said of each example by a description made without its patient."""

    kinds: NDArray[np.str_]  # [n], the likeliest
    distances: Vectors  # [n]


def fitted(examples: Examples) -> Kinds:
    """Fit the head: logistic regression over three kinds or more, each weighted as if all were as many."""
    from sklearn.linear_model import LogisticRegression

    head = LogisticRegression(C=SOFTNESS, max_iter=3_000, class_weight="balanced")
    head.fit(examples.features, examples.kinds)
    weights, bias = (np.asarray(part, np.float32) for part in (head.coef_, head.intercept_))
    return Kinds(tuple(str(name) for name in head.classes_), weights, bias)


def out_of_fold(examples: Examples, axes: int) -> OutOfFold:
    """Judge each example by what the patients of the other folds show. Needs every kind in every fold's rest."""
    fold = np.array([fold_of(patient) for patient in examples.patients])
    kinds, distances = np.empty(len(fold), object), np.zeros(len(fold), np.float32)
    for number in range(FOLDS):
        out = fold == number
        if out.any():
            rest = examples.only(~out)
            kinds[out] = fitted(rest).of(examples.features[out])
            distances[out] = describe(rest.frontal, axes).distances(examples.features[out])
    return OutOfFold(kinds.astype(np.str_), distances)


def fold_of(patient: str) -> int:
    """Return 0 to 4, by the sha256 of a patient's name; independent of `film_split`, which takes its last digit."""
    return int(hashlib.sha256(patient.encode()).hexdigest()[:8], 16) % FOLDS


def measured(tower: str, examples: Examples, judged: OutOfFold, choosing: Vectors, axes: int) -> Measurements:
    """Describe training films; the limit is set on them, out of fold, and on the choosing patients' films.

    choosing: [m, d], features of frontal films.
    """
    cloud = describe(examples.frontal, axes)
    aside = judged.distances[examples.kinds == FRONTAL]
    held_out = np.sort(np.concatenate([aside, cloud.distances(choosing)]))
    return Measurements(tower, cloud, fitted(examples), held_out, limit_of(held_out))
