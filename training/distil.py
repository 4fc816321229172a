"""Geometry from a teacher: a report tower learns which texts a sentence encoder finds alike, before it learns reports.

    python -m training.distil training/recipes/pocket-distil.toml [--resume]

Not a stage of the paper. A decoder has never been asked for a vector; the teacher has, on a billion pairs of sentences.
The student is pulled towards the teacher's vector of each text through a map that is dropped afterwards
(https://arxiv.org/abs/2004.09813), and its similarities within a batch towards the teacher's
(https://arxiv.org/abs/1904.05068). The teacher reads training-split texts only. What is shipped says who taught it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.corpora import openi
from explorer.corpora.split import in_split
from models.registry import load_text_encoder
from training.command import RUNS, stage_command
from training.datasets import fingerprint
from training.learner import Learner, TextRecipe
from training.loop import Run, Workers, train
from training.losses import same_similarities
from training.recipe import load_recipe
from training.texts import every_sentence, every_text, told
from training.towers import export_tower


@dataclass(frozen=True, kw_only=True)
class DistilRecipe(TextRecipe):
    """A recipe of this stage."""

    teacher: str
    lr_map: float = 1e-3  # of the map into the teacher's space
    scale: float = 20.0  # of the similarities that are compared


class _Trained(nn.Module):
    """The tower, and the map into the teacher's space that only this stage has."""

    def __init__(self, tower: nn.Module, width: int, teacher_width: int) -> None:
        super().__init__()
        self.tower = tower
        self.helper = nn.Linear(width, teacher_width)


class DistilStage:
    """Tower, training texts, and the teacher's vector of each."""

    def __init__(self, recipe: DistilRecipe) -> None:
        corpus = openi.read()
        studies = told(in_split(corpus.reports, "train"))
        self._recipe = recipe
        sections = [text for one in studies for text in (one.findings, one.impression, *one.indication) if text]
        self._texts = list(dict.fromkeys(every_sentence(studies) + sections))
        teacher = load_text_encoder(recipe.teacher)
        self._taught = torch.from_numpy(teacher.encode(self._texts))
        self._learner = Learner(recipe, corpus, every_text(studies))
        self.source = f"{self._learner.student.source}; taught by {teacher.info.name}"
        self.trained = _Trained(self._learner.tower, self._learner.student.width, teacher.info.dim)
        self.trained.to(self._learner.placement.device)
        self.measure = self._learner.measure

    def fingerprints(self) -> dict[str, str]:
        """Return what identifies the training data."""
        return {"train": fingerprint(self._texts)}

    def groups(self) -> list[dict[str, Any]]:
        """Return the learner's groups and the map."""
        return [*self._learner.groups(), {"params": list(self.trained.helper.parameters()), "lr": self._recipe.lr_map}]

    def accumulate(self, step: int, workers: Workers) -> float:
        """Add the gradients of this worker's texts of one batch."""
        rows = np.random.default_rng((self._recipe.loop.seed, step)).choice(len(self._texts), self._recipe.batch)
        texts = [self._texts[row] for row in rows]
        taught = self._taught[rows].to(self._learner.placement.device)

        def loss_of(vectors: Tensor) -> Tensor:
            mapped = 1 - F.cosine_similarity(self.trained.helper(vectors), taught).mean()
            return mapped + same_similarities(vectors, taught, self._recipe.scale)

        chunks = self._learner.chunks(texts, [""] * len(texts))
        return self._learner.accumulate(chunks, loss_of, workers, step)


def run_recipe(file: Path, resume: bool) -> None:
    """Train as the recipe says, and export the best weights, without the map, into the run's folder."""
    recipe = load_recipe(file, DistilRecipe)
    stage, run = DistilStage(recipe), Run(RUNS / file.stem)
    run.begin(recipe, stage.fingerprints(), resume)
    train(stage, recipe.loop, run)
    export_tower(recipe, stage.source, run)


if __name__ == "__main__":
    stage_command(__doc__, run_recipe)
