"""A small review with three models, written for the tests."""

from __future__ import annotations

from typing import Any

from explorer.review.practice import practice_case
from explorer.review.records import Answer, Candidate, Case, Origin, Review, as_json

MODELS = ("alpha", "beta", "gamma")
ORDERS = ((0, 1, 2), (2, 0, 1), (1, 2, 0))  # which model stands as Report 1, 2, 3


def made_case(number: int, order: tuple[int, ...] = (0, 1, 2), models: tuple[str, ...] = MODELS) -> Case:
    texts = ("Small left effusion.", "No effusion.", "Large right effusion.")
    candidates = tuple(
        Candidate(f"{texts[place]} Case {number}.", (Origin(models[place], f"made-up:{place}"),)) for place in order
    )
    return Case(number, f"made-up:9{number}", "Effusion?", f"Small left effusion. Truth {number}.", candidates)


def made_cases(models: tuple[str, ...] = MODELS) -> tuple[Case, ...]:
    return (practice_case(), *(made_case(number, order, models) for number, order in enumerate(ORDERS, 1)))


def made_review(*, unknown: bool = False) -> Review:
    return Review("r1", "Made up", "made-up", 7, unknown, len(ORDERS), "2026-11-24T12:00:00+00:00", {})


def said(**parts: Any) -> dict[str, Any]:
    """An answer as a browser sends it."""
    return {**as_json(Answer(levels=(0, 0, 0))), **parts}
