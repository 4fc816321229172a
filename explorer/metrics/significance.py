"""How sure a figure is: bootstrap intervals, and paired approximate randomisation between two rankers.

A figure is a statistic of the mean over queries of what was counted for each: the mean itself for a share or a score,
something further for a macro-F1. Both procedures resample queries, so they serve every such figure alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Means = NDArray[np.float64]
Statistic = Callable[[Means], NDArray[np.float64]]  # [..., m] means of what was counted → [...] the figure

SEED = 4096
_ROUNDS_AT_ONCE = 1_000
_ROUNDING = 1e-12  # two orders of the same sum differ by so much


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    n: int


def the_mean(means: Means) -> NDArray[np.float64]:
    """Return the one thing counted, as it is."""
    figure: NDArray[np.float64] = means[..., 0]
    return figure


def bootstrap(
    values: Sequence[float] | NDArray[np.generic],
    statistic: Statistic = the_mean,
    resamples: int = 2_000,
    seed: int = SEED,
) -> Interval:
    """Return the figure of per-query values and its percentile interval over resampled queries.

    Args:
        values: [n] or [n, m].
        statistic: the mean unless said otherwise.
        resamples, seed: how many times n queries are drawn with replacement, and from which generator.

    Raises:
        ValueError: there are no values.
    """
    counted = _counted(values)
    n = len(counted)
    draws = np.random.default_rng(seed).integers(n, size=(resamples, n))
    drawn = np.stack([np.bincount(row, minlength=n) for row in draws])  # [resamples, n]
    low, high = np.percentile(statistic(drawn @ counted / n), (2.5, 97.5))
    return Interval(float(statistic(counted.mean(axis=0))), float(low), float(high), n)


def approximate_randomisation(
    one: NDArray[np.generic],
    other: NDArray[np.generic],
    statistic: Statistic = the_mean,
    rounds: int = 10_000,
    seed: int = SEED,
) -> float:
    """Return the two-sided p of a difference between two rankers over the same queries.

    In every round each query's two results change places with probability ½; p is the share of rounds, the observed
    one among them, whose difference is at least as large. Noreen 1989; Yeh 2000, https://aclanthology.org/C00-2137.

    Args:
        one, other: [n] or [n, m], row i of both from query i.
        statistic: the mean unless said otherwise.
        rounds: at least 1; the smallest p is 1 / (rounds + 1).
        seed: of the generator that exchanges.

    Raises:
        ValueError: there are no values, or not as many on both sides.
    """
    first, second = _counted(one), _counted(other)
    if first.shape != second.shape:
        raise ValueError("Only results on the same queries can be compared.")
    gap, n = second - first, len(first)
    observed = abs(statistic(first.mean(axis=0)) - statistic(second.mean(axis=0)))
    draw, as_large = np.random.default_rng(seed), 0
    for start in range(0, rounds, _ROUNDS_AT_ONCE):
        exchanged = draw.integers(2, size=(min(_ROUNDS_AT_ONCE, rounds - start), n))
        moved = exchanged @ gap / n  # [rounds, m]
        differences = statistic(first.mean(axis=0) + moved) - statistic(second.mean(axis=0) - moved)
        as_large += int(np.sum(np.abs(differences) >= observed - _ROUNDING))
    return (as_large + 1) / (rounds + 1)


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values corrected for being many, in the order given. Holm 1979, https://www.jstor.org/stable/4615733."""
    corrected, worst = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda index: ps[index])):
        worst = max(worst, min(1.0, (len(ps) - rank) * ps[index]))
        corrected[index] = worst
    return corrected


def _counted(values: Sequence[float] | NDArray[np.generic]) -> Means:
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        raise ValueError("A figure needs at least one value.")
    return array[:, None] if array.ndim == 1 else array
