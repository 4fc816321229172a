"""A linear map on features that stay as they are: one logistic regression a finding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]  # [n, d]
STEPS = 200  # of the solver, at most


@dataclass(frozen=True)
class Probe:
    """Findings of films by a linear map on their features."""

    mean: Features  # [d]
    scale: Features  # [d]
    weights: Features  # [labels, d]
    bias: Features  # [labels]

    def logits(self, features: Features) -> Features:
        """Return [n, labels] for features [n, d]."""
        return np.asarray((features - self.mean) / self.scale @ self.weights.T + self.bias, np.float32)


def fit_probe(features: Features, flags: NDArray[np.bool_], strength: float) -> Probe:
    """Learn a probe from films.

    Args:
        features: [n, d], theirs.
        flags: [n, labels], their findings; one that all films have, or none, is told by its frequency alone.
        strength: the smaller, the closer the weights are held to 0 (scikit-learn's C).
    """
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    shown = (features - mean) / scale
    maps = [_map(shown, flags[:, label], strength) for label in range(flags.shape[1])]
    weights, bias = (np.array([one[part] for one in maps], dtype=np.float32) for part in (0, 1))
    return Probe(mean, scale, weights, bias)


def _map(shown: Features, flags: NDArray[np.bool_], strength: float) -> tuple[Features, float]:
    from sklearn.linear_model import LogisticRegression

    if flags.all() or not flags.any():
        share = (flags.sum() + 0.5) / (len(flags) + 1)
        return np.zeros(shown.shape[1], np.float32), float(np.log(share / (1 - share)))
    learned = LogisticRegression(C=strength, max_iter=STEPS).fit(shown, flags)
    return learned.coef_[0], float(learned.intercept_[0])
