"""Task 5: findings → the nearest findings of another study; how far the two say the same, by rules.

The clinical metrics are those of `explorer.metrics.clinical`, under its names: none is the paper's. Two of them need an
encoder as a judge, which never judges itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from explorer.corpora.base import Corpus
from explorer.corpora.split import Split
from explorer.language.findings import FindingsReader
from explorer.language.labels import NO_FINDING
from explorer.metrics.clinical import (
    Findings,
    embsim,
    entrel_f1,
    entsim,
    green_form_score,
    in_words,
    macro_f1,
    rule_label_counts,
)
from explorer.metrics.significance import Statistic, the_mean
from models.interfaces import SEARCH_INSTRUCTION, EncoderInfo, TextEncoder, Vectors
from training.tasks.base import Figure, Parts, Ranker, TaskCard
from training.tasks.retrieval import SEED, deals, studies_with, whole_parts

DRAWS = 5  # of a random report for every query, and of the shuffled labels
STATISTICS: Mapping[str, Statistic] = {
    "RuleLabel-F1": macro_f1,
    "EntRel-F1": the_mean,
    "GREEN-form score": the_mean,
    "EntSim": the_mean,
    "EmbSim": the_mean,
}
Counted = Mapping[str, NDArray[np.float64]]  # measure → [n, m]


class LookedUp:
    """A `TextEncoder` that has encoded all it will be asked for, so that pairs can be judged one by one."""

    def __init__(self, encoder: TextEncoder, texts: Sequence[str]) -> None:
        self.info: EncoderInfo = encoder.info
        self._row = {text: row for row, text in enumerate(sorted(set(texts)))}
        self._vectors = encoder.encode(list(self._row))

    def encode(self, texts: Sequence[str], instruction: str = "") -> Vectors:
        """Return the vectors of known texts, [n, d]; no instruction is known. Raises KeyError for another text."""
        if instruction:
            raise KeyError(instruction)
        return self._vectors[[self._row[text] for text in texts]]


class Meter:
    """Measures pairs of findings sections; each text is read once."""

    def __init__(self, judge: TextEncoder, texts: Sequence[str]) -> None:
        reader = FindingsReader.open()
        self._read: Mapping[str, Findings] = {text: reader.read(text, "findings") for text in dict.fromkeys(texts)}
        phrases = [in_words(finding) for found in self._read.values() for finding in found]
        self._judge = LookedUp(judge, [*texts, *phrases])
        self._of_pair = lru_cache(maxsize=None)(self._measured)

    def shows_something(self, text: str) -> bool:
        """Return whether a known text states a finding."""
        return any(one.status == "present" and one.name != NO_FINDING for one in self._read[text])

    def counted(self, references: Sequence[str], candidates: Sequence[str], under_test: str) -> Counted:
        """Return per pair what each measure is made of; none that the encoder under test would judge itself."""
        pairs = [self._of_pair(*pair) for pair in zip(references, candidates, strict=True)]
        found = {name: np.stack([pair[name] for pair in pairs]) for name in pairs[0]}
        cosines = embsim(references, candidates, self._judge, under_test)
        if cosines is None:
            return {name: values for name, values in found.items() if name != "EntSim"}
        return {**found, "EmbSim": cosines[:, None]}

    def _measured(self, reference: str, candidate: str) -> Counted:
        wanted, read = self._read[reference], self._read[candidate]
        return {
            "RuleLabel-F1": rule_label_counts(wanted, read),
            "EntRel-F1": np.array([entrel_f1(wanted, read)]),
            "GREEN-form score": np.array([green_form_score(wanted, read, reference, candidate)]),
            "EntSim": np.array([entsim(wanted, read, self._judge)]),
        }


@dataclass(frozen=True, eq=False)
class NearestTask:
    """Findings to be met by those of other studies."""

    card: TaskCard
    queries: tuple[str, ...]
    bank: tuple[str, ...]  # distinct, sorted
    commonest: str  # of the bank
    instruction: str
    parts: Parts
    meter: Meter

    def figures(self, ranker: Ranker) -> list[Figure]:
        """Return every clinical metric of (query, nearest of the bank) in every part."""
        nearest = ranker.scores(self.queries, self.bank, self.instruction).argmax(axis=1)
        revision, drawn = ranker.card.revision, np.random.default_rng(SEED).integers
        found = self._counted([nearest], revision)
        chance = self._counted([drawn(len(self.bank), size=len(nearest)) for _ in range(DRAWS)], revision)
        shuffled = self._counted([deal[nearest] for deal in deals(len(self.bank), DRAWS)], revision)
        floor = self._counted([np.full(len(nearest), self.bank.index(self.commonest))], revision)
        return [
            Figure(
                part,
                name,
                values[chosen],
                _value(chance, name, chosen),
                _value(floor, name, chosen),
                _value(shuffled, name, chosen),
                STATISTICS[name],
            )
            for part, chosen in self.parts.items()
            for name, values in found.items()
        ]

    def _counted(self, answers: Sequence[NDArray[np.int64]], under_test: str) -> Counted:
        """Return per query the mean over so many answers of what each measure is made of."""
        told = [self.meter.counted(self.queries, [self.bank[n] for n in row], under_test) for row in answers]
        return {name: np.mean([one[name] for one in told], axis=0) for name in told[0]}


def nearest_findings(corpus: Corpus, split: Split, judge: TextEncoder) -> NearestTask:
    """Build Task 5; `judge` embeds for EntSim and EmbSim."""
    queries = [study["findings"] for study in studies_with(corpus, split, "findings")]
    known = Counter(study["findings"] for study in studies_with(corpus, "train", "findings"))
    bank = tuple(sorted(known))
    meter = Meter(judge, [*queries, *bank])
    shown = np.array([meter.shows_something(text) for text in queries], dtype=np.bool_)
    about = (
        f"The findings of {len(queries)} studies, and the nearest findings of a training study: how far the two say "
        "the same, by rules. Chance is a random training study, the floor always the commonest findings. EntSim and "
        f"EmbSim use {judge.info.name}, and are left out where it is under test."
    )
    return NearestTask(
        TaskCard("5", "Findings → nearest findings", about, "findings", "distinct training findings", len(bank)),
        tuple(queries),
        bank,
        min(bank, key=lambda text: (-known[text], text)),
        SEARCH_INSTRUCTION,
        whole_parts({"all": np.ones_like(shown), "with a finding": shown, "without": ~shown}),
        meter,
    )


def _value(counted: Counted, name: str, chosen: NDArray[np.bool_]) -> float:
    return float(STATISTICS[name](counted[name][chosen].mean(axis=0)))
