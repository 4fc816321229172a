"""What the ballots of a review add up to: the paper's Tables 6 and C.9 with intervals, and errors by model.

Mean rank of a rater: over the cases they submitted. Of a group, and overall: the plain mean of its raters' means, as
the paper does. First places: every case in which no model is ahead; a tie counts for each.

So the raters of Table C.9 add up to Table 6 (within .02: the paper rounds 2.200 to 2.19 and 3.099 to 3.08). Its slip is
not reproduced: as the reviewers' mean of BERT2CLIP, CXR-CLIP and Ko & Park, Table C.9 prints the judges' mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil

import numpy as np
from numpy.typing import NDArray

from explorer.metrics.significance import Interval, approximate_randomisation, bootstrap, holm
from explorer.review.ranks import spread
from explorer.review.records import ERROR_KINDS, PRACTICE, Answer, Ballot, Case, RaterKind

Group = str  # "human", "judge", "all"
HUMAN, JUDGES, ALL = "human", "judge", "all"
_POWER = 1.959964 + 0.841621  # normal quantiles of a two-sided 5 % and of a power of 80 %


@dataclass(frozen=True)
class RaterRow:
    """What one rater made of one model: a cell of Table C.9."""

    rater: str
    kind: RaterKind
    model: str
    mean_rank: float
    first: int
    n: int  # cases


@dataclass(frozen=True)
class Pooled:
    """What a group of raters made of one model: a cell of Table 6."""

    model: str
    mean_rank: float  # plain mean of the raters' means
    first: int  # summed over raters


@dataclass(frozen=True)
class Standing:
    """A model's pooled mean rank with its 95 % interval over cases."""

    model: str
    group: Group
    interval: Interval
    first: int
    ballots: int


@dataclass(frozen=True)
class Difference:
    """Two models over the cases that have both; `difference` is the mean rank of `model` less that of `against`."""

    model: str
    against: str
    difference: float
    p: float
    p_holm: float  # corrected for all pairs
    n: int


@dataclass(frozen=True)
class ErrorCount:
    """Errors of a kind that reviewers saw in a model's texts."""

    model: str
    kind: str
    errors: int
    critical: int
    ballots: int  # answers in which the model could have been marked


def ballots(cases: Iterable[Case], answers: Mapping[str, Mapping[int, Answer]]) -> tuple[Ballot, ...]:
    """Return the ballots of reviewers: one for each case they submitted, the practice case left out."""
    at = {case.number: case for case in cases}
    return tuple(
        Ballot(reviewer, "human", number, ranks_of(at[number], answer.levels))
        for reviewer, given in answers.items()
        for number, answer in given.items()
        if answer.state == "submitted" and answer.ranked and number != PRACTICE
    )


def ranks_of(case: Case, levels: Sequence[int]) -> dict[str, int]:
    """Return model → competition rank for the levels of a case's candidates, in the order shown."""
    return spread(levels, [candidate.models for candidate in case.candidates])


def rater_rows(cast: Sequence[Ballot]) -> tuple[RaterRow, ...]:
    """Return a row for each rater and model, humans before judges, models in order of their names."""
    raters = sorted({(one.kind != "human", one.rater, one.kind) for one in cast})
    return tuple(
        RaterRow(rater, kind, model, float(np.mean(ranks)), ranks.count(1), len(ranks))
        for _, rater, kind in raters
        for model in models_of(cast)
        if (ranks := [one.ranks[model] for one in cast if one.rater == rater and model in one.ranks])
    )


def models_of(cast: Iterable[Ballot]) -> tuple[str, ...]:
    """Return the models on any ballot, in order of their names."""
    return tuple(sorted({model for one in cast for model in one.ranks}))


def pooled(rows: Iterable[RaterRow], group: Group) -> tuple[Pooled, ...]:
    """Return Table 6 of a group of raters: a row a model, in the order models first come."""
    chosen = [row for row in rows if _in(row.kind, group)]
    found: dict[str, list[RaterRow]] = {}
    for row in chosen:
        found.setdefault(row.model, []).append(row)
    return tuple(
        Pooled(model, float(np.mean([row.mean_rank for row in its])), sum(row.first for row in its))
        for model, its in found.items()
    )


