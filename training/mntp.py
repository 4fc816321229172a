"""Masked next-token prediction on report texts, paper section 3 and https://arxiv.org/abs/2404.05961 section 2.2.

    python -m training.mntp training/recipes/pocket-mntp.toml [--resume]

Each token of a text is hidden with the recipe's probability, and predicted from the state one position earlier, where a
decoder is used to predict it; a BERT predicts at the hidden position itself. It teaches a decoder to use what stands to
the right of a token, and either model the words of reports.
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
from models.text import TokenPair, TowerConfig, length_buckets, pad
from training.adapters import LoraConfig, make_trainable
from training.command import RUNS, stage_command
from training.datasets import fingerprint
from training.loop import LoopConfig, Run, Workers, train
from training.recipe import load_recipe
from training.students import Student, Tower, open_student
from training.texts import every_text, told
from training.towers import export_tower

NOT_MASKED = -100  # cross_entropy's own mark for positions without a target
TOKENS_PER_CHUNK = 4_096
MEASURED = 256  # validation texts


@dataclass(frozen=True)
class MntpRecipe:
    """A recipe of this stage."""

    name: str
    base: str
    tower: TowerConfig
    lora: LoraConfig
    loop: LoopConfig
    batch: int = 128
    lr: float = 1e-5
    lr_head: float = 1e-3  # of a head that has to be learned
    mask_probability: float = 0.2
    train_tokens: int = 512  # texts are cut there while training


@dataclass(frozen=True)
class Masked:
    """A text with hidden tokens; `targets` holds the hidden ones at the positions that predict them."""

    ids: list[int]
    targets: list[int]

    @property
    def count(self) -> int:
        """Return how many tokens are to be predicted."""
        return sum(target != NOT_MASKED for target in self.targets)


def mask(ids: list[int], student: Student, probability: float, draw: np.random.Generator) -> Masked:
    """Hide tokens of a text; special tokens stay, and so does a first token that no state precedes."""
    hidden = draw.random(len(ids)) < probability
    open_ = [position >= student.shift and token not in student.special_ids for position, token in enumerate(ids)]
    chosen = [bool(hide) and may for hide, may in zip(hidden, open_, strict=True)]
    targets = [NOT_MASKED] * len(ids)
    for position, token in enumerate(ids):
        if chosen[position]:
            targets[position - student.shift] = token
    return Masked([student.mask_id if hide else token for hide, token in zip(chosen, ids, strict=True)], targets)


class _Trained(nn.Module):
    """The tower with the head that only this stage has."""

    def __init__(self, tower: Tower, head: nn.Module) -> None:
        super().__init__()
        self.tower = tower
        self.head = head


class MntpStage:
    """Texts of the training split, masked anew at every step, and masked validation texts."""

    def __init__(self, recipe: MntpRecipe) -> None:
        self._recipe = recipe
        self._placement = recipe.loop.placement()
        torch.manual_seed(recipe.loop.seed)  # a part that the base lacks, such as a head, starts at random
        self.student = open_student(recipe.base, recipe.tower, recipe.train_tokens)
        tower = self.student.tower
        tower.requires_grad_(False)
        self.student.language_model.to(self._placement.dtype)
        make_trainable(self.student.language_model, self.student.targets, self.student.layers, recipe.lora)
        self.trained = _Trained(tower, self.student.head).to(self._placement.device)
        reports = openi.read().reports
        self._texts = every_text(told(in_split(reports, "train")))
        self._validation = self._masked_validation(every_text(told(in_split(reports, "validation"))))

    def fingerprints(self) -> dict[str, str]:
        """Return what identifies the training data."""
        return {"train": fingerprint(self._texts)}

    def groups(self) -> list[dict[str, Any]]:
        """Return the language model at one rate, the head that is new at another."""
        tower = [p for p in self.trained.tower.parameters() if p.requires_grad]
        head = [p for p in self.trained.head.parameters() if p.requires_grad]
        return [
            {"params": tower, "lr": self._recipe.lr},
            *([{"params": head, "lr": self._recipe.lr_head}] if head else []),
        ]

    def accumulate(self, step: int, workers: Workers) -> float:
        """Add the gradients of this worker's texts; the loss is the mean over all hidden tokens of the step."""
        everything = self._batch(step)
        total = max(1, sum(one.count for one in everything))
        seed = self._recipe.loop.seed * 1_000_003 + step * 1_009
        loss = torch.zeros(1, device=self._placement.device)
        for number, chunk in workers.share(list(enumerate(_chunks(everything)))):
            torch.manual_seed(seed + number)  # whichever worker takes the chunk, dropout is the same
            with workers.autocast():
                part = self._predictions(chunk)[0] / total
            workers.backward(part)
            loss += part.detach()
        return float(workers.gather(loss).sum())

    def measure(self) -> dict[str, float]:
        """Return how many hidden tokens of validation texts are guessed, and the loss on them."""
        losses, right, total = 0.0, 0, 0
        for chunk in _chunks(self._validation):
            with self._placement.autocast():
                loss, guessed = self._predictions(chunk)
            losses, right = losses + loss.item(), right + guessed
            total += sum(one.count for one in chunk)
        return {"masked accuracy": right / total, "masked loss": losses / total}

    def _predictions(self, chunk: list[Masked]) -> tuple[Tensor, int]:
        """Return the summed loss over the hidden tokens of texts, and how many were guessed."""
        batch = pad([([], one.ids) for one in chunk]).to(self._placement.device)
        targets = torch.full(batch.ids.shape, NOT_MASKED)
        for row, one in enumerate(chunk):
            targets[row, : len(one.targets)] = torch.tensor(one.targets)
        targets = targets.to(self._placement.device)
        states = self.student.states(batch)[targets != NOT_MASKED]  # [b, l, d] → [n, d]
        wanted = targets[targets != NOT_MASKED]
        logits = self.student.head(states).float()
        return F.cross_entropy(logits, wanted, reduction="sum"), int((logits.argmax(dim=1) == wanted).sum())

    def _batch(self, step: int) -> list[Masked]:
        epoch, position = divmod(step, max(1, len(self._texts) // self._recipe.batch))
        order = np.random.default_rng((self._recipe.loop.seed, epoch)).permutation(len(self._texts))
        rows = order[position * self._recipe.batch :][: self._recipe.batch]
        return self._masked(
            [self._texts[row] for row in rows], np.random.default_rng((self._recipe.loop.seed, 1, step))
        )

    def _masked_validation(self, texts: list[str]) -> list[Masked]:
        draw = np.random.default_rng(self._recipe.loop.seed)
        chosen = draw.permutation(len(texts))[:MEASURED]
        return self._masked([texts[row] for row in chosen], draw)

    def _masked(self, texts: list[str], draw: np.random.Generator) -> list[Masked]:
        pairs: list[TokenPair] = self.student.tokenizer.pairs(texts, [""] * len(texts))
        return [mask(ids, self.student, self._recipe.mask_probability, draw) for _, ids in pairs]


def _chunks(texts: list[Masked]) -> list[list[Masked]]:
    buckets = length_buckets([len(one.ids) for one in texts], TOKENS_PER_CHUNK)
    return [[texts[row] for row in bucket] for bucket in buckets]


def run_recipe(file: Path, resume: bool) -> None:
    """Train as the recipe says, and export the best weights, without the head, into the run's folder."""
    recipe = load_recipe(file, MntpRecipe)
    stage, run = MntpStage(recipe), Run(RUNS / file.stem)
    run.begin(recipe, stage.fingerprints(), resume)
    train(stage, recipe.loop, run)
    export_tower(recipe, stage.student.source, run)


if __name__ == "__main__":
    stage_command(__doc__, run_recipe)
