"""The made-up engine with rankers that disagree, real findings in its reports, and words that make it slow."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from made_explorer import EXPANDER, FakeExplorer, hit

from explorer.compare import Comparison, check_rankers, compared
from explorer.language.abbreviations import Entry
from explorer.language.agreement import agreements
from explorer.language.findings import FindingsReader
from explorer.types import Filters, Hit, Query, Scope, SearchResult

READER = FindingsReader.open()
STUDIES = 16  # different reports that answer


@dataclass
class ComparingExplorer(FakeExplorer):
    """Each ranker has an order of its own, and moves a little when the text changes.

    "slow" in a query takes a step of 0.1 s fifty times; `stopped` is set when it is told to stop.
    """

    stopped: threading.Event = field(default_factory=threading.Event)

    def by_text(
        self,
        text: str,
        *,
        encoder: str,
        corpus: str | None = None,
        scope: Scope = "report",
        k: int = 10,
        filters: Filters | None = None,
        progress: Callable[[str, float], object] = lambda what, share: None,
    ) -> SearchResult:
        if "slow" in text:
            self._go_slowly(encoder, progress)
        result = super().by_text(text, encoder=encoder, corpus=corpus, scope=scope, k=k)
        asked = READER.read(EXPANDER.expand(text).expanded, "query")
        hits = () if "nothing" in text else _hits(text, encoder, k)
        return replace(result, query=Query(text=text), hits=tuple(_read(one, asked) for one in hits))

    def compare(
        self,
        text: str,
        *,
        encoders: tuple[str, ...],
        corpus: str | None = None,
        scope: Scope = "report",
        k: int = 10,
        filters: Filters | None = None,
        progress: Callable[[str, float], object] = lambda what, share: None,
    ) -> Comparison:
        check_rankers(encoders)
        results = []
        for number, encoder in enumerate(encoders):
            progress(f"Asking {encoder}", number / len(encoders))
            results.append(self.by_text(text, encoder=encoder, corpus=corpus, scope=scope, k=k, progress=progress))
        return compared(results)

    def glossary(self) -> tuple[Entry, ...]:
        return EXPANDER.glossary()

    def _go_slowly(self, encoder: str, progress: Callable[[str, float], object]) -> None:
        try:
            for step in range(50):
                progress(f"Encoding reports with {encoder}", step / 50)
                time.sleep(0.1)
        except BaseException:
            self.stopped.set()
            raise


def _hits(text: str, encoder: str, k: int) -> tuple[Hit, ...]:
    def draw(key: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
        return np.random.default_rng(seed).normal(size=STUDIES)

    places = np.argsort(np.arange(STUDIES) + 3 * draw(encoder) + draw(encoder + text))[:k]
    by_words = encoder == "bm25"
    return tuple(
        replace(hit(int(place) + 1), rank=rank, score=20.0 - rank if by_words else 0.86 - 0.021 * rank)
        for rank, place in enumerate(places, 1)
    )


def _read(one: Hit, asked: tuple) -> Hit:
    report = replace(one.report, findings=READER.read_report(one.report.sections))
    return replace(one, report=report, agreement=agreements(asked, report.findings))
