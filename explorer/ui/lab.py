"""The error lab's answers: studies drawn from the corpus, errors injected, encoders asked."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.choices import WORDS
from explorer.corpora.openi import NAME as OPENI
from explorer.corpora.split import in_split
from explorer.error_lab import (
    Corrupted,
    ErrorLab,
    Pair,
    Scoring,
    by_vectors,
    by_words,
    has_both,
    margins,
    strip,
    texts_of,
)
from explorer.errors import BadReview
from explorer.language.error_injection import Category
from explorer.progress import Progress
from explorer.types import Report
from explorer.ui.lab_html import STUDIES, Bench, Strip, lab

if TYPE_CHECKING:
    from explorer.search import Explorer

SEED = 4096
AT_FIRST = 3  # encoders chosen at first
ENOUGH = 3  # errors that a study shown should take
KNOWN = 2_000  # impressions that tell BM25 how common a word is

Message = Mapping[str, Any]
Margins = dict[str, dict[Category, float]]


class LabDesk:
    """Draws, injects and asks. The strip measured last is kept until the app ends: it holds no text."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._lock = threading.Lock()
        self._lab: ErrorLab | None = None
        self._pool: tuple[Report, ...] = ()
        self._strip: Strip | None = None

    def open(self, _: Message) -> str:
        """Return the screen with a first study."""
        return self.another({})

    def another(self, message: Message) -> str:
        """Return the screen with the next study that takes several errors."""
        pool = self._studies()
        ids = [report.id for report in pool]
        last = str(message.get("study"))
        start = ids.index(last) + 1 if last in ids else 0
        for report in (*pool[start:], *pool[:start]):
            findings, impression = texts_of(report)
            errors = self._tools().errors(findings, impression, SEED)
            if len(errors) >= ENOUGH:
                return self._screen(report.id, findings, impression, errors, self._names(message), {})
        return self._screen("", "", "", (), self._names(message), {})

    def inject(self, message: Message) -> str:
        """Return the screen with errors in the text as it stands in the boxes."""
        findings, impression = self._texts(message)
        errors = self._tools().errors(findings, impression, SEED)
        return self._screen(str(message.get("study", "")), findings, impression, errors, self._names(message), {})

    def margins(self, message: Message, progress: Progress) -> str:
        """Ask the chosen encoders about every error; long the first time a tower is loaded. Raises TowerError."""
        findings, impression = self._texts(message)
        errors, chosen = self._tools().errors(findings, impression, SEED), self._asked(message)
        pairs = [Pair(findings, impression, one.text, one.category) for one in errors]
        found: Margins = {}
        for done, name in enumerate(chosen):
            progress(f"Asking {name}", done / len(chosen))
            values = margins(pairs, self._scoring(name))
            found[name] = {pair.category: float(value) for pair, value in zip(pairs, values, strict=True)}
        return self._screen(str(message.get("study", "")), findings, impression, errors, chosen, found)

    def strip(self, message: Message, progress: Progress) -> str:
        """Measure the chosen encoders over studies of the corpus. Raises TowerError."""
        count, chosen = _count(message), self._asked(message)
        progress("Injecting errors", 0.0)
        reports = self._studies()[:count]
        made = list(self._tools().pairs(reports, SEED))
        noticed = strip(made, [(name, partial(self._scoring, name)) for name in chosen], progress)
        self._strip = Strip(self._explorer.corpus.title, len(reports), SEED, noticed)
        findings, impression = self._texts(message)
        errors = self._tools().errors(findings, impression, SEED)
        return self._screen(str(message.get("study", "")), findings, impression, errors, chosen, {})

    def _screen(
        self,
        study: str,
        findings: str,
        impression: str,
        errors: tuple[Corrupted, ...],
        chosen: Sequence[str],
        found: Margins,
    ) -> str:
        encoders = tuple((one.name, one.label) for one in self._explorer.choices() if one.name in self._able())
        return lab(Bench(study, findings, impression, errors, encoders, tuple(chosen), found, self._strip))

    def _tools(self) -> ErrorLab:
        with self._lock:
            if self._lab is None:
                self._lab = ErrorLab.open()
            return self._lab

    def _studies(self) -> tuple[Report, ...]:
        """The studies with both sections in a drawn order; of Open-I the test studies, which no tower learned from."""
        with self._lock:
            if not self._pool:
                reports = tuple(self._explorer.reports())
                kept = in_split(reports, "test") if self._explorer.corpus.name == OPENI else reports
                both = [report for report in kept if has_both(report)]
                order = np.random.default_rng(SEED).permutation(len(both))
                self._pool = tuple(both[index] for index in order)
            return self._pool

    def _scoring(self, name: str) -> Scoring:
        if name == WORDS:
            return by_words([texts_of(report)[1] for report in self._studies()[:KNOWN]])
        return by_vectors(self._explorer.tower(name))

    def _able(self) -> tuple[str, ...]:
        return tuple(one.name for one in self._explorer.choices() if "text" in one.kinds)

    def _names(self, message: Message) -> tuple[str, ...]:
        given = message.get("encoder")
        named = [name for name in given if name in self._able()] if isinstance(given, list) else []
        return tuple(named) or self._able()[:AT_FIRST]

    def _asked(self, message: Message) -> tuple[str, ...]:
        given = message.get("encoder")
        if not isinstance(given, list) or not given:
            raise BadReview("Choose an encoder.")
        return self._names(message)

    def _texts(self, message: Message) -> tuple[str, str]:
        limit = self._explorer.settings.limits.query_characters
        findings, impression = (str(message.get(name, "")).strip() for name in ("findings", "impression"))
        if not (findings and impression) or max(len(findings), len(impression)) > limit:
            raise BadReview(f"Give findings and an impression, at most {limit:,} characters each.")
        return findings, impression


def _count(message: Message) -> int:
    value = str(message.get("studies", ""))
    if value not in map(str, STUDIES):
        raise BadReview("Choose how many studies.")
    return int(value)
