"""Ranks with ties, in the form of the paper: 1, 2, 2, 4 (competition ranking)."""

from __future__ import annotations

from collections.abc import Sequence


def competition(levels: Sequence[float]) -> tuple[int, ...]:
    """Return the competition ranks of levels of which a lower one is better: (1, 2, 2, 3) and (7, 9, 9, 12) → 1 2 2 4.

    Dense ranks, competition ranks and penalties are all accepted; equal levels are a tie.
    """
    return tuple(1 + sum(other < level for other in levels) for level in levels)


def midranks(levels: Sequence[float]) -> tuple[float, ...]:
    """Return ranks in which a tie takes the mean of the places it fills: 1, 2.5, 2.5, 4."""
    return tuple(
        sum(other < level for other in levels) + (sum(other == level for other in levels) + 1) / 2 for level in levels
    )


def spread(levels: Sequence[int], holders: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return the competition rank of every holder, where several may hold one place.

    `holders[i]` are the models whose text was shown as candidate i: they tie, and those behind them are moved back.
    """
    named = [(model, level) for level, models in zip(levels, holders, strict=True) for model in models]
    ranks = competition([level for _, level in named])
    return {model: rank for (model, _), rank in zip(named, ranks, strict=True)}