def standings(cast: Sequence[Ballot], group: Group) -> tuple[Standing, ...]:
    """Return every model's pooled mean rank with its interval, best first."""
    chosen = [one for one in cast if _in(one.kind, group)]
    made = (
        Standing(
            model,
            group,
            bootstrap(counted, _mean_of_means),
            sum(one.ranks.get(model) == 1 for one in chosen),
            sum(model in one.ranks for one in chosen),
        )
        for model in models_of(chosen)
        if len(counted := _counted(chosen, model, {one.case for one in chosen if model in one.ranks}))
    )
    return tuple(sorted(made, key=lambda standing: (standing.interval.mean, standing.model)))


def differences(cast: Sequence[Ballot], group: Group) -> tuple[Difference, ...]:
    """Return every pair of models compared over the cases of both, by paired approximate randomisation over cases."""
    chosen = [one for one in cast if _in(one.kind, group)]
    pairs = [
        (one, other, cases)
        for one, other in combinations(models_of(chosen), 2)
        if (cases := _shared(chosen, one, other))
    ]
    compared = [(_counted(chosen, one, cases), _counted(chosen, other, cases)) for one, other, cases in pairs]
    ps = [approximate_randomisation(first, second, _mean_of_means, rounds=2_000) for first, second in compared]
    return tuple(
        Difference(
            one,
            other,
            float(_mean_of_means(first.mean(axis=0)) - _mean_of_means(second.mean(axis=0))),
            p,
            corrected,
            len(cases),
        )
        for (one, other, cases), (first, second), p, corrected in zip(pairs, compared, ps, holm(ps), strict=True)
    )


def errors_by_model(cases: Iterable[Case], answers: Mapping[str, Mapping[int, Answer]]) -> tuple[ErrorCount, ...]:
    """Return how often reviewers marked each kind of error in each model's texts."""
    at = {case.number: case for case in cases}
    seen = [
        (model, [mark for mark in answer.marks if mark.candidate == place])
        for given in answers.values()
        for number, answer in given.items()
        if answer.state == "submitted" and number != PRACTICE
        for place, candidate in enumerate(at[number].candidates)
        for model in candidate.models
    ]
    return tuple(
        ErrorCount(
            model,
            kind,
            sum(mark.kind == kind for one, marks in seen if one == model for mark in marks),
            sum(mark.kind == kind and mark.critical for one, marks in seen if one == model for mark in marks),
            sum(one == model for one, _ in seen),
        )
        for model in sorted({model for model, _ in seen})
        for kind in ERROR_KINDS
    )


def cases_needed(difference: float, candidates: int) -> int:
    """Return how many cases tell a difference in mean rank apart, with 80 % power at a two-sided 5 %, at the worst.

    The worst: ranks dealt at random without ties, whose difference has a variance of c (c + 1) / 6 for c candidates.
    Ranks that follow the texts, and several reviewers, need fewer. Raises ValueError if `difference` is not above 0.
    """
    if difference <= 0:
        raise ValueError("A difference to tell apart is above 0.")
    variance = candidates * (candidates + 1) / 6
    return ceil(_POWER**2 * variance / difference**2)


def _in(kind: RaterKind, group: Group) -> bool:
    return group == ALL or (kind == "human") == (group == HUMAN)


def _shared(cast: Sequence[Ballot], one: str, other: str) -> set[int]:
    return {ballot.case for ballot in cast if one in ballot.ranks and other in ballot.ranks}


def _counted(cast: Sequence[Ballot], model: str, cases: Iterable[int]) -> NDArray[np.float64]:
    """Return [cases, 2 × raters]: each rater's rank of the model, and whether there is one."""
    raters = sorted({one.rater for one in cast})
    row = {case: number for number, case in enumerate(sorted(cases))}
    counted = np.zeros((len(row), 2, len(raters)))
    for one in cast:
        if one.case in row and model in one.ranks:
            counted[row[one.case], :, raters.index(one.rater)] = one.ranks[model], 1
    return counted.reshape(len(row), -1)


def _mean_of_means(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over raters of their mean ranks, from means of `_counted`; a rater without a case is left out."""
    ranks, there = np.split(means, 2, axis=-1)
    seen = there > 0
    each = np.where(seen, ranks / np.where(seen, there, 1), 0)
    pooled_rank: NDArray[np.float64] = each.sum(axis=-1) / np.maximum(seen.sum(axis=-1), 1)
    return pooled_rank
