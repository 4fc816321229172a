"""How well a score tells films with a finding from films without: AUROC, with films drawn again by patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from explorer.metrics.significance import SEED, Interval

Scores = NDArray[np.floating]
Flags = NDArray[np.bool_]
Pairs = tuple[NDArray[np.float64], NDArray[np.float64]]  # [positives, negatives]: which count, what of them is in order
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


def aurocs(scores: Scores, positive: Flags, groups: Sequence[str] | None = None) -> NDArray[np.float64]:
    """Return [c], the AUROC of each column of scores [n, c] against flags [n, c]; groups as in `mean_auroc`."""
    every, once = _by_label(scores, positive, groups), np.ones(len(positive))
    return np.array([_weighted([pairs], positive[:, [label]], once) for label, pairs in enumerate(every)])


def enough(positive: Flags, at_least: int = AT_LEAST) -> Flags:
    """Return [c]: the columns of flags [n, c] with at least so many positives, and at least so many negatives."""
    counts = positive.sum(axis=0)
    kept: Flags = (counts >= at_least) & (len(positive) - counts >= at_least)
    return kept


def mean_auroc(
    scores: Scores,
    positive: Flags,
    patients: Sequence[str],
    groups: Sequence[str] | None = None,
    resamples: int = 1_000,
) -> Interval:
    """Return the mean AUROC over columns, with a 95 % interval over patients drawn again.

    Args:
        scores, positive: [n, c], columns with both kinds.
        patients: [n], whose film each row is; all films of a patient are drawn together.
        groups: [n], of which only films of the same one are compared (stratified AUROC): then a score that tells the
            groups apart, and nothing within them, gets one half. A column without a pair of one group has no say.
            None: every positive is compared with every negative.
        resamples: how often.

    Returns:
        The mean, its percentile interval, and the number of patients.
    """
    _, whose = np.unique(np.asarray(patients), return_inverse=True)
    pairs = _by_label(scores, positive, groups)
    count = int(whose.max()) + 1
    draw = np.random.default_rng(SEED)
    drawn = [
        _weighted(pairs, positive, np.bincount(draw.integers(count, size=count), minlength=count)[whose].astype(float))
        for _ in range(resamples)
    ]
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return Interval(_weighted(pairs, positive, np.ones(len(whose))), float(low), float(high), count)


def _wins(scores: Scores, positive: Flags) -> NDArray[np.float64]:
    """Return [positives, negatives]: 1 where the positive scores higher, half where they are level."""
    above = scores[positive][:, None] - scores[~positive][None, :]
    return (np.sign(above) + 1) / 2


def _by_label(scores: Scores, positive: Flags, groups: Sequence[str] | None) -> list[Pairs]:
    of = np.asarray(groups) if groups is not None else np.zeros(len(positive))
    return [_pairs(scores[:, label], positive[:, label], of) for label in range(scores.shape[1])]


def _pairs(scores: Scores, positive: Flags, groups: NDArray[np.generic]) -> Pairs:
    same = (groups[positive][:, None] == groups[~positive][None, :]).astype(np.float64)
    return same, same * _wins(scores, positive)


def _weighted(pairs: Sequence[Pairs], positive: Flags, weights: NDArray[np.floating]) -> float:
    """Return the mean AUROC over labels with films counted as often as their weight says; labels drawn out are left."""
    figures = []
    for label, (compared, won) in enumerate(pairs):
        yes, no = weights[positive[:, label]], weights[~positive[:, label]]
        if together := float(yes @ compared @ no):
            figures.append(float(yes @ won @ no) / together)
    return float(np.mean(figures)) if figures else float("nan")
