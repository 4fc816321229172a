"""How far raters agree: Kendall's W over all of them, and tau-b between two, case by case, both corrected for ties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from explorer.metrics.significance import Interval, bootstrap
from explorer.review.ranks import midranks
from explorer.review.records import Ballot


@dataclass(frozen=True)
class Agreement:
    """The mean of a coefficient over cases; `undefined` are the cases in which a rater tied everything."""

    raters: tuple[str, ...]
    interval: Interval | None  # None where no case has a value
    undefined: int


def kendalls_w(levels: Sequence[Sequence[float]]) -> float | None:
    """Return Kendall's coefficient of concordance of m raters (rows) over k things, 0–1, corrected for ties.

    Kendall & Gibbons 1990, Rank Correlation Methods, ch. 6. None where it is not defined: fewer than two raters or
    things, or all raters tie everything.
    """
    raters, things = len(levels), len(levels[0]) if levels else 0
    if raters < 2 or things < 2:
        return None
    ranks = np.array([midranks(row) for row in levels])
    sums = ranks.sum(axis=0)
    ties = sum(int((count**3 - count).sum()) for count in (np.unique(row, return_counts=True)[1] for row in ranks))
    most = raters**2 * (things**3 - things) - raters * ties
    return float(12 * ((sums - sums.mean()) ** 2).sum() / most) if most else None


def tau_b(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return Kendall's tau-b of two rankings of the same things, −1 to 1; None where one of them ties everything.

    Kendall 1945, https://doi.org/10.2307/2332303.
    """
    first, second = (np.sign(np.subtract.outer(given, given)) for given in (np.array(one), np.array(other)))
    untied = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum() / untied) if untied else None


def concordance(cast: Sequence[Ballot]) -> Agreement:
    """Return the mean of Kendall's W over the cases that all raters of these ballots submitted."""
    raters = tuple(sorted({one.rater for one in cast}))
    return _over_cases(cast, raters, kendalls_w)


def pairs(cast: Sequence[Ballot]) -> tuple[Agreement, ...]:
    """Return the mean of tau-b over the shared cases of every two raters."""
    raters = sorted({one.rater for one in cast})
    return tuple(_over_cases(cast, pair, lambda rows: tau_b(*rows)) for pair in combinations(raters, 2))


def judges_and_humans(cast: Sequence[Ballot]) -> tuple[Agreement, ...]:
    """Return the mean of tau-b of every judge with every human."""
    humans = {one.rater for one in cast if one.kind == "human"}
    return tuple(one for one in pairs(cast) if len(humans & set(one.raters)) == 1)


def _over_cases(
    cast: Sequence[Ballot], raters: tuple[str, ...], coefficient: Callable[[list[list[float]]], float | None]
) -> Agreement:
    given = {(one.rater, one.case): one.ranks for one in cast}
    shared = [case for case in sorted({one.case for one in cast}) if all((rater, case) in given for rater in raters)]
    found = []
    for case in shared:
        models = sorted(set.intersection(*(set(given[rater, case]) for rater in raters)))
        found.append(coefficient([[float(given[rater, case][model]) for model in models] for rater in raters]))
    values = [value for value in found if value is not None]
    return Agreement(raters, bootstrap(values) if values else None, len(found) - len(values))
