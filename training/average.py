"""Between two towers: what a stage ended with and what it began from; the validation split chooses how much of each.

    python -m training.average training/recipes/pocket-average.toml

A tower that goes on learning gains in one task and loses in another. The way between both ends
(https://arxiv.org/abs/2109.01903) keeps most of each. Adapters are averaged factor by factor. Where both differ in
their map alone, `kept_epochs = 1` measures behind states that are pooled once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from explorer.corpora import openi
from models.checkpoint import open_checkpoint, save_checkpoint
from training.adapters import BASE, training_name
from training.command import RUNS, stage_command
from training.learner import Learner, TextRecipe
from training.loop import Run
from training.recipe import RecipeError, load_recipe
from training.towers import export_tower

MAP = "whitening."


@dataclass(frozen=True, kw_only=True)
class AverageRecipe(TextRecipe):
    """A recipe of this stage; `start` is the run that went on."""

    before: str  # the run that `start` went on from
    shares: tuple[float, ...]  # of `start` in the average, to choose from
    chosen_by: tuple[str, ...]  # the mean of these validation figures chooses


def between(before: Mapping[str, Tensor], after: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return share · after + (1 − share) · before of every tensor, in fp32."""
    return {key: torch.lerp(before[key].float(), after[key].float(), share) for key in after}


def run_recipe(file: Path, resume: bool) -> None:
    """Measure each share, and export the best tower into the run's folder."""
    recipe = load_recipe(file, AverageRecipe)
    run, learner = Run(RUNS / file.stem), Learner(recipe, openi.read(), [])
    run.begin(recipe, {}, resume)
    run.drop_curve_from(0)
    after, before = (open_checkpoint(Path(one) / "tower" / "text").tensors() for one in (recipe.start, recipe.before))
    more = any(not torch.equal(after[key], before[key]) for key in after if not key.startswith(MAP))
    if more and recipe.kept_epochs:
        raise RecipeError("Behind kept states only maps can be averaged: these towers differ in more. No kept_epochs.")
    best = -np.inf
    for number, share in enumerate(recipe.shares):
        _put(learner, between(before, after, share))
        with torch.no_grad():
            figures = learner.measure()
        run.note({"step": number, "share": share, **figures})
        chosen = float(np.mean([figures[name] for name in recipe.chosen_by]))
        if chosen > best:
            best = chosen
            _keep(run, learner, number, figures)
    export_tower(recipe, learner.student.source, run)


def _put(learner: Learner, tensors: Mapping[str, Tensor]) -> None:
    parameters = dict(learner.tower.named_parameters())
    with torch.no_grad():
        for key, value in tensors.items():
            if not key.startswith(BASE):
                parameters[training_name(key, learner.student.root)].copy_(value)


def _keep(run: Run, learner: Learner, step: int, figures: Mapping[str, float]) -> None:
    trained = {name: p for name, p in learner.tower.named_parameters() if p.requires_grad}
    save_checkpoint(run.folder / "best", trained, {"step": step, "measured": dict(figures)})


if __name__ == "__main__":
    stage_command(__doc__, run_recipe)
