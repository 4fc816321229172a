"""A report tower while it learns: what the stages that compare texts share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from explorer.corpora.base import Corpus
from models.checkpoint import open_checkpoint
from models.text import TokenPair, TowerConfig, in_buckets, length_buckets, pad
from training.adapters import LoraConfig, go_on_from, make_trainable
from training.gradient_cache import Chunk, accumulate_in_chunks
from training.kept import KeptStates
from training.loop import LoopConfig, Workers
from training.recipe import RecipeError
from training.students import open_student
from training.validation import Validation

WHITENED_TEXTS = 2_000  # enough for a shrunk 576 × 576 correlation, in a minute


@dataclass(frozen=True, kw_only=True)
class TextRecipe:
    """What the recipes of these stages have in common."""

    name: str
    base: str
    tower: TowerConfig
    lora: LoraConfig
    loop: LoopConfig
    batch: int = 128
    lr_lora: float = 1e-5  # of adapters, or of the whole language model where the recipe trains everything
    lr_pooling: float = 1e-4  # of whitening and latent attention
    start: str = ""  # run folder of the stage this one goes on from
    shrinkage: float = 0.1  # of the whitening fit
    train_tokens: int = 512  # texts are cut there while training
    chunk_tokens: int = 8_192  # padded tokens that go through the tower at a time
    gradient_cache: bool = True  # hold the activations of one chunk at a time, and make them twice
    instructed: bool = True  # queries carry their instruction
    kept_epochs: int = 0  # pool the texts of so many epochs once, and train the map behind them alone; 0: train all


class Learner:
    """A tower with adapters, its tokenizer, and the validation split."""

    def __init__(self, recipe: TextRecipe, corpus: Corpus, texts: Sequence[str]) -> None:
        """Open the base, go on from the recipe's start, and fit the whitening to `texts` if the start has none."""
        self._recipe = recipe
        self._validation = Validation(corpus)
        self.placement = recipe.loop.placement()
        torch.manual_seed(recipe.loop.seed)  # latent attention starts at random
        self.student = open_student(recipe.base, recipe.tower, recipe.train_tokens)
        self.student.language_model.to(self.placement.dtype)
        make_trainable(self.student.language_model, self.student.targets, self.student.layers, recipe.lora)
        self.tower = self.student.tower.to(self.placement.device)
        self._start(texts)
        self._kept = KeptStates(self._pooled) if recipe.kept_epochs else None

    def groups(self) -> list[dict[str, Any]]:
        """Return the language model and what pools its states, each with its learning rate."""
        inside = {id(p) for p in self.student.language_model.parameters()}
        trained = [p for p in self.tower.parameters() if p.requires_grad]
        language = [p for p in trained if id(p) in inside]
        pooling = [p for p in trained if id(p) not in inside]
        groups = [{"params": language, "lr": self._recipe.lr_lora}, {"params": pooling, "lr": self._recipe.lr_pooling}]
        return [group for group in groups if group["params"]]

    def chunks(self, texts: Sequence[str], instructions: Sequence[str]) -> list[Chunk]:
        """Return texts as padded batches of similar length, each within the recipe's size."""
        asked = instructions if self._recipe.instructed else [""] * len(texts)
        tokens = self.student.tokenizer.pairs(texts, asked)
        rows = length_buckets(_lengths(tokens), self._recipe.chunk_tokens)
        return [(chunk, pad([tokens[row] for row in chunk]).to(self.placement.device)) for chunk in rows]

    def accumulate(
        self, chunks: Sequence[Chunk], loss_of: Callable[[Tensor], Tensor], workers: Workers, step: int
    ) -> float:
        """Add the gradients of a loss over the vectors of all chunks, and return the loss."""
        seed = self._recipe.loop.seed * 1_000_003 + step * 1_009
        return accumulate_in_chunks(self.tower, chunks, loss_of, workers, seed, self._recipe.gradient_cache)

    def accumulate_kept(
        self,
        texts: Sequence[str],
        instructions: Sequence[str],
        loss_of: Callable[[Tensor], Tensor],
        workers: Workers,
    ) -> float:
        """Add the gradients that the loss over all texts has behind their pooled states, and return the loss."""
        asked = instructions if self._recipe.instructed else [""] * len(texts)
        loss = loss_of(self._behind_kept(texts, asked))
        workers.backward(loss / workers.count)  # every worker has the whole loss
        return loss.item()

    def measure(self) -> dict[str, float]:
        """Return how well the tasks of the validation split are done; the first figure chooses."""
        return self._validation.figures(self._unit, self._recipe.instructed)

    def _unit(self, texts: Sequence[str], instruction: str) -> np.ndarray:
        instructions = [instruction] * len(texts)
        if self._kept is not None:
            vectors = self._behind_kept(texts, instructions)
        else:
            pairs = self.student.tokenizer.pairs(texts, instructions)
            with self.placement.autocast():
                vectors = in_buckets(self.tower, pairs, self.placement.device, self._recipe.chunk_tokens)
        return F.normalize(vectors, dim=-1).cpu().numpy()

    def _behind_kept(self, texts: Sequence[str], instructions: Sequence[str]) -> Tensor:
        if self._kept is None or self.tower.whitening is None:
            raise RecipeError("Only a map can be trained on states that are kept. Say kept_epochs = 0.")
        return self.tower.whitening(self._kept.of(texts, instructions))  # type: ignore[no-any-return]

    @torch.no_grad()
    def _pooled(self, texts: Sequence[str], instructions: Sequence[str]) -> Tensor:
        """Return the pooled states of texts before the map: [n, k·d]."""
        pairs = self.student.tokenizer.pairs(texts, instructions)
        with self.placement.autocast():
            return in_buckets(self.tower.pool, pairs, self.placement.device, self._recipe.chunk_tokens)

    def _start(self, texts: Sequence[str]) -> None:
        start = open_checkpoint(Path(self._recipe.start) / "tower" / "text") if self._recipe.start else None
        if start is not None:
            go_on_from(self.tower, start, self.student.root)
        whitened = start is not None and any(key.startswith("whitening.") for key in start.tensors())
        if not whitened:
            self._fit_whitening(texts)

    @torch.no_grad()
    def _fit_whitening(self, texts: Sequence[str]) -> None:
        if self.tower.whitening is None:
            return
        chosen = np.random.default_rng(self._recipe.loop.seed).permutation(len(texts))[:WHITENED_TEXTS]
        pooled = self._pooled([texts[row] for row in chosen], [""] * len(chosen))
        self.tower.whitening.fit(pooled.cpu(), self._recipe.shrinkage)


def _lengths(tokens: Sequence[TokenPair]) -> list[int]:
    return [len(prefix) + len(text) for prefix, text in tokens]
