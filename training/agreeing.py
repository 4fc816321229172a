"""Notes, and the whole reports that state the same findings: what a note on the Search page asks for.

Pairs teach that a note says what its long form says; which of all reports say it too, no pair tells. Here the rule
reader does, the one that the Search page compares by: the targets are weak labels, and the figure that they are meant
for, agreement in task 4, is counted by the same reader on notes and reports that no training has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from explorer.corpora.sections import has_words
from explorer.language.findings import FindingsReader
from explorer.language.shorthand import Shortener
from explorer.types import Finding
from models.interfaces import SEARCH_INSTRUCTION
from training.losses import soft_cross_entropy
from training.made_notes import NoteMaker, excerpt
from training.tasks.stability import Array, K, agreeing_shares
from training.texts import Told


@dataclass(frozen=True)
class AgreeingConfig:
    """How notes are taught to find the reports that agree with them; weight 0: not at all."""

    weight: float = 0.0  # of this loss, beside that of the pairs
    made: int = 2_000  # notes made from the lexicon; the ones that state no finding fall out
    excerpts: float = 0.5  # studies of which some sentences make a note too, 0–1
    batch: int = 96  # notes a step, as many of them short as in full
    reports: int = 0  # drawn a step, for each note one of its best among them; 0: every report, which needs kept states
    scale: float = 20.0  # multiplies the cosine
    sharpness: float = 3.0  # the power of a report's share of the note's findings; targets are proportional to it
    steady: float = 0.0  # of the pull of a short note to the reports that its full form finds; a step then has both


@dataclass(frozen=True, eq=False)
class AgreeingNotes:
    """Notes in two forms and a bank of reports; row i is note i."""

    short: tuple[str, ...]
    full: tuple[str, ...]
    reports: tuple[str, ...]  # distinct, sorted
    shares: Array  # [n, reports] 0–1: the note's findings that a report states alike

    def batch(
        self, size: int, reports: int, draw: np.random.Generator, both: bool = False
    ) -> tuple[list[str], list[str], Array]:
        """Return notes, each short or in full, reports, and their shares: [size], [reports], [size, reports].

        Args:
            size: of the notes.
            reports: how many; for each note one of those that agree with it best is among them. 0: every one.
            draw: chooses both.
            both: half as many notes, all short and then, in the same order, all in full.
        """
        rows = draw.permutation(len(self.short))[: size // 2 if both else size]
        forms = np.repeat([0, 1], len(rows)) if both else draw.integers(2, size=len(rows))
        rows = np.tile(rows, 2) if both else rows
        notes = [(self.short, self.full)[form][row] for row, form in zip(rows, forms, strict=True)]
        columns = self._columns(rows, reports, draw) if reports else np.arange(len(self.reports))
        return notes, [self.reports[column] for column in columns], self.shares[np.ix_(rows, columns)]

    def _columns(self, rows: np.ndarray, reports: int, draw: np.random.Generator) -> np.ndarray:
        best = [draw.choice(np.flatnonzero(self.shares[row] == self.shares[row].max())) for row in rows]
        others = draw.permutation(len(self.reports))
        return np.array(list(dict.fromkeys([*best, *others]))[:reports], dtype=np.int64)

    def agreement(self, notes: np.ndarray, reports: np.ndarray) -> float:
        """Return how far the first ten reports agree with the notes, 0–1, of unit vectors [n, d] and [reports, d]."""
        top = np.argsort(-(notes @ reports.T), axis=1, kind="stable")[:, :K]
        return float(np.take_along_axis(self.shares, top, axis=1).mean())


def agreeing_notes(studies: Sequence[Told], made: int, excerpts: float, seed: int) -> AgreeingNotes:
    """Make notes from the lexicon and from sentences of studies; all reports of the studies are the bank."""
    draw, reader = np.random.default_rng(seed), FindingsReader.open()
    maker = NoteMaker.open()

    def stated(text: str) -> bool:
        return any(finding.status != "absent" for finding in reader.read(text, ""))

    notes = [(note.short, note.full) for note in (maker.make(draw) for _ in range(made))]
    shortener = Shortener.open()
    cut = [excerpt(study.report, stated, draw) for study in studies if draw.random() < excerpts]
    notes += [(shortener.shorten(text, draw), text) for text in cut if text]
    read = [(short, full, _sure(reader, full)) for short, full in notes]
    kept = [(short, full, found) for short, full, found in read if found]
    reports = tuple(sorted(filter(has_words, {study.report for study in studies})))
    said = [reader.read(text, "") for text in reports]
    return AgreeingNotes(
        tuple(short for short, _, _ in kept),
        tuple(full for _, full, _ in kept),
        reports,
        agreeing_shares([found for _, _, found in kept], said),
    )


def agreeing_loss(notes: Tensor, reports: Tensor, shares: Tensor, config: AgreeingConfig) -> Tensor:
    """Cross-entropy of notes over reports, against targets in proportion to what they share.

    Args:
        notes, reports: [n, d] and [m, d], not normalised.
        shares: [n, m] 0–1; a note with which no report agrees has no part.
        config: scale and sharpness.

    Returns:
        Scalar.
    """
    weights = shares**config.sharpness
    some = weights.sum(dim=1) > 0
    if not some.any():
        return notes.sum() * 0
    targets = weights[some] / weights[some].sum(dim=1, keepdim=True)
    logits = config.scale * F.normalize(notes[some], dim=-1) @ F.normalize(reports, dim=-1).T
    return soft_cross_entropy(logits, targets)


def steady_loss(short: Tensor, full: Tensor, reports: Tensor, scale: float) -> Tensor:
    """Cross-entropy of notes in shorthand over reports, against what the same notes in full find.

    Args:
        short, full: [n, d], not normalised; row i of both is one note. No gradient reaches `full`.
        reports: [m, d], not normalised.
        scale: multiplies the cosine.

    Returns:
        Scalar.
    """
    unit = F.normalize(reports, dim=-1).T
    found = (scale * F.normalize(full, dim=-1) @ unit).softmax(dim=-1).detach()
    return soft_cross_entropy(scale * F.normalize(short, dim=-1) @ unit, found)


class AgreeingStep:
    """The part of a step that teaches it."""

    def __init__(self, config: AgreeingConfig, studies: Sequence[Told], seed: int) -> None:
        self._config, self._seed = config, seed
        self._notes = agreeing_notes(studies, config.made, config.excerpts, seed)

    def texts(self, step: int) -> tuple[list[str], list[str]]:
        """Return the texts of a step and their instructions: notes, then reports."""
        notes, reports, _ = self._drawn(step)
        return notes + reports, [SEARCH_INSTRUCTION] * len(notes) + [""] * len(reports)

    def loss(self, vectors: Tensor, step: int) -> Tensor:
        """Return the weighted loss of a step's vectors [notes + reports, d]."""
        drawn, _, shares = self._drawn(step)
        notes, reports = vectors[: len(drawn)], vectors[len(drawn) :]
        loss = self._config.weight * agreeing_loss(notes, reports, torch.from_numpy(shares).to(vectors), self._config)
        if not self._config.steady:
            return loss
        short, full = notes.chunk(2)
        return loss + self._config.steady * steady_loss(short, full, reports, self._config.scale)

    def _drawn(self, step: int) -> tuple[list[str], list[str], Array]:
        draw = np.random.default_rng((self._seed, step))
        return self._notes.batch(self._config.batch, self._config.reports, draw, bool(self._config.steady))


def _sure(reader: FindingsReader, text: str) -> list[Finding]:
    return [finding for finding in reader.read(text, "") if finding.status != "uncertain"]
