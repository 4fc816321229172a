"""What every task shares: what is ranked, who ranks it, and the figures that come of it.

A task is plain data and knows no encoder. Any ranker is measured on it: the shipped towers, a tower in training
(`score`), or BM25.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.metrics.retrieval import Flags, Scores
from explorer.metrics.significance import Statistic, the_mean
from explorer.word_scores import word_scores
from models.interfaces import TextEncoder, Vectors

Encode = Callable[[Sequence[str], str], Vectors]  # texts, instruction → [n, d] unit rows
Scoring = Callable[[Sequence[str], Sequence[str], str], Scores]  # q queries, n documents, instruction → [q, n]
Parts = Mapping[str, Flags]
WORDS = "bm25"


@dataclass(frozen=True)
class TaskCard:
    """What a task asks, in words for a table."""

    task: str
    title: str
    about: str  # one sentence: what is asked, and what counts as a hit
    query: str
    bank: str
    n_distinct: int  # texts in the bank, all different


@dataclass(frozen=True)
class RankerCard:
    """Who ranks: the parts of an encoder's description that belong beside its figures."""

    name: str
    revision: str = ""
    precision: str = ""
    pooling: str = ""
    dim: int = 0
    instructed: bool = False
    note: str = ""


@dataclass(frozen=True)
class Ranker:
    """Scores every document of a bank for every query; larger is nearer."""

    card: RankerCard
    scores: Scoring


@dataclass(frozen=True, eq=False)
class Figure:
    """One measure of one ranker on one part of a task's queries."""

    part: str
    measure: str
    values: NDArray[np.float64]  # [n, m]: of each query what the measure is made of, in the order of the queries
    chance: float | None  # what a ranker that guesses reaches
    floor: float | None  # what an answer that ignores the query reaches
    shuffled: float | None  # what this ranker reaches when the labels of the bank are dealt out anew
    statistic: Statistic = the_mean

    @property
    def value(self) -> float:
        """Return the measure over all queries of the part."""
        return float(self.statistic(self.values.mean(axis=0)))


class Task(Protocol):
    """A task that any ranker can be measured on."""

    @property
    def card(self) -> TaskCard:
        """What is asked."""
        ...

    @property
    def instruction(self) -> str:
        """What an instructed encoder is told with every query."""
        ...

    def figures(self, ranker: Ranker) -> list[Figure]:
        """Measure a ranker."""
        ...


def score(task: Task, encode: Encode) -> list[Figure]:
    """Measure any encoding function, e.g. of a tower in training; it is given the task's instruction as it stands."""
    return task.figures(Ranker(RankerCard(""), by_vectors(encode)))


def by_vectors(encode: Encode) -> Scoring:
    """Score by inner product; queries carry the instruction, documents carry none."""
    return lambda queries, bank, instruction: encode(queries, instruction) @ encode(bank, "").T


def dense(encoder: TextEncoder) -> Ranker:
    """Rank by an encoder's vectors, with an instruction if the encoder is meant to carry one."""
    info = encoder.info

    def encode(texts: Sequence[str], instruction: str) -> Vectors:
        return encoder.encode(texts, instruction if info.instructed else "")

    card = RankerCard(info.name, info.revision, info.precision, info.pooling, info.dim, info.instructed, note=info.note)
    return Ranker(card, by_vectors(encode))


def words() -> Ranker:
    """Rank by BM25 over stemmed words (FTS5), the ranker that needs no model."""
    return Ranker(
        RankerCard(WORDS, note="words only, no model"), lambda queries, bank, _instruction: word_scores(queries, bank)
    )
