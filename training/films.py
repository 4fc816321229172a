"""The image tower learns the findings of labelled films, before it meets reports.

    CXR_IMAGES=DIR python -m training.films training/recipes/pocket-films.toml [--resume]

One sigmoid a finding over the tower's features. Films of rare findings are drawn oftener, each is changed a little
every time, and the running average of the weights is what is measured and kept. The head is dropped afterwards:
`training.clip` goes on from the tower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.metrics.classification import aurocs, enough
from models.vision import VisionConfig, VisionTower, normalised
from training.augment import jittered
from training.command import RUNS, stage_command
from training.datasets import SHARED_LABELS, SOURCES, Film, films, fingerprint, images_folder, label_matrix, pixels_of
from training.images import begin_tower
from training.loop import LoopConfig, Run, Workers, train
from training.recipe import load_recipe

FILMS_AT_ONCE = 64  # while measuring
FEWEST = 10  # positives among the choosing films, for a finding to have a say


@dataclass(frozen=True)
class FilmsRecipe:
    """A recipe of this stage."""

    vision: VisionConfig
    loop: LoopConfig
    batch: int = 32
    lr_vision: float = 3e-4
    lr_head: float = 1e-3
    balance: float = 0.5  # a film is drawn as often as its rarest finding is rare, to this power; 0: all alike
    dropout: float = 0.3  # of the features, before the head
    smoothing: float = 0.0  # targets are kept so far from 0 and 1: the labels are mined from text
    start: str = ""  # folder of a run of this stage that this one goes on from; without one, ImageNet's weights


class FindingsOfFilms(nn.Module):
    """The image tower and a sigmoid a finding."""

    def __init__(self, vision: VisionConfig, dropout: float) -> None:
        super().__init__()
        self.tower = VisionTower(vision)
        self.labels = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.tower.width, len(SHARED_LABELS)))

    def forward(self, shown: Tensor) -> Tensor:
        """Films [b, 1, s, s], normalised → logits [b, labels]."""
        return self.labels(self.tower(shown))  # type: ignore[no-any-return]


class FilmsStage:
    """Labelled films, and the choosing patients' films."""

    def __init__(self, recipe: FilmsRecipe) -> None:
        self._recipe = recipe
        self._placement = recipe.loop.placement()
        folder, size = images_folder(), recipe.vision.size
        self._films, self._choosing = (_labelled(films(folder, SOURCES, part)) for part in ("train", "choosing"))
        self._pixels, self._choosing_pixels = pixels_of(self._films, size), pixels_of(self._choosing, size)
        self._targets = label_matrix([film.labels for film in self._films], SHARED_LABELS)
        self._drawn = how_often(self._targets, recipe.balance)
        torch.manual_seed(recipe.loop.seed)
        self.trained = FindingsOfFilms(recipe.vision, recipe.dropout)
        begin_tower(self.trained.tower, recipe.start)
        self.trained.to(self._placement.device).to(memory_format=torch.channels_last)

    def fingerprints(self) -> dict[str, str]:
        """Return what identifies the training data."""
        return {"films": fingerprint([f"{film.file.name} {sorted(film.labels)}" for film in self._films])}

    def groups(self) -> list[dict[str, Any]]:
        """Return the image tower at one rate, the head at another."""
        return [
            {"params": list(self.trained.tower.parameters()), "lr": self._recipe.lr_vision},
            {"params": list(self.trained.labels.parameters()), "lr": self._recipe.lr_head},
        ]

    def accumulate(self, step: int, workers: Workers) -> float:
        """Add the gradients of one batch of films; each worker takes the same batch and an equal part of the loss."""
        draw = np.random.default_rng((self._recipe.loop.seed, step))
        chosen = draw.choice(len(self._films), self._recipe.batch, replace=False, p=self._drawn)
        targets = self._on_device(self._targets[chosen])
        targets = targets * (1 - 2 * self._recipe.smoothing) + self._recipe.smoothing
        with workers.autocast():
            logits = self.trained(self._on_device(jittered(normalised(self._pixels[chosen]))))
        loss = F.binary_cross_entropy_with_logits(logits.float(), targets)
        workers.backward(loss / workers.count)
        return loss.item()

    def measure(self) -> dict[str, float]:
        """Return how well the findings of the choosing patients' films are told: mean AUROC, and each."""
        with self._placement.autocast():
            rows = [
                self.trained(self._on_device(normalised(part))).float().cpu()
                for part in np.array_split(self._choosing_pixels, max(1, len(self._choosing) // FILMS_AT_ONCE))
            ]
        flags = label_matrix([film.labels for film in self._choosing], SHARED_LABELS) > 0
        told = enough(flags, max(1, min(FEWEST, len(flags) // 4)))
        figures = aurocs(torch.cat(rows).numpy()[:, told], flags[:, told])
        names = [f"AUROC {name}" for name, kept in zip(SHARED_LABELS, told, strict=True) if kept]
        return {"mean AUROC": float(figures.mean()), **dict(zip(names, figures.tolist(), strict=True))}

    def _on_device(self, values: Tensor | np.ndarray) -> Tensor:
        return torch.as_tensor(values).to(self._placement.device)


def how_often(targets: np.ndarray, balance: float) -> np.ndarray:
    """Return [n] chances, sum 1, to draw each film with flags [n, c]: its rarest finding's count, to minus `balance`.

    A film without a label counts as the commonest.
    """
    counts = np.maximum(targets.sum(axis=0), 1.0)
    rare = (targets * counts**-balance).max(axis=1)
    weights = np.maximum(rare, counts.max() ** -balance)
    chances: np.ndarray = weights / weights.sum()
    return chances


def _labelled(shown: Sequence[Film]) -> tuple[Film, ...]:
    return tuple(film for film in shown if film.labels & set(SHARED_LABELS))


def run_recipe(file: Path, resume: bool) -> None:
    """Train as the recipe says; the best weights lie in `best` of the run's folder."""
    recipe = load_recipe(file, FilmsRecipe)
    stage, run = FilmsStage(recipe), Run(RUNS / file.stem)
    run.begin(recipe, stage.fingerprints(), resume)
    train(stage, recipe.loop, run)


if __name__ == "__main__":
    stage_command(__doc__, run_recipe)
