"""Supervised contrastive training of a report tower, paper section 3.

    python -m training.contrastive training/recipes/pocket.toml [--resume]

Adapters on the language model, and the whitening map that lets a decoder's training start: fitted on training texts
before the first step, refined with them after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from explorer.corpora import openi
from explorer.corpora.split import in_split
from training.agreeing import AgreeingConfig, AgreeingStep
from training.command import RUNS, stage_command
from training.datasets import fingerprint
from training.learner import Learner, TextRecipe
from training.loop import Run, Workers, train
from training.losses import contrastive
from training.pairs import Mix, Pair, PairMaker, documents_of, impression_bank, says_the_same
from training.recipe import RecipeError, load_recipe
from training.texts import every_text, told
from training.towers import export_tower

Loss = Callable[[Tensor], Tensor]
BANK = 1  # beside seed and step: the draw of the bank


@dataclass(frozen=True, kw_only=True)
class ContrastiveRecipe(TextRecipe):
    """A recipe of this stage."""

    mix: Mix = field(default_factory=Mix)
    scale: float = 50.0
    agreeing: AgreeingConfig = field(default_factory=AgreeingConfig)
    bank: int = 0  # rare impressions drawn a step, beside all common ones, that findings tell theirs from; 0: no bank


class ContrastiveStage:
    """Tower, pairs and validation tasks."""

    def __init__(self, recipe: ContrastiveRecipe) -> None:
        if recipe.agreeing.weight and not (recipe.kept_epochs or recipe.agreeing.reports):
            raise RecipeError(
                "Notes are told from every report at once, which needs kept states. Say kept_epochs = 1, or how many "
                "reports are drawn a step: agreeing.reports = 128."
            )
        corpus = openi.read()
        self._recipe = recipe
        self._studies = told(in_split(corpus.reports, "train"))
        self._maker = PairMaker.open(recipe.mix)
        self._epochs: dict[int, list[Pair]] = {}
        self._agreeing = (
            AgreeingStep(recipe.agreeing, self._studies, recipe.loop.seed) if recipe.agreeing.weight else None
        )
        self._learner = Learner(recipe, corpus, every_text(self._studies))
        self.trained = self._learner.tower
        self.source = self._learner.student.source
        self.groups = self._learner.groups
        self.measure = self._learner.measure

    def fingerprints(self) -> dict[str, str]:
        """Return what identifies the training data."""
        return {"train": fingerprint([study.report for study in self._studies])}

    def accumulate(self, step: int, workers: Workers) -> float:
        """Add the gradients of this worker's texts of one batch of pairs."""
        pairs, bank = self._batch(step), self._bank(step)
        same = torch.from_numpy(says_the_same(pairs, bank)).to(self._learner.placement.device)
        documents = documents_of(pairs, bank)
        texts = [pair.query for pair in pairs] + documents
        instructions = [pair.instruction for pair in pairs] + [""] * len(documents)

        def pairs_loss(vectors: Tensor) -> Tensor:
            return contrastive(vectors[: len(pairs)], vectors[len(pairs) :], same, self._recipe.scale)

        texts, instructions, loss_of = self._with_notes(step, texts, instructions, pairs_loss)
        if self._recipe.kept_epochs:
            return self._learner.accumulate_kept(texts, instructions, loss_of, workers)
        return self._learner.accumulate(self._learner.chunks(texts, instructions), loss_of, workers, step)

    def _with_notes(
        self, step: int, texts: list[str], instructions: list[str], pairs_loss: Loss
    ) -> tuple[list[str], list[str], Loss]:
        """Return a step's texts, their instructions and the loss over their vectors, with notes told from reports."""
        agreeing = self._agreeing
        if agreeing is None:
            return texts, instructions, pairs_loss
        more, asked = agreeing.texts(step)

        def loss_of(vectors: Tensor) -> Tensor:
            return pairs_loss(vectors[: len(texts)]) + agreeing.loss(vectors[len(texts) :], step)

        return texts + more, instructions + asked, loss_of

    def _batch(self, step: int) -> list[Pair]:
        epoch, number = 0, step
        while number >= (batches := max(1, len(self._pairs(epoch)) // self._recipe.batch)):
            number -= batches
            epoch += 1
        return self._pairs(epoch)[number * self._recipe.batch :][: self._recipe.batch]

    def _bank(self, step: int) -> list[str]:
        if not self._recipe.bank:
            return []
        impressions = [study.impression for study in self._studies if study.findings and study.impression]
        return impression_bank(
            impressions, self._recipe.bank, np.random.default_rng((self._recipe.loop.seed, BANK, step))
        )

    def _pairs(self, epoch: int) -> list[Pair]:
        epoch = epoch % self._recipe.kept_epochs if self._recipe.kept_epochs else epoch
        if epoch not in self._epochs:
            self._epochs[epoch] = self._maker.epoch(self._studies, self._recipe.loop.seed, epoch)
        return self._epochs[epoch]


def run_recipe(file: Path, resume: bool) -> None:
    """Train as the recipe says, and export the best weights into the run's folder."""
    recipe = load_recipe(file, ContrastiveRecipe)
    stage, run = ContrastiveStage(recipe), Run(RUNS / file.stem)
    run.begin(recipe, stage.fingerprints(), resume)
    train(stage, recipe.loop, run)
    export_tower(recipe, stage.source, run)


if __name__ == "__main__":
    stage_command(__doc__, run_recipe)
