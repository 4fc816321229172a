"""How well a score tells films with a finding from films without: AUROC, with films drawn again by patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from explorer.metrics.significance import SEED, Interval

Scores = NDArray[np.floating]
Flags = NDArray[np.bool_]
AT_LEAST = 15  # positives, fewer tell nothing


def auroc(scores: Scores, positive: Flags) -> float:
    """Return the share of pairs of a positive and a negative that are in order; a tie is half in order.

    Args:
        scores: [n], larger for positives.
        positive: [n].

    Returns:
        0 to 1; NaN where all are positive or none is.
    """
    wins = _wins(scores, positive)
    return float(wins.mean()) if wins.size else float("nan")


def aurocs(scores: Scores, positive: Flags) -> NDArray[np.float64]:
    """Return [c], the AUROC of each column of scores [n, c] against flags [n, c]."""
    return np.array([auroc(scores[:, label], positive[:, label]) for label in range(scores.shape[1])])


def enough(positive: Flags, at_least: int = AT_LEAST) -> Flags:
    """Return [c]: the columns of flags [n, c] with at least so many positives, and at least so many negatives."""
    counts = positive.sum(axis=0)
    kept: Flags = (counts >= at_least) & (len(positive) - counts >= at_least)
    return kept


def mean_auroc(scores: Scores, positive: Flags, patients: Sequence[str], resamples: int = 1_000) -> Interval:
    """Return the mean AUROC over columns, with a 95 % interval over patients drawn again.

    Args:
        scores, positive: [n, c], columns with both kinds.
        patients: [n], whose film each row is; all films of a patient are drawn together.
        resamples: how often.

    Returns:
        The mean, its percentile interval, and the number of patients.
    """
    _, whose = np.unique(np.asarray(patients), return_inverse=True)
    wins = [_wins(scores[:, label], positive[:, label]) for label in range(scores.shape[1])]
    count = int(whose.max()) + 1
    draw = np.random.default_rng(SEED)
    drawn = [
        _weighted(wins, positive, np.bincount(draw.integers(count, size=count), minlength=count)[whose].astype(float))
        for _ in range(resamples)
    ]
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return Interval(_weighted(wins, positive, np.ones(len(whose))), float(low), float(high), count)


def _wins(scores: Scores, positive: Flags) -> NDArray[np.float64]:
    """Return [positives, negatives]: 1 where the positive scores higher, half where they are level."""
    above = scores[positive][:, None] - scores[~positive][None, :]
    return (np.sign(above) + 1) / 2


def _weighted(wins: Sequence[NDArray[np.float64]], positive: Flags, weights: NDArray[np.floating]) -> float:
    """Return the mean AUROC over labels with films counted as often as their weight says; labels drawn out are left."""
    figures = []
    for label, won in enumerate(wins):
        yes, no = weights[positive[:, label]], weights[~positive[:, label]]
        if yes.sum() and no.sum():
            figures.append(float(yes @ won @ no) / float(yes.sum() * no.sum()))
    return float(np.mean(figures)) if figures else float("nan")
