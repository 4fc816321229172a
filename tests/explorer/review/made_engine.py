"""A made-up engine of which every way to rank finds other reports, so that a review can be made from it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "ui"))  # the made-up engine of the other pages

from made_explorer import TEXTS, FakeExplorer, hit, report

from explorer.types import Report, SearchResult

STUDIES = 12
SECTIONS = ("findings", "impression")
STEPS = {"pocket": 1, "base": 2, "minilm": 3, "bm25": 5}


@dataclass
class ReviewedExplorer(FakeExplorer):
    def reports(self, corpus: str | None = None) -> Iterator[Report]:
        return (told(number) for number in range(STUDIES))

    def choice(self, encoder: str) -> object:
        return next(one for one in self.choices() if one.name == encoder)

    def by_text(self, text: str, **asked: object) -> SearchResult:
        found = super().by_text(text, **asked)  # type: ignore[arg-type]
        step = STEPS[found.encoder]
        hits = tuple(replace(hit(place), report=told(place * step + len(text)), identical=()) for place in range(1, 9))
        return replace(found, hits=hits)


def told(number: int) -> Report:
    """A made-up study whose text is its own."""
    made = report(number)
    findings, impression = TEXTS[number % len(TEXTS)]
    return replace(made, sections={"findings": f"{findings} Study {number}.".strip(), "impression": impression})
